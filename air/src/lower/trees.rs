//! `Trees`: one path of the `tree` chip for each tree and inference, the records for `nodes`, and a group
//! of `features` for each row of the input.

use super::{inconsistent, Lowering, INPUT_BITS};
use crate::chips::Chip;
use crate::error::AirError;
use alloc::{format, vec::Vec};
use veristar_model::{tree, Node, Trees};

/// A path: a tree of one inference.
#[derive(Clone, Debug)]
pub struct Path {
    /// Slot of its root.
    pub root: u32,
    /// Decisions it has room for.
    pub depth: usize,
    /// Bits of a gap.
    pub bits: u32,
    /// Its features.
    pub group: u32,
    /// Where its values go.
    pub results: core::ops::Range<u32>,
}

/// All trees of a model.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    /// `[feature, threshold, next]` of slots `0, 1, ..`; `next` is a slot too.
    pub records: Vec<[i32; 3]>,
    /// Addresses of the features of groups `0, 1, ..`.
    pub groups: Vec<Vec<u32>>,
    /// Paths.
    pub paths: Vec<Path>,
}

impl Forest {
    /// Elements that a table of one of the three chips is for.
    pub fn elements(&self, chip: &Chip) -> usize {
        match chip {
            Chip::Tree(_) => self.paths.iter().map(|path| path.depth).sum(),
            Chip::Nodes(_) => self.records.len(),
            Chip::Features(_) => self.groups.iter().map(Vec::len).sum(),
            _ => 0,
        }
    }
}

impl Lowering<'_> {
    /// The records' values only enter the weights columns.
    pub(super) fn trees(&mut self, node: &Node, trees: &Trees) -> Result<(), AirError> {
        let [x] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let input = self.tensor(*x)?;
        let bits = tree::gap_bits(input.range);
        if bits > INPUT_BITS {
            return Err(AirError::Unsupported {
                node: node.name.clone(),
                what: format!(
                    "its features range over {} to {}, more than 2^{INPUT_BITS} values: lower the \
                     input's precision",
                    input.range.lo, input.range.hi
                ),
            });
        }
        let shape = &self.tensor(node.output)?.shape;
        let [count, values] = tree::outputs(shape).ok_or_else(|| inconsistent(node))?;
        let result = self.own(node.output)?;
        self.builder.ranges.insert(bits);
        let base = self.records(node, trees)?;
        let features = input.shape.last().copied().unwrap_or(1).max(1);
        let addresses = self.addresses_of(*x)?.to_vec();
        let forest = &mut self.builder.forest;
        let mut results = (result..).step_by(values.max(1));
        for row in addresses.chunks(features) {
            let group = forest.groups.len() as u32;
            forest.groups.push(row.to_vec());
            for (root, start) in (base..).take(count).zip(results.by_ref()) {
                let results = start..start.saturating_add(values as u32);
                forest.paths.push(Path { root, depth: trees.depth, bits, group, results });
            }
        }
        Ok(())
    }

    /// Appends a node's records and gives the slot of the first.
    fn records(&mut self, node: &Node, trees: &Trees) -> Result<u32, AirError> {
        let parameter =
            self.graph.parameters.get(trees.records).ok_or_else(|| inconsistent(node))?;
        let slots = parameter.shape.first().copied().unwrap_or(0);
        let records = tree::Records::new(parameter);
        let forest = &mut self.builder.forest;
        // Slots are cells of a kind: the same limit keeps them far below the characteristic.
        let base = i32::try_from(forest.records.len()).map_err(|_| AirError::AddressSpace)?;
        forest.records.extend((0..slots).map(|slot| match records.get(slot) {
            Some(r) => [r.feature, r.threshold, r.next.saturating_add(base)],
            None => [0; 3],
        }));
        Ok(base as u32)
    }
}
