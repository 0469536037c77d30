//! Operators that only move elements.

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        array::{Gather, MultiBroadcastTo, Pad, PadMode, Slice, Tile, TypedConcat},
        change_axes::IntoShape,
        identity::Identity,
        Downsample,
    },
};

use super::{invalid, Lowering, Value};
use crate::{
    error::OnnxError,
    net::{NodeId, Op, View},
};

impl Lowering<'_> {
    /// Lowers a view, or returns nothing if the node is none.
    pub(super) fn view(&mut self, id: usize) -> Result<Option<NodeId>, OnnxError> {
        let node = self.model.node(id);
        if let Some(op) = node.op_as::<TypedConcat>() {
            let axis = op.axis;
            let mut inputs = Vec::new();
            for k in 0..node.inputs.len() {
                let value = self.value(id, k)?;
                inputs.push(self.as_node(id, value)?);
            }
            let shape = self.shape(id, 0)?;
            return Ok(Some(self.emit_like(id, shape, Op::View(View::Concat(axis)), inputs)));
        }
        if let Some(op) = node.op_as::<Gather>() {
            let op = op.clone();
            return self.gather(id, &op).map(Some);
        }
        let is_view = node.op_is::<AxisOp>()
            || node.op_is::<IntoShape>()
            || node.op_is::<Identity>()
            || node.op_is::<Slice>()
            || node.op_is::<MultiBroadcastTo>()
            || node.op_is::<Pad>()
            || node.op_is::<Tile>()
            || node.op_is::<Downsample>();
        if !is_view {
            return Ok(None);
        }
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let from = self.net.nodes[x].shape.clone();
        let to = self.shape(id, 0)?;
        let whole = |_: usize| (vec![0; from.len()], vec![1i64; from.len()]);
        let view = if let Some(op) = node.op_as::<AxisOp>() {
            match op {
                AxisOp::Move(a, b) => {
                    let mut perm: Vec<usize> = (0..from.len()).collect();
                    let axis = perm.remove(*a);
                    perm.insert(*b, axis);
                    View::Transpose(perm)
                }
                _ => View::Reshape,
            }
        } else if let Some(op) = node.op_as::<Slice>() {
            let (mut starts, steps) = whole(0);
            starts[op.axis] = self.extent(id, &op.start)?;
            View::Slice { starts, steps }
        } else if let Some(op) = node.op_as::<Downsample>() {
            let (mut starts, mut steps) = whole(0);
            steps[op.axis] = op.stride as i64;
            starts[op.axis] = if op.stride < 0 { from[op.axis] - 1 } else { op.modulo };
            View::Slice { starts, steps }
        } else if node.op_is::<MultiBroadcastTo>() {
            View::Broadcast
        } else if let Some(op) = node.op_as::<Tile>() {
            let mut repeats = Vec::new();
            for m in &op.multipliers {
                repeats.push(self.extent(id, m)?);
            }
            return Ok(Some(self.tile(id, x, &repeats)));
        } else if let Some(op) = node.op_as::<Pad>() {
            let op = op.clone();
            return self.pad(id, x, &op).map(Some);
        } else {
            View::Reshape
        };
        Ok(Some(self.emit_like(id, to, Op::View(view), vec![x])))
    }

    fn extent(&self, id: usize, dim: &TDim) -> Result<usize, OnnxError> {
        dim.to_usize().map_err(|_| self.unsupported(id, "its extents depend on the data"))
    }

    /// As `emit`, keeping the element type of the first input.
    fn emit_like(&mut self, id: usize, shape: Vec<usize>, op: Op, inputs: Vec<NodeId>) -> NodeId {
        let dtype = self.net.nodes[inputs[0]].dtype;
        let new = self.emit(id, "", shape, op, inputs);
        self.net.nodes[new].dtype = dtype;
        new
    }

    pub(super) fn reshape(&mut self, id: usize, x: NodeId, shape: Vec<usize>) -> NodeId {
        if self.net.nodes[x].shape == shape {
            return x;
        }
        self.emit_like(id, shape, Op::View(View::Reshape), vec![x])
    }

    pub(super) fn transpose(&mut self, id: usize, x: NodeId, perm: Vec<usize>) -> NodeId {
        if perm.iter().enumerate().all(|(i, p)| i == *p) {
            return x;
        }
        let shape = perm.iter().map(|p| self.net.nodes[x].shape[*p]).collect();
        self.emit_like(id, shape, Op::View(View::Transpose(perm)), vec![x])
    }

    pub(super) fn select(
        &mut self,
        id: usize,
        x: NodeId,
        axis: usize,
        indices: Vec<usize>,
    ) -> NodeId {
        let mut shape = self.net.nodes[x].shape.clone();
        shape[axis] = indices.len();
        self.emit_like(id, shape, Op::View(View::Select { axis, indices }), vec![x])
    }

    pub(super) fn zero_pad(
        &mut self,
        id: usize,
        x: NodeId,
        before: Vec<usize>,
        after: Vec<usize>,
        value: f32,
    ) -> NodeId {
        if before.iter().chain(&after).all(|n| *n == 0) {
            return x;
        }
        let from = &self.net.nodes[x].shape;
        let shape =
            from.iter().zip(before.iter().zip(&after)).map(|(d, (b, a))| d + b + a).collect();
        self.emit_like(id, shape, Op::View(View::Pad { before, after, value }), vec![x])
    }

    fn tile(&mut self, id: usize, x: NodeId, repeats: &[usize]) -> NodeId {
        let mut x = x;
        for (axis, n) in repeats.iter().enumerate() {
            let extent = self.net.nodes[x].shape[axis];
            if *n != 1 {
                x = self.select(id, x, axis, (0..n * extent).map(|i| i % extent).collect());
            }
        }
        x
    }

    fn pad(&mut self, id: usize, x: NodeId, op: &Pad) -> Result<NodeId, OnnxError> {
        let before: Vec<usize> = op.pads.iter().map(|p| p.0).collect();
        let after: Vec<usize> = op.pads.iter().map(|p| p.1).collect();
        let mirror = match &op.mode {
            PadMode::Constant(t) => {
                let value = t.cast_to_scalar::<f32>().map_err(invalid)?;
                if !value.is_finite() {
                    return Err(self.unsupported(id, "padding with an infinite value"));
                }
                return Ok(self.zero_pad(id, x, before, after, value));
            }
            PadMode::Reflect => true,
            PadMode::Edge => false,
        };
        let mut x = x;
        for axis in 0..before.len() {
            let n = self.net.nodes[x].shape[axis] as i64;
            if before[axis] == 0 && after[axis] == 0 {
                continue;
            }
            let indices = (-(before[axis] as i64)..n + after[axis] as i64)
                .map(|i| {
                    if mirror && n > 1 {
                        let m = i.rem_euclid(2 * (n - 1));
                        m.min(2 * (n - 1) - m) as usize
                    } else {
                        i.clamp(0, n - 1) as usize
                    }
                })
                .collect();
            x = self.select(id, x, axis, indices);
        }
        Ok(x)
    }

    fn gather(&mut self, id: usize, op: &Gather) -> Result<NodeId, OnnxError> {
        let Value::Const(indices) = self.value(id, 1)? else {
            return self.gather_data(id, op);
        };
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let extent = self.net.nodes[x].shape[op.axis] as i64;
        let cast = indices.cast_to::<i64>().map_err(invalid)?;
        let plain = cast.try_as_plain_ram().map_err(invalid)?;
        let mut list = Vec::new();
        for i in plain.as_slice::<i64>().map_err(invalid)? {
            let index = if *i < 0 { i + extent } else { *i };
            if index < 0 || index >= extent {
                return Err(self.unsupported(id, "an index is out of range"));
            }
            list.push(index as usize);
        }
        let selected = self.select(id, x, op.axis, list);
        let shape = self.shape(id, 0)?;
        Ok(self.reshape(id, selected, shape))
    }
}
