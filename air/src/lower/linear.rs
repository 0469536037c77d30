//! What convolutions and matrix products share: runs of weights, and how wide their rows are.

use super::Lowering;
use crate::builder::ROW_OVERHEAD;
use crate::error::AirError;
use crate::program::ONE;
use alloc::vec::Vec;
use veristar_model::{Graph, Op};

/// Widths beyond this make proofs long without making rows much fewer.
const WIDEST: usize = 256;
/// Tables of fewer rows end up as tall as the others, whatever their rows.
const TALL: usize = 1 << 15;
/// Rows that hiding takes of a tall table, about.
const RESERVED: usize = 1 << 12;

/// Outputs of a run and rows of such runs, for each linear layer.
fn runs(graph: &Graph) -> Vec<(usize, usize)> {
    let extents = |id: usize| graph.parameters.get(id).map_or(&[][..], |p| p.shape.as_slice());
    graph
        .nodes
        .iter()
        .filter_map(|node| match &node.op {
            Op::Conv2d(conv) => match extents(conv.weight) {
                [o, c, kh, kw] => Some((o / conv.groups.max(1), conv.groups * (c * kh * kw + 1))),
                _ => None,
            },
            Op::MatMul { weight, .. } => match extents(*weight) {
                [o, k] => Some((*o, k + 1)),
                _ => None,
            },
            _ => None,
        })
        .filter(|(outputs, rows)| *outputs > 0 && *rows > 0)
        .collect()
}

/// One or two row widths that make the model's weights tables small.
pub fn choose_widths(graph: &Graph) -> Vec<usize> {
    let runs = runs(graph);
    if runs.is_empty() {
        return Vec::new();
    }
    let height = |rows: usize| match rows < TALL {
        true => rows,
        false => rows.saturating_add(RESERVED).checked_next_power_of_two().unwrap_or(usize::MAX),
    };
    let mut candidates: Vec<usize> =
        runs.iter().flat_map(|(o, _)| (1..=8).map(|parts| o.div_ceil(parts))).collect();
    candidates.retain(|w| (1..=WIDEST).contains(w));
    candidates.extend([1, 4, 16, 64, WIDEST]);
    candidates.sort_unstable();
    candidates.dedup();
    let cells = |rows: usize, width: usize| rows.saturating_mul(width + ROW_OVERHEAD);
    let total = |[a, b]: [usize; 2]| {
        let (mut tall_a, mut tall_b) = (0usize, 0usize);
        for (outputs, count) in &runs {
            let [rows_a, rows_b] = [a, b].map(|w| count.saturating_mul(outputs.div_ceil(w)));
            if cells(rows_b, b) < cells(rows_a, a) {
                tall_b = tall_b.saturating_add(rows_b);
            } else {
                tall_a = tall_a.saturating_add(rows_a);
            }
        }
        cells(height(tall_a), a).saturating_add(cells(height(tall_b), b))
    };
    let one = candidates.iter().map(|w| (total([*w, *w]), *w)).min().unwrap_or((0, 1));
    let pairs = candidates.iter().flat_map(|a| candidates.iter().map(move |b| [*a, *b]));
    let two = pairs.map(|pair| (total(pair), pair)).min().unwrap_or((one.0, [one.1; 2]));
    // A second table costs a proof some 30 columns: worth it from about 2^16 cells.
    if two.0 + (1 << 16) < one.0 {
        two.1.to_vec()
    } else {
        alloc::vec![one.1]
    }
}

/// Exponents of `r` that a layer's outputs take: group `g`'s output `o` has
/// `base + g * padded + o`, where `padded` is the group's outputs rounded up to whole runs, so
/// that unused lanes have exponents of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outputs {
    /// The `weights` chip.
    pub class: usize,
    /// Lanes of its rows.
    pub width: usize,
    /// Outputs of one group.
    pub per_group: usize,
    /// Exponents of one group.
    pub padded: usize,
    /// First exponent.
    pub base: u64,
}

impl Lowering<'_> {
    /// Takes exponents for a layer.
    pub(super) fn outputs(&mut self, groups: usize, per_group: usize) -> Outputs {
        let class = self.builder.class(per_group);
        let width = self.builder.widths.get(class).copied().unwrap_or(1);
        let padded = per_group.div_ceil(width) * width;
        let base = self.builder.next_output;
        self.builder.next_output += (groups * padded) as u64;
        Outputs { class, width, per_group, padded, base }
    }

    /// Appends the runs of one `(channel, kernel position)`: the term
    /// `t^exponent * A * sum_o r^(base + o) w_o`.
    pub(super) fn weights_runs(
        &mut self,
        outputs: &Outputs,
        exponent: u64,
        activation: u32,
        weight: impl Fn(usize) -> i32,
    ) -> Result<(), AirError> {
        let position = self.builder.power_of_t(exponent)?;
        for start in (0..outputs.per_group).step_by(outputs.width) {
            let run = self.builder.power_of_r(outputs.base + start as u64)?;
            let monomial = self.builder.multiply(run, position)?;
            let end = (start + outputs.width).min(outputs.per_group);
            let weights = (start..end).map(&weight);
            self.builder.weights_row(outputs.class, monomial, activation, weights);
        }
        Ok(())
    }

    /// Appends the bias: the constant polynomial over `positions` positions from `exponent` on.
    pub(super) fn bias_runs(
        &mut self,
        outputs: &Outputs,
        exponent: u64,
        positions: u64,
        bias: impl Fn(usize) -> i32,
    ) -> Result<(), AirError> {
        let ones = if positions == 1 { ONE } else { self.builder.ones(positions)? };
        self.weights_runs(outputs, exponent, ones, bias)
    }

    /// `sum_i factor^i * cells[i]`, by Horner's rule in the `field` chip.
    pub(super) fn combine(&mut self, cells: &[u32], factor: u32) -> Result<u32, AirError> {
        let mut acc: Option<u32> = None;
        for cell in cells.iter().rev() {
            acc = Some(match acc {
                None => *cell,
                Some(acc) => self.builder.multiply_add(acc, factor, *cell)?,
            });
        }
        Ok(acc.unwrap_or(crate::program::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec};
    use veristar_model::{Node, Parameter, Range};

    /// One matrix product of 576 outputs. A width counts with the power of two that its rows fill.
    fn widths(terms: usize) -> Vec<usize> {
        let range = Range { lo: 0, hi: 0 };
        let weight = Parameter {
            name: String::new(),
            shape: vec![576, terms],
            values: vec![0; 576 * terms],
            range,
        };
        let op = Op::MatMul { weight: 0, bias: None };
        let node = Node { name: String::new(), op, inputs: vec![0], output: 1 };
        let graph = Graph { parameters: vec![weight], nodes: vec![node], ..Graph::default() };
        choose_widths(&graph)
    }

    #[test]
    fn rows_of_weights_fill_their_power_of_two() {
        // 120,003 rows of 192 in 2^17, where 200,005 of 116 would take 2^18.
        assert_eq!(widths(40_000), [192]);
        // 150,003 rows of 192 take 2^18, as 250,005 of 116 do.
        assert_eq!(widths(50_000), [116]);
    }
}
