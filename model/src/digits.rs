//! Digits of integers: what [`crate::Op::Digits`] means, and what is checked of it.
//!
//! With bits `b_0, b_1, ..`, the digits `d_0, d_1, ..` of `x` are the only ones with
//!
//! ```text
//! x = d_0 + 2^b_0 (d_1 + 2^b_1 (d_2 + ..)),   0 <= d_i < 2^b_i,   -2^(b-1) <= d < 2^(b-1) for the last
//! ```
//!
//! So the last digits are `x` with its low bits dropped: how integers too wide for a table are rounded,
//! split into arguments of tables, or shown to lie in a range.

use crate::{view::same_shape, Graph, ModelError, Node, Range};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Most bits of a digit: its range table has an entry for every value.
pub const MAX_BITS: u32 = 20;

/// Most bits of all digits: their sum stays below 2^61.
pub const MAX_TOTAL: u32 = 62;

/// How integers are taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digits {
    /// Bits of each digit, the lowest first. The last digit has a sign.
    pub bits: Vec<u32>,
}

impl Digits {
    /// Bits of all digits.
    pub fn total(&self) -> u32 {
        self.bits.iter().fold(0, |sum: u32, bits| sum.saturating_add(*bits))
    }

    /// The integers that have such digits.
    pub fn domain(&self) -> Range {
        let half = 1i64 << self.total().clamp(1, MAX_TOTAL).saturating_sub(1);
        Range { lo: -half, hi: half - 1 }
    }

    /// The values of digit `index`.
    pub fn of(&self, index: usize) -> Range {
        let size = 1i64 << self.bits.get(index).copied().unwrap_or(0).min(MAX_BITS);
        match index + 1 == self.bits.len() {
            true => Range { lo: -(size / 2), hi: size / 2 - 1 },
            false => Range { lo: 0, hi: size - 1 },
        }
    }

    /// The values of all digits together.
    pub fn range(&self) -> Range {
        let all = (0..self.bits.len()).map(|index| self.of(index));
        all.reduce(|a, b| a.union(&b)).unwrap_or(Range { lo: 0, hi: 0 })
    }
}

/// Bits of each digit, of all of them, and shapes.
///
/// # Errors
/// [`ModelError`] naming the node.
pub fn check(graph: &Graph, node: &Node, digits: &Digits) -> Result<(), ModelError> {
    let name = node.name.as_str();
    let [x] = crate::bounds::inputs(graph, node)?;
    let each = digits.bits.iter().all(|bits| (1..=MAX_BITS).contains(bits));
    if digits.bits.is_empty() || !each || digits.total() > MAX_TOTAL {
        let (bits, limit, most) = (digits.bits.clone(), MAX_BITS, MAX_TOTAL);
        return Err(ModelError::Digits { node: name.into(), bits, limit, most });
    }
    let expected = core::iter::once(digits.bits.len()).chain(x.shape.iter().copied()).collect();
    same_shape(name, "the output", expected, &graph.tensor(name, node.output)?.shape)
}

/// The digits of all elements: all lowest ones first. The node has passed [`check`].
///
/// # Errors
/// [`ModelError::OutOfRange`] for an element without such digits.
pub fn run(node: &str, digits: &Digits, tensor: &str, x: &[i64]) -> Result<Vec<i64>, ModelError> {
    let Range { lo, hi } = digits.domain();
    if let Some((element, value)) = x.iter().enumerate().find(|(_, v)| !(lo..=hi).contains(*v)) {
        let (node, tensor, value) = (node.into(), tensor.into(), *value);
        return Err(ModelError::OutOfRange { node, tensor, element, value, lo, hi, real: None });
    }
    let mut rest = x.to_vec();
    let mut result = Vec::with_capacity(x.len().saturating_mul(digits.bits.len()));
    let (last, low) = match digits.bits.split_last() {
        Some((_, low)) => (true, low),
        None => (false, &[][..]),
    };
    for bits in low {
        let mask = (1i64 << (*bits).min(MAX_BITS)) - 1;
        result.extend(rest.iter().map(|v| v & mask));
        rest.iter_mut().for_each(|v| *v >>= (*bits).min(MAX_BITS));
    }
    if last {
        result.extend(rest);
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bounds, interpret, testing::Builder, FieldBound, Op};
    use alloc::vec;
    use proptest::prelude::*;

    fn split(bits: &[u32], lo: i64, hi: i64) -> Graph {
        let mut b = Builder::default();
        let x = b.input(&[2], lo, hi);
        let y = b.node(Op::Digits(Digits { bits: bits.to_vec() }), &[x], &[bits.len(), 2]);
        b.finish(y)
    }

    #[test]
    fn the_last_digit_has_the_sign() {
        let mut graph = split(&[3, 2, 4], -256, 255);
        bounds::propagate(&mut graph).unwrap();
        bounds::check(&graph).unwrap();
        assert_eq!(graph.tensors[1].range, Range::new(-8, 7));
        let outputs = interpret::outputs(&graph, &[vec![-1, 100]]);
        assert_eq!(outputs, Ok(vec![vec![7, 4, 3, 0, -1, 3]]));
    }

    #[test]
    fn what_has_no_such_digits_is_refused() {
        let graph = split(&[3, 4], -100, 100);
        assert!(interpret::outputs(&graph, &[vec![-64, 63]]).is_ok());
        for x in [-65, 64] {
            let refused = interpret::outputs(&graph, &[vec![0, x]]);
            assert!(matches!(refused, Err(ModelError::OutOfRange { element: 1, .. })));
        }
    }

    #[test]
    fn digits_are_unique_in_the_field() {
        let at = |bits: &[u32]| {
            let mut graph = split(bits, -(1 << 29), (1 << 29) - 1);
            bounds::propagate(&mut graph).and_then(|()| bounds::check(&graph))
        };
        assert_eq!(at(&[15, 15]), Ok(()));
        assert!(matches!(at(&[15, 16]), Err(ModelError::FieldOverflow { .. })));
        let mut wide = split(&[20, 20, 20, 2], -(1 << 29), 1 << 29);
        bounds::propagate(&mut wide).unwrap();
        assert_eq!(bounds::check_in(&wide, FieldBound::F64), Ok(()));
        for bits in [&[0, 5][..], &[21], &[20, 20, 20, 3]] {
            let refused = bounds::propagate(&mut split(bits, 0, 1));
            assert!(matches!(refused, Err(ModelError::Digits { .. })), "{bits:?}");
        }
    }

    proptest! {
        #[test]
        fn digits_add_up(bits in prop::collection::vec(1u32..=12, 1..5), seed in any::<i64>()) {
            let digits = Digits { bits };
            let Range { lo, hi } = digits.domain();
            let x = lo + seed.rem_euclid(hi - lo + 1);
            let parts = run("n", &digits, "t", &[x]).unwrap();
            let mut sum = 0;
            for (index, part) in parts.iter().enumerate().rev() {
                prop_assert!(digits.of(index).contains(*part));
                sum = (sum << digits.bits[index]) + part;
            }
            prop_assert_eq!(sum, x);
        }
    }
}
