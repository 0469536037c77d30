//! Row-major index arithmetic.

/// Row-major strides of `shape`.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        out[axis] = out[axis + 1] * shape[axis + 1];
    }
    out
}

/// Strides that read a tensor of shape `from` as if broadcast to `to` (aligned at the last axis).
pub fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<isize> {
    let own = strides(from);
    let lead = to.len().saturating_sub(from.len());
    (0..to.len())
        .map(
            |axis| {
                if axis < lead || from[axis - lead] == 1 {
                    0
                } else {
                    own[axis - lead] as isize
                }
            },
        )
        .collect()
}

/// Offsets `start + sum index * steps` for all indices of `shape`, row-major.
pub fn walk<'a>(
    shape: &'a [usize],
    steps: &'a [isize],
    start: isize,
) -> impl Iterator<Item = usize> + 'a {
    let total: usize = shape.iter().product();
    let mut index = vec![0usize; shape.len()];
    let mut at = start;
    (0..total).map(move |_| {
        let here = at as usize;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= steps[axis] * shape[axis] as isize;
            index[axis] = 0;
        }
        here
    })
}
