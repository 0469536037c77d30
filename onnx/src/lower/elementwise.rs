//! Element-wise operators.
//!
//! Arithmetic with constants becomes [`Op::Affine`]; everything else stays an operator of tract
//! ([`Op::Pointwise`]) until closure decides what is a table and what joins two tensors.

use std::sync::Arc;

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        binary::TypedBinOp,
        cast::Cast,
        element_wise::ElementWiseOp,
        logic::Iff,
        math::{Add, Div, Max, Min, Mul, Sub, SubF},
    },
};

use super::{invalid, Lowering, Value};
use crate::{
    error::OnnxError,
    expr::{to_f32, Function},
    net::{Binary, Constants, NodeId, Op, Operand},
    requantise::Requantise,
};

impl Lowering<'_> {
    /// Lowers an element-wise operator; anything unknown ends here.
    pub(super) fn elementwise(&mut self, id: usize) -> Result<NodeId, OnnxError> {
        let node = self.model.node(id);
        let shape = self.shape(id, 0)?;
        if let Some(op) = node.op_as::<Cast>() {
            let to = op.to;
            let value = self.value(id, 0)?;
            let x = self.as_node(id, value)?;
            let from = self.net.nodes[x].dtype;
            let exact = to.is_float() || from == to || (to.is_integer() && !from.is_float());
            if !exact && to != bool::datum_type() {
                let op: Box<dyn TypedOp> = node.op.clone();
                let new =
                    self.emit(id, "", shape, Op::Pointwise(op, vec![Operand::Input(0)]), vec![x]);
                self.net.nodes[new].dtype = to;
                return Ok(new);
            }
            let new = self.emit(id, "", shape, Op::View(crate::net::View::Reshape), vec![x]);
            self.net.nodes[new].dtype = if to.is_float() { f32::datum_type() } else { to };
            return Ok(new);
        }
        if let Some(op) = node.op_as::<Requantise>().filter(|op| op.is_identity()) {
            let (op, value) = (op.clone(), self.value(id, 0)?);
            let x = self.as_node(id, value)?;
            let new = self.emit(id, "", shape, Op::View(crate::net::View::Reshape), vec![x]);
            self.net.nodes[new].dtype = op.to;
            return Ok(new);
        }
        let known = node.op_is::<Requantise>()
            || node.op_is::<TypedBinOp>()
            || node.op_is::<ElementWiseOp>()
            || node.op_is::<Iff>();
        if !known {
            return Err(self.unsupported(id, ""));
        }
        if let Some(op) = node.op_as::<TypedBinOp>() {
            let op = op.clone();
            if let Some(new) = self.with_constant(id, &op, &shape)? {
                return Ok(new);
            }
        }
        if node.op_is::<Iff>() {
            if let Some(new) = self.masked(id, &shape)? {
                return Ok(new);
            }
        }
        let mut operands = Vec::new();
        let mut inputs: Vec<NodeId> = Vec::new();
        for k in 0..node.inputs.len() {
            match self.value(id, k)? {
                Value::Const(t) if t.is_uniform() && t.len() > 0 => {
                    let one = t.as_uniform().unwrap_or_else(|| (*t).clone());
                    let one = one.into_shape(&[1]).map_err(invalid)?;
                    operands.push(Operand::Scalar(Arc::new(one)));
                }
                value => {
                    let x = self.as_node(id, value)?;
                    let at = inputs.iter().position(|i| *i == x).unwrap_or_else(|| {
                        inputs.push(x);
                        inputs.len() - 1
                    });
                    operands.push(Operand::Input(at));
                }
            }
        }
        let dtype = node.outputs[0].fact.datum_type;
        let op: Box<dyn TypedOp> = node.op.clone();
        let new = self.emit(id, "", shape, Op::Pointwise(op, operands), inputs);
        self.net.nodes[new].dtype = dtype;
        Ok(new)
    }

    fn affine(
        &mut self,
        id: usize,
        suffix: &str,
        shape: &[usize],
        x: NodeId,
        mul: Constants,
        add: Constants,
    ) -> NodeId {
        // The constant may be larger than the tensor.
        let mut x = x;
        if self.net.nodes[x].shape != shape {
            x = self.emit(
                id,
                "broadcast",
                shape.to_vec(),
                Op::View(crate::net::View::Broadcast),
                vec![x],
            );
        }
        self.emit(id, suffix, shape.to_vec(), Op::Affine { mul, add }, vec![x])
    }

    /// A float operation with one constant operand, if it has a special form.
    fn with_constant(
        &mut self,
        id: usize,
        op: &TypedBinOp,
        shape: &[usize],
    ) -> Result<Option<NodeId>, OnnxError> {
        let (x, t, constant_first) = match (self.value(id, 0)?, self.value(id, 1)?) {
            (Value::Node(x), Value::Const(t)) => (x, t, false),
            (Value::Const(t), Value::Node(x)) => (x, t, true),
            _ => return Ok(None),
        };
        if self.net.nodes[x].dtype != f32::datum_type() || !t.datum_type().is_float() {
            return Ok(None);
        }
        let values = to_f32(&t).map_err(invalid)?;
        let rank = shape.len();
        let c = Constants { shape: t.shape().to_vec(), values };
        if c.shape.len() != rank {
            return Ok(None);
        }
        let one = Constants::uniform(1.0, rank);
        let zero = Constants::uniform(0.0, rank);
        let mini = &op.0;
        let finite = c.values.iter().all(|v| v.is_finite());
        let reverse = mini.is::<SubF>() != constant_first;
        let (mul, add) = if !finite {
            return self.infinite(id, &c, op, x);
        } else if mini.is::<Add>() {
            (one, c)
        } else if mini.is::<Sub>() || mini.is::<SubF>() {
            if reverse {
                (one.map(|v| -v), c)
            } else {
                (one, c.map(|v| -v))
            }
        } else if mini.is::<Mul>() {
            (c, zero)
        } else if mini.is::<Div>() && !constant_first && c.values.iter().all(|v| *v != 0.0) {
            (c.map(|v| 1.0 / v), zero)
        } else if c.as_uniform().is_some() {
            return Ok(None);
        } else if mini.is::<Div>() && constant_first {
            let r = self.net.nodes[x].shape.clone();
            let r = self.emit(id, "reciprocal", r, Op::Function(Function::reciprocal()), vec![x]);
            return Ok(Some(self.affine(id, "", shape, r, c, zero)));
        } else if mini.is::<Max>() || mini.is::<Min>() {
            // max(x, c) = c + relu(x - c)
            let f = if mini.is::<Max>() { Function::relu() } else { Function::negative_part() };
            let d = self.affine(id, "difference", shape, x, one.clone(), c.map(|v| -v));
            let r = self.emit(id, "part", shape.to_vec(), Op::Function(f), vec![d]);
            return Ok(Some(self.affine(id, "", shape, r, one, c)));
        } else {
            return Err(self.unsupported(id, "with a constant that varies over the elements"));
        };
        Ok(Some(self.affine(id, "", shape, x, mul, add)))
    }

    /// `max(x, -inf)` and `min(x, inf)` do nothing.
    fn infinite(
        &mut self,
        id: usize,
        c: &Constants,
        op: &TypedBinOp,
        x: NodeId,
    ) -> Result<Option<NodeId>, OnnxError> {
        match c.as_uniform() {
            Some(v)
                if (op.0.is::<Max>() && v == f32::NEG_INFINITY)
                    || (op.0.is::<Min>() && v == f32::INFINITY) =>
            {
                Ok(Some(x))
            }
            Some(v) if !v.is_nan() => Ok(None),
            // A mask: minus infinity where something is left out.
            _ if op.0.is::<Add>() && c.values.iter().all(|v| *v < f32::INFINITY) => {
                let rank = c.shape.len();
                let shape = self.shape(id, 0)?;
                let one = Constants::uniform(1.0, rank);
                Ok(Some(self.affine(id, "", &shape, x, one, c.clone())))
            }
            _ => Err(self.unsupported(id, "with a constant that is not finite")),
        }
    }

    /// A selection by a constant mask is arithmetic: `mask * a + (1 - mask) * b`.
    fn masked(&mut self, id: usize, shape: &[usize]) -> Result<Option<NodeId>, OnnxError> {
        let Value::Const(mask) = self.value(id, 0)? else { return Ok(None) };
        let values = to_f32(&mask).map_err(invalid)?;
        let mask = Constants { shape: mask.shape().to_vec(), values };
        if mask.shape.len() != shape.len() {
            return Ok(None);
        }
        let zero = Constants::uniform(0.0, shape.len());
        // Where one side is constant, its values are what is added: exact, and minus infinity works.
        for (k, other, keep) in [(1, 2, mask.clone()), (2, 1, mask.map(|m| 1.0 - m))] {
            let (Value::Node(x), Value::Const(t)) = (self.value(id, k)?, self.value(id, other)?)
            else {
                continue;
            };
            let values = to_f32(&t).map_err(invalid)?;
            let constant = Constants { shape: t.shape().to_vec(), values };
            if constant.shape.len() != shape.len() {
                continue;
            }
            let add = keep.zip(&constant, |keep, c| if keep != 0.0 { 0.0 } else { c });
            return Ok(Some(self.affine(id, "", shape, x, keep, add)));
        }
        let mut parts = Vec::new();
        for (k, keep) in [(1, mask.clone()), (2, mask.map(|m| 1.0 - m))] {
            let value = self.value(id, k)?;
            let x = self.as_node(id, value)?;
            parts.push(self.affine(id, "part", shape, x, keep, zero.clone()));
        }
        Ok(Some(self.emit(id, "", shape.to_vec(), Op::Binary(Binary::Add), parts)))
    }
}
