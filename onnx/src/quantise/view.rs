//! Inputs, constants and element moves.

use veristar_model::{Op as ModelOp, Range, TensorId, View as ModelView};

use super::emit::Emitter;
use crate::{
    error::OnnxError,
    net::{NodeId, View},
    precision::MASKED,
};

impl Emitter<'_> {
    /// A model input: its range is twice the calibrated one, and starts at 0 if calibration did.
    pub(super) fn input(&mut self, id: NodeId) -> TensorId {
        let e = self.scales.shared[id];
        let largest = (self.seen[id].max_abs() * self.options.margin * 2f64.powi(e)).ceil() as i64;
        // A power of two: the range that a proof checks is exactly the declared one.
        let end = (2 * largest).max(2i64 << self.scales.precision.bits[id]) as u64;
        let end = end.next_power_of_two() as i64;
        let lo = if self.seen[id].lo >= 0.0 { 0 } else { -end };
        let node = &self.net.nodes[id];
        let tensor = self.new_tensor(&node.name, node.shape.clone(), e, Range { lo, hi: end - 1 });
        self.settle(id, tensor);
        tensor
    }

    /// A constant read as an ordinary tensor.
    pub(super) fn constant(&mut self, id: NodeId, values: &[f32]) -> Result<(), OnnxError> {
        let e = self.scales.shared[id];
        let grid = 2f64.powi(e);
        let real = |v: &f32| match self.scales.floor[id] {
            Some(floor) if *v <= MASKED => floor,
            _ => f64::from(*v),
        };
        let values = values.iter().map(|v| (real(v) * grid).round() as i32).collect();
        let node = &self.net.nodes[id];
        let parameter = self.parameter(&node.name, node.shape.clone(), values);
        let range = self.graph.parameters[parameter].range;
        let tensor =
            self.write(&node.name, ModelOp::Load(parameter), vec![], node.shape.clone(), e, range);
        self.settle(id, tensor);
        Ok(())
    }

    /// An element move.
    pub(super) fn view(&mut self, id: NodeId, view: &View) -> Result<(), OnnxError> {
        let e = self.scales.shared[id];
        let mut inputs = Vec::new();
        for x in &self.net.nodes[id].inputs {
            inputs.push(self.grid(*x)?);
        }
        let mut border = None;
        let view = match view.clone() {
            View::Reshape => ModelView::Reshape,
            View::Transpose(perm) => ModelView::Transpose { perm },
            View::Slice { starts, steps } => ModelView::Slice { starts, steps },
            View::Concat(axis) => ModelView::Concat { axis },
            View::Pad { before, after, value } => {
                let q = (f64::from(value) * 2f64.powi(e)).round();
                let limit = f64::from(1 << 28);
                let value = q.clamp(-limit, limit) as i32;
                border = Some(i64::from(value));
                ModelView::Pad { before, after, value }
            }
            View::Broadcast => ModelView::Broadcast,
            View::Select { axis, indices } => ModelView::Select { axis, indices },
        };
        let tensor = self.finish(id, ModelOp::View(view), inputs);
        if let Some(value) = border {
            let range = &mut self.graph.tensors[tensor].range;
            *range = Range { lo: range.lo.min(value), hi: range.hi.max(value) };
        }
        Ok(())
    }
}
