//! Shapes: checked element counts, and walks over row-major positions.
//!
//! Everything that multiplies extents does it here, so that a hostile graph cannot overflow: a
//! shape is counted once ([`count`]), and below [`MAX_ELEMENTS`] plain arithmetic is safe.

use crate::ModelError;
use alloc::vec::Vec;

/// Most elements of one tensor, parameter, table or list of window reads.
pub const MAX_ELEMENTS: usize = 1 << 28;

/// Product of the extents, 1 to [`MAX_ELEMENTS`]; `name` is for the error.
///
/// # Errors
/// [`ModelError::Empty`] or [`ModelError::TooLarge`].
pub fn count(name: &str, shape: &[usize]) -> Result<usize, ModelError> {
    if shape.contains(&0) {
        return Err(ModelError::Empty { name: name.into(), shape: shape.into() });
    }
    shape
        .iter()
        .try_fold(1usize, |product, &extent| product.checked_mul(extent))
        .filter(|&product| product <= MAX_ELEMENTS)
        .ok_or_else(|| ModelError::TooLarge {
            name: name.into(),
            shape: shape.into(),
            limit: MAX_ELEMENTS,
        })
}

/// Row-major distance between neighbours along each axis of a counted shape.
pub(crate) fn strides(shape: &[usize]) -> Vec<i64> {
    let mut stride = 1i64;
    let mut strides: Vec<i64> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let own = stride;
            stride = stride.saturating_mul(extent as i64);
            own
        })
        .collect();
    strides.reverse();
    strides
}

/// Row-major walk over `axes` = (extent, stride) pairs, giving `offset + sum index * stride`.
pub(crate) fn walk(
    offset: i64,
    axes: impl IntoIterator<Item = (usize, i64)>,
) -> impl Iterator<Item = i64> {
    let mut axes: Vec<(usize, i64, usize)> =
        axes.into_iter().map(|(extent, stride)| (extent, stride, 0)).collect();
    let steps = axes.iter().map(|axis| axis.0).product::<usize>();
    let mut position = offset;
    (0..steps).map(move |_| {
        let current = position;
        for (extent, stride, index) in axes.iter_mut().rev() {
            *index += 1;
            position += *stride;
            if *index < *extent {
                break;
            }
            position -= *stride * *extent as i64;
            *index = 0;
        }
        current
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn counts_are_checked() {
        assert_eq!(count("t", &[]), Ok(1));
        assert_eq!(count("t", &[2, 3]), Ok(6));
        assert_eq!(count("t", &[MAX_ELEMENTS]), Ok(MAX_ELEMENTS));
        assert!(matches!(count("t", &[2, 0]), Err(ModelError::Empty { .. })));
        assert!(matches!(count("t", &[MAX_ELEMENTS, 2]), Err(ModelError::TooLarge { .. })));
        assert!(matches!(count("t", &[usize::MAX, 3]), Err(ModelError::TooLarge { .. })));
        assert!(matches!(count("t", &[usize::MAX, 3, 0]), Err(ModelError::Empty { .. })));
    }

    #[test]
    fn walks_in_row_major_order() {
        assert_eq!(strides(&[2, 3, 4]), vec![12, 4, 1]);
        let transposed: Vec<i64> = walk(0, [(3, 1), (2, 3)]).collect();
        assert_eq!(transposed, vec![0, 3, 1, 4, 2, 5]);
        assert_eq!(walk(7, []).collect::<Vec<_>>(), vec![7]);
    }
}
