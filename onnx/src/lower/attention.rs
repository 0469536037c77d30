//! Operators that tract holds as one, and that are graphs here.
//!
//! Root mean square: `x * rsqrt(mean(x^2) + eps)`. Attention: tract's own expansion into two
//! products and a softmax. Local response normalisation: a sum of squares over neighbouring channels
//! (a window of shifted views), a function of it, and a product.

use tract_onnx::tract_core::{internal::*, ops::math, ops::nn::RmsNorm};
use tract_onnx_opl::lrn::Lrn;
use tract_transformers::ops::{scaled_masked_softmax::ScaledMaskedSoftmax, sdpa::Sdpa};

use super::{invalid, Lowered, Lowering};
use crate::{
    error::OnnxError,
    expr::Function,
    net::{Binary, NodeId, Op, Reduce, ReduceKind, View},
};

impl Lowering<'_> {
    /// Lowers an operator that stands for several, or returns nothing if the node is none.
    pub(super) fn composite(&mut self, id: usize) -> Result<Option<Vec<Lowered>>, OnnxError> {
        let node = self.model.node(id);
        if let Some(op) = node.op_as::<RmsNorm>() {
            let op = op.clone();
            return self.rms_norm(id, &op).map(|n| Some(vec![Lowered::Node(n)]));
        }
        if let Some(op) = node.op_as::<ScaledMaskedSoftmax>() {
            let op = op.clone();
            return self.masked_softmax(id, &op).map(|n| Some(vec![Lowered::Node(n)]));
        }
        if let Some(op) = node.op_as::<Lrn>() {
            let op = op.clone();
            return self.lrn(id, &op).map(|n| Some(vec![Lowered::Node(n)]));
        }
        if let Some(op) = node.op_as::<Sdpa>() {
            let patch = op.patch_sdpa(self.model, node).map_err(invalid)?;
            let Some(patch) = patch else { return Ok(None) };
            let graph = patch.model;
            let mut inputs = Vec::new();
            for source in graph.input_outlets().map_err(invalid)? {
                let Some(outlet) = patch.taps.get(source) else {
                    return Err(self.unsupported(id, "an operand is missing"));
                };
                let value = self.map.get(outlet).cloned();
                inputs.push(value.ok_or_else(|| self.unsupported(id, "an operand is missing"))?);
            }
            return self.graph(id, &graph, &inputs).map(Some);
        }
        if let Some(chosen) = self.control(id)? {
            return Ok(Some(chosen));
        }
        self.recurrent(id)
    }

    /// Two tensors of one rank, element by element.
    pub(super) fn combined(
        &mut self,
        id: usize,
        suffix: &str,
        kind: Binary,
        a: NodeId,
        b: NodeId,
    ) -> NodeId {
        let (of_a, of_b) = (&self.net.nodes[a].shape, &self.net.nodes[b].shape);
        let shape = of_a.iter().zip(of_b).map(|(a, b)| *a.max(b)).collect();
        self.emit(id, suffix, shape, Op::Binary(kind), vec![a, b])
    }

    /// A function of a tensor.
    pub(super) fn function(&mut self, id: usize, suffix: &str, f: Function, x: NodeId) -> NodeId {
        let shape = self.net.nodes[x].shape.clone();
        self.emit(id, suffix, shape, Op::Function(f), vec![x])
    }

    /// A sum over axes, times a factor; the axes stay with extent 1.
    pub(super) fn reduced(
        &mut self,
        id: usize,
        suffix: &str,
        kind: ReduceKind,
        axes: Vec<usize>,
        x: NodeId,
    ) -> NodeId {
        let mut shape = self.net.nodes[x].shape.clone();
        axes.iter().for_each(|axis| shape[*axis] = 1);
        self.emit(id, suffix, shape, Op::Reduce(Reduce { kind, axes }), vec![x])
    }

    fn rms_norm(&mut self, id: usize, op: &RmsNorm) -> Result<NodeId, OnnxError> {
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let eps = op.eps.cast_to_scalar::<f32>().map_err(invalid)?;
        let count = self.net.nodes[x].shape[op.axis];
        let squares = self.function(id, "square", Function::square(), x);
        let mean = ReduceKind::Sum(1.0 / count as f32);
        let mean = self.reduced(id, "mean", mean, vec![op.axis], squares);
        let shifted = self.function(id, "eps", Function::with_scalar(math::add(), eps), mean);
        let inverse = self.function(id, "inverse", Function::unary(math::rsqrt()), shifted);
        Ok(self.combined(id, "", Binary::Mul, x, inverse))
    }

    /// `softmax(x * scale + mask)` over the last axis.
    fn masked_softmax(&mut self, id: usize, op: &ScaledMaskedSoftmax) -> Result<NodeId, OnnxError> {
        let (scores, mask) = (self.value(id, 0)?, self.value(id, 1)?);
        let scores = self.as_node(id, scores)?;
        let mask = self.as_node(id, mask)?;
        let is_bool = self.net.nodes[mask].dtype == bool::datum_type();
        if is_bool || op.post_softmax_mask {
            return Err(self.unsupported(id, "a mask of truth values inside attention"));
        }
        let scale = op.scale.cast_to_scalar::<f32>().map_err(invalid)?;
        let scaled = self.function(id, "scaled", Function::with_scalar(math::mul(), scale), scores);
        let masked = self.combined(id, "masked", Binary::Add, scaled, mask);
        let last = self.net.nodes[masked].shape.len() - 1;
        Ok(self.softmax_of(id, masked, &[last], false))
    }

    fn lrn(&mut self, id: usize, op: &Lrn) -> Result<NodeId, OnnxError> {
        let value = self.value(id, 0)?;
        let x = self.as_node(id, value)?;
        let shape = self.net.nodes[x].shape.clone();
        let before = (op.size - 1) / 2;
        let after = (op.size - 1).div_ceil(2);
        let squares = self.function(id, "square", Function::square(), x);
        // The neighbouring channels become an axis of their own, which is summed.
        let mut pads = vec![0; shape.len()];
        pads[1] = before;
        let mut ends = vec![0; shape.len()];
        ends[1] = after;
        let padded = self.zero_pad(id, squares, pads, ends, 0.0);
        let channels = shape[1];
        let windows = (0..channels).flat_map(|c| c..c + op.size).collect();
        let windows = self.select(id, padded, 1, windows);
        let mut split = shape.clone();
        split.insert(2, op.size);
        let windows = self.reshape(id, windows, split);
        let factor = op.alpha / op.size as f32;
        let sum = self.reduced(id, "sum", ReduceKind::Sum(factor), vec![2], windows);
        let sum = self.emit(id, "sum.channels", shape, Op::View(View::Reshape), vec![sum]);
        let shifted = self.function(id, "bias", Function::with_scalar(math::add(), op.bias), sum);
        let power = Function::with_scalar(math::pow(), -op.beta);
        let factor = self.function(id, "factor", power, shifted);
        Ok(self.combined(id, "", Binary::Mul, x, factor))
    }
}
