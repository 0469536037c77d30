//! Decision trees: what [`crate::Op::Trees`] means, and what is checked of it.
//!
//! All trees of a node share one parameter of *records*, one a *slot*: `[feature, threshold, next]`.
//! Tree `k` starts at slot `k`. A record with a feature of 0 or more is a *decision*: it goes on at slot
//! `next` if the feature is at most the threshold, and at slot `next + 1` if it is larger. A record with
//! feature [`VALUE`] is a *value*: its threshold is what the tree gives, and `next` is the slot of
//! the tree's next value (if it gives several, one for each class).
//!
//! The number of slots, trees and values, and the number of decisions on the longest path are
//! architecture, and so public; which records belong to which tree, and what they hold, is not.

use crate::{Graph, ModelError, Node, Parameter, ParameterId, Range};
use alloc::{vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// The feature of a record that holds a value.
pub const VALUE: i32 = -1;

/// Most decisions on a path.
pub const MAX_DEPTH: usize = 1 << 12;

/// `y[.., k, v]` is the `v`-th value that tree `k` gives for the features `x[.., :]`: input `[.., F]`,
/// output `[.., T, V]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trees {
    /// Shape `[slots, 3]`: feature, threshold (or value), next.
    pub records: ParameterId,
    /// Decisions on the longest path, at least 1.
    pub depth: usize,
}

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index of the feature, or [`VALUE`].
    pub feature: i32,
    /// Largest value of the feature that goes on at `next`; or the value.
    pub threshold: i32,
    /// The next slot.
    pub next: i32,
}

/// The records of a parameter.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a>(&'a [i32]);

impl<'a> Records<'a> {
    /// Reads a parameter of shape `[slots, 3]`.
    pub fn new(parameter: &'a Parameter) -> Self {
        Self(&parameter.values)
    }

    /// How many slots.
    pub fn len(&self) -> usize {
        self.0.len() / 3
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.0.len() < 3
    }

    /// The record of a slot.
    pub fn get(&self, slot: usize) -> Option<Record> {
        let start = slot.checked_mul(3)?;
        match self.0.get(start..start.checked_add(3)?)? {
            &[feature, threshold, next] => Some(Record { feature, threshold, next }),
            _ => None,
        }
    }

    /// All records, slot by slot.
    pub fn iter(&self) -> impl Iterator<Item = Record> + 'a {
        let records = *self;
        (0..self.len()).filter_map(move |slot| records.get(slot))
    }
}

impl Record {
    /// Whether it is a decision.
    pub fn decides(&self) -> bool {
        self.feature >= 0
    }

    /// The slot after a decision about `x`.
    pub fn step(&self, x: i64) -> i64 {
        i64::from(self.next) + i64::from(x > i64::from(self.threshold))
    }
}

/// Trees and values of a node: the last two extents of its output.
pub fn outputs(shape: &[usize]) -> Option<[usize; 2]> {
    match shape {
        [.., trees, values] => Some([*trees, *values]),
        _ => None,
    }
}

/// What all trees give for all rows of features, row-major. The node has passed [`check`].
///
/// # Errors
/// [`ModelError::Trees`] if a path leaves the slots or does not end (which [`check`] excludes).
pub fn run(
    node: &str,
    trees: &Trees,
    parameter: &Parameter,
    features: usize,
    output: &[usize],
    x: &[i64],
) -> Result<Vec<i64>, ModelError> {
    let records = Records::new(parameter);
    let [count, values] = outputs(output).unwrap_or([0, 0]);
    let mut result = Vec::new();
    for row in x.chunks_exact(features.max(1)) {
        for tree in 0..count {
            walk(node, records, tree, trees.depth, values, row, &mut result)?;
        }
    }
    Ok(result)
}

fn walk(
    node: &str,
    records: Records<'_>,
    root: usize,
    depth: usize,
    values: usize,
    x: &[i64],
    result: &mut Vec<i64>,
) -> Result<(), ModelError> {
    let wrong = |slot: usize, what| ModelError::Trees { node: node.into(), slot, what };
    let at = |slot: usize| records.get(slot).ok_or_else(|| wrong(slot, "does not exist"));
    let mut slot = root;
    for _ in 0..depth {
        let record = at(slot)?;
        if !record.decides() {
            break;
        }
        let feature = usize::try_from(record.feature).unwrap_or(usize::MAX);
        let x =
            x.get(feature).ok_or_else(|| wrong(slot, "asks for a feature that is not there"))?;
        slot = usize::try_from(record.step(*x)).unwrap_or(usize::MAX);
    }
    for _ in 0..values {
        let record = at(slot)?;
        if record.feature != VALUE {
            return Err(wrong(slot, "holds no value where a path must end"));
        }
        result.push(record.threshold.into());
        slot = usize::try_from(record.next).unwrap_or(usize::MAX);
    }
    Ok(())
}

/// Shapes, and that every path of every tree ends in as many values as the output has, after at
/// most `depth` decisions about features that exist.
///
/// # Errors
/// [`ModelError`] naming the node and the first slot that is wrong.
pub fn check(graph: &Graph, node: &Node, trees: &Trees) -> Result<(), ModelError> {
    let name = node.name.as_str();
    let [x] = crate::bounds::inputs(graph, node)?;
    let output = &graph.tensor(name, node.output)?.shape;
    let parameter = graph.parameter(name, trees.records)?;
    let &[slots, 3] = parameter.shape.as_slice() else {
        let slots = parameter.shape.first().copied().unwrap_or(0);
        return Err(shape(name, "the records", vec![slots, 3], &parameter.shape));
    };
    let (Some((&features, leading)), Some([count, values])) =
        (x.shape.split_last(), outputs(output))
    else {
        return Err(ModelError::Rank {
            node: name.into(),
            what: "the input",
            expected: 1,
            got: x.shape.len(),
        });
    };
    let expected: Vec<usize> = leading.iter().copied().chain([count, values]).collect();
    if *output != expected {
        return Err(shape(name, "the output", expected, output));
    }
    if !(1..=MAX_DEPTH).contains(&trees.depth) {
        let slot = 0;
        return Err(ModelError::Trees { node: name.into(), slot, what: "has no usable depth" });
    }
    if count > slots {
        return Err(ModelError::Trees { node: name.into(), slot: slots, what: "does not exist" });
    }
    heights(name, trees, Records::new(parameter), features, count, values)
}

fn shape(node: &str, what: &'static str, expected: Vec<usize>, got: &[usize]) -> ModelError {
    ModelError::Shape { node: node.into(), what, expected, got: got.to_vec() }
}

/// Each slot's height is found once (subtrees may be shared), without recursion.
fn heights(
    node: &str,
    trees: &Trees,
    records: Records<'_>,
    features: usize,
    count: usize,
    values: usize,
) -> Result<(), ModelError> {
    let wrong = |slot: usize, what| ModelError::Trees { node: node.into(), slot, what };
    let mut height: Vec<Option<usize>> = vec![None; records.len()];
    let mut open = vec![false; records.len()];
    let known = |height: &[Option<usize>], slot: usize| height.get(slot).copied().flatten();
    for root in 0..count {
        let mut stack = vec![root];
        while let Some(&slot) = stack.last() {
            if known(&height, slot).is_some() {
                stack.pop();
                continue;
            }
            let record = records.get(slot).ok_or_else(|| wrong(slot, "does not exist"))?;
            let found = if record.decides() {
                if usize::try_from(record.feature).map_or(true, |f| f >= features) {
                    return Err(wrong(slot, "asks for a feature that is not there"));
                }
                let next =
                    usize::try_from(record.next).map_err(|_| wrong(slot, "leads nowhere"))?;
                let children = [next, next.saturating_add(1)];
                match children.map(|child| known(&height, child)) {
                    [Some(a), Some(b)] => a.max(b) + 1,
                    pair => {
                        if open.get(slot) == Some(&true) {
                            return Err(wrong(slot, "lies on a circle"));
                        }
                        let missing = children.into_iter().zip(pair).filter(|(_, h)| h.is_none());
                        stack.extend(missing.map(|(child, _)| child));
                        if let Some(flag) = open.get_mut(slot) {
                            *flag = true;
                        }
                        continue;
                    }
                }
            } else {
                chain(records, slot, values).ok_or_else(|| {
                    wrong(slot, "begins too few values, or is neither a decision nor a value")
                })?;
                0
            };
            if found > trees.depth {
                return Err(wrong(slot, "begins a longer path than the depth says"));
            }
            if let Some(cell) = height.get_mut(slot) {
                *cell = Some(found);
            }
            stack.pop();
        }
    }
    Ok(())
}

fn chain(records: Records<'_>, start: usize, values: usize) -> Option<()> {
    let mut slot = start;
    for _ in 0..values {
        let record = records.get(slot).filter(|record| record.feature == VALUE)?;
        slot = usize::try_from(record.next).unwrap_or(usize::MAX);
    }
    Some(())
}

/// The range of the values, after checking that each threshold is in `lo - 1 ..= hi` for features in
/// `lo ..= hi`: so the difference of a feature and its threshold is in `0 .. 2^gap_bits`.
///
/// # Errors
/// [`ModelError::Trees`].
pub fn range(node: &str, parameter: &Parameter, x: Range) -> Result<Range, ModelError> {
    let mut values: Option<Range> = None;
    for (slot, record) in Records::new(parameter).iter().enumerate() {
        let threshold = i64::from(record.threshold);
        if !record.decides() {
            let point = Range::new(threshold, threshold);
            values = Some(values.map_or(point, |range| range.union(&point)));
        } else if threshold < x.lo.saturating_sub(1) || threshold > x.hi {
            let what = "has a threshold outside the range of the features";
            return Err(ModelError::Trees { node: node.into(), slot, what });
        }
    }
    values.ok_or_else(|| ModelError::Trees {
        node: node.into(),
        slot: 0,
        what: "leads to no value",
    })
}

/// Bits of the difference between a feature in `x` and a threshold in `x.lo - 1 ..= x.hi`: of
/// `threshold - feature` if that is not negative, and of `feature - threshold - 1` otherwise.
pub fn gap_bits(x: Range) -> u32 {
    let widest = x.hi.saturating_sub(x.lo).max(0).unsigned_abs();
    u64::BITS - widest.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bounds, interpret, testing::Builder, Op};
    use alloc::format;

    /// Two trees about two features. Slots: 0 and 1 are roots.
    ///
    /// ```text
    /// 0: x1 <= 5 -> 2 | 3      1: value 7
    /// 2: value -4              3: x0 <= -1 -> 4 | 5
    /// 4: value 10              5: value 20
    /// ```
    fn forest(change: impl FnOnce(&mut Vec<i32>), depth: usize) -> Graph {
        let mut b = Builder::default();
        let x = b.input(&[2], -8, 8);
        let mut records = vec![1, 5, 2, -1, 7, 0, -1, -4, 0, 0, -1, 4, -1, 10, 0, -1, 20, 0];
        change(&mut records);
        let records = b.parameter(&[6, 3], records);
        let y = b.node(Op::Trees(Trees { records, depth }), &[x], &[2, 1]);
        b.finish(y)
    }

    #[test]
    fn paths_end_in_values() {
        let mut graph = forest(|_| {}, 2);
        bounds::propagate(&mut graph).unwrap();
        bounds::check(&graph).unwrap();
        assert_eq!(graph.tensors[1].range, Range::new(-4, 20));
        for (x, y) in [([0, 5], -4), ([0, 6], 20), ([-1, 6], 10), ([-8, 8], 10), ([8, -8], -4)] {
            assert_eq!(interpret::outputs(&graph, &[x.to_vec()]), Ok(vec![vec![y, 7]]), "{x:?}");
        }
    }

    #[test]
    fn values_may_be_chained() {
        let mut b = Builder::default();
        let x = b.input(&[3, 1], 0, 3);
        let records = vec![0, 1, 1, -1, 5, 3, -1, 6, 4, -1, -50, 0, -1, -60, 0];
        let records = b.parameter(&[5, 3], records);
        let y = b.node(Op::Trees(Trees { records, depth: 1 }), &[x], &[3, 1, 2]);
        let mut graph = b.finish(y);
        bounds::propagate(&mut graph).unwrap();
        let outputs = interpret::outputs(&graph, &[vec![0, 1, 2]]);
        assert_eq!(outputs, Ok(vec![vec![5, -50, 5, -50, 6, -60]]));
        graph.parameters[0].values[5] = 1;
        // A circle of values is a chain of any length.
        assert_eq!(interpret::outputs(&graph, &[vec![0, 0, 0]]), Ok(vec![vec![5; 6]]));
        graph.parameters[0].values[5] = 0;
        assert!(interpret::outputs(&graph, &[vec![0, 0, 0]]).is_err());
    }

    #[test]
    fn each_broken_record_is_named() {
        type Change = fn(&mut Vec<i32>);
        let breaks: [(Change, usize, &str); 8] = [
            (|r| r[0] = 2, 0, "feature that is not there"),
            (|r| r[2] = 5, 6, "does not exist"),
            (|r| r[2] = -1, 0, "leads nowhere"),
            (|r| r[11] = 0, 0, "lies on a circle"),
            (|r| r[11] = 2, 3, "lies on a circle"),
            (|r| r[12] = -2, 4, "begins too few values"),
            (|r| r[1] = 9, 0, "outside the range"),
            (|r| r[1] = -10, 0, "outside the range"),
        ];
        for (index, (change, slot, what)) in breaks.into_iter().enumerate() {
            let error = bounds::propagate(&mut forest(change, 2)).unwrap_err();
            assert!(format!("{error}").contains(what), "break {index}: {error}");
            let expected = slot;
            assert!(
                matches!(error, ModelError::Trees { slot, .. } if slot == expected),
                "break {index}: {error}"
            );
        }
        let shallow = bounds::propagate(&mut forest(|_| {}, 1)).unwrap_err();
        assert!(format!("{shallow}").contains("longer path"), "{shallow}");
        assert!(bounds::propagate(&mut forest(|_| {}, 0)).is_err());
    }

    #[test]
    fn gaps_fit_their_bits() {
        for (lo, hi) in [(0, 0), (0, 1), (-8, 7), (-8, 8), (0, 255), (-3, 100)] {
            let x = Range::new(lo, hi);
            let gaps = (lo..=hi)
                .flat_map(|x| (lo - 1..=hi).map(move |t| if x <= t { t - x } else { x - t - 1 }));
            let widest = gaps.max().unwrap();
            assert!(widest < 1 << gap_bits(x), "{x:?}");
            assert!(gap_bits(x) == 0 || widest >= 1 << (gap_bits(x) - 1), "{x:?}");
        }
    }
}
