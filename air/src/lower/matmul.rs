//! `MatMul` with constant weights.
//!
//! With one position, `sum_o r^o y_o = sum_k x_k sum_o r^o W[o,k]`: the activations are the
//! evaluations, and the left-hand side is one segment at `r`. With several positions (rows of the
//! left operand, times the batch) each input column `k` is a polynomial
//! `X_k(t) = sum_p x[p,k] t^p`, and likewise each output column; or each output row one at `r`, where
//! there are fewer rows.

use super::{inconsistent, Lowering, FUSED};
use crate::builder::{Access, Point};
use crate::error::AirError;
use crate::program::R;
use alloc::vec::Vec;
use veristar_model::{Node, ParameterId};

impl Lowering<'_> {
    pub(super) fn matmul(
        &mut self,
        node: &Node,
        weight: ParameterId,
        bias: Option<ParameterId>,
    ) -> Result<(), AirError> {
        let [x] = node.inputs.as_slice() else { return Err(inconsistent(node)) };
        let shape = &self.graph.parameters.get(weight).ok_or_else(|| inconsistent(node))?.shape;
        let [outputs_n, k_n] = *shape.as_slice() else { return Err(inconsistent(node)) };
        let weights = self.parameter(node, weight)?;
        let x_cells = self.addresses_of(*x)?.to_vec();
        let positions = x_cells.len() / k_n.max(1);
        let start = self.own(node.output)?;
        let outputs = self.outputs(1, outputs_n);

        let column = |cells: &[u32], stride: usize, i: usize, access: Access| -> Vec<_> {
            let cells = cells.iter().skip(i).step_by(stride.max(1));
            cells.rev().map(|a| (*a, access)).collect()
        };
        for k in 0..k_n {
            let elements = column(&x_cells, k_n, k, Access::Read);
            let activation = match elements.as_slice() {
                [(only, _)] => *only,
                _ => self.builder.segment(Point::T, elements)?,
            };
            let weight = |o: usize| weights.get(o * k_n + k).copied().unwrap_or(0);
            self.weights_runs(&outputs, 0, activation, weight)?;
        }
        if let Some(bias) = bias {
            let bias = self.parameter(node, bias)?;
            let bias = |o: usize| bias.get(o).copied().unwrap_or(0);
            self.bias_runs(&outputs, 0, positions as u64, bias)?;
        }

        let y_cells: Vec<u32> = (start..).take(positions * outputs_n).collect();
        // Outputs that are only requantised are segments at t, where they can be fused.
        let columns = positions > outputs_n || (positions >= FUSED && self.only_requantised(node));
        let total = if !columns {
            let mut rows = Vec::new();
            for row in y_cells.chunks(outputs_n.max(1)) {
                let elements: Vec<_> = row.iter().rev().map(|a| (*a, Access::Write)).collect();
                rows.push(self.builder.segment(Point::R, elements)?);
            }
            self.combine(&rows, crate::program::T)?
        } else {
            let mut columns = Vec::new();
            for o in 0..outputs_n {
                let elements = column(&y_cells, outputs_n, o, Access::Write);
                columns.push(self.builder.segment(Point::T, elements)?);
            }
            self.combine(&columns, R)?
        };
        let base = self.builder.power_of_r(outputs.base)?;
        self.builder.sink(total, base)
    }
}
