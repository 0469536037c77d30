//! Sums, differences and products of two tensors, element by element and as matrices.
//!
//! Sum: both operands are brought to the finer exponent by powers of two, added, and shifted to the
//! argument's exponent. Product: exponents add up, and the shift takes the difference. If an
//! operand's grid is far finer than the other's, it is made coarser first.

use veristar_model::{Op as ModelOp, Range, TensorId, View as ModelView};

use super::{
    emit::{tabulated, Emitter},
    readers::{is_exponential, is_requantised},
    ACCUMULATOR_LIMIT,
};
use crate::{
    error::OnnxError,
    net::{Binary, NodeId},
};

/// Largest shift of a sum: with tables of 2^(A+2) entries this stays far from the field's modulus.
const MAX_SHIFT: i32 = 14;
/// Largest shift of a product, whose table is as narrow as the accumulator's reach.
const MAX_PRODUCT_SHIFT: i32 = 24;
/// Finest grid difference that still matters in a sum.
const MAX_GAP: i32 = 12;
/// Products of two wide tensors may use all that the field holds; `bounds::check` has the last word.
const PRODUCT_LIMIT: i64 = (1 << 30) - (1 << 24);

impl Emitter<'_> {
    /// Emits a two-tensor operation with its fused function.
    pub(super) fn combine(&mut self, id: NodeId, kind: Binary) -> Result<(), OnnxError> {
        let (a, b) = (self.net.nodes[id].inputs[0], self.net.nodes[id].inputs[1]);
        let target = self.target(id);
        let (mut ea, mut eb) = (self.scales.shared[a], self.scales.shared[b]);
        let mut eq = target.from;
        let sum = kind != Binary::Mul;
        if sum {
            let top = ea.max(eb).min(ea.min(eb) + MAX_GAP).min(eq + MAX_SHIFT);
            (ea, eb) = (ea.min(top), eb.min(top));
        } else {
            let excess = ea + eb - eq - MAX_PRODUCT_SHIFT;
            if excess > 0 {
                ea -= excess / 2;
                eb -= excess - excess / 2;
            }
            let (mut ma, mut mb) = (self.largest_at(a, ea)?, self.largest_at(b, eb)?);
            while ma.saturating_mul(mb) >= PRODUCT_LIMIT {
                if ma >= mb {
                    ea -= 1;
                } else {
                    eb -= 1;
                }
                (ma, mb) = (self.largest_at(a, ea)?, self.largest_at(b, eb)?);
            }
        }
        let (ta, tb) = (self.grid_at(a, ea)?, self.grid_at(b, eb)?);
        let (ma, mb) = (self.largest(ta), self.largest(tb));
        let limit = if sum { ACCUMULATOR_LIMIT } else { PRODUCT_LIMIT };
        let top = if sum { ea.max(eb) } else { ea + eb };
        if is_exponential(self.net, &self.readers, id) {
            // A finer argument than the operands' grids would gain nothing, and need a longer table.
            eq = eq.min(top);
        }
        // A result on a much finer grid than its operands cannot be had: lower its exponent.
        let (mut alpha, mut beta, mut gamma, mut shift, mut bound);
        loop {
            shift = (top - eq).max(0);
            let up = (eq - top).clamp(0, 30);
            (alpha, beta, gamma) = (0i64, 0i64, 0i64);
            bound = if sum {
                beta = 1i64 << (top - ea + up).min(40);
                gamma = 1i64 << (top - eb + up).min(40);
                beta.saturating_mul(ma).saturating_add(gamma.saturating_mul(mb))
            } else {
                alpha = 1i64 << up;
                alpha.saturating_mul(ma.saturating_mul(mb))
            };
            if bound < limit {
                break;
            }
            if shift > MAX_SHIFT + MAX_GAP {
                return Err(OnnxError::Accumulator {
                    layer: self.net.nodes[id].name.clone(),
                    bound: bound.into(),
                    limit,
                });
            }
            eq -= 1;
        }
        if kind == Binary::Sub {
            gamma = -gamma;
        }
        let end = (bound >> shift) + 1;
        let reach = Some(Range { lo: -end, hi: end });
        let table = self.target_table(id, &target, 2f64.powi(-eq), shift, reach)?;
        let inputs = vec![self.broadcast(id, ta), self.broadcast(id, tb)];
        let op = ModelOp::Binary {
            alpha: alpha as i32,
            beta: beta as i32,
            gamma: gamma as i32,
            delta: 0,
            shift: shift.unsigned_abs(),
            table,
        };
        self.finish(target.node, op, inputs);
        Ok(())
    }

    /// A matrix product of two tensors: exponents add up, and the operands' grids are made coarser
    /// until the sums keep the bound.
    pub(super) fn product(&mut self, id: NodeId) -> Result<(), OnnxError> {
        let (a, b) = (self.net.nodes[id].inputs[0], self.net.nodes[id].inputs[1]);
        let terms = self.net.nodes[a].shape[2] as i64;
        let (mut ea, mut eb) = (self.scales.shared[a], self.scales.shared[b]);
        let (mut ma, mut mb) = (self.largest_at(a, ea)?, self.largest_at(b, eb)?);
        while terms.saturating_mul(ma).saturating_mul(mb) >= PRODUCT_LIMIT {
            if ma.max(mb) < 2 {
                return Err(OnnxError::Accumulator {
                    layer: self.net.nodes[id].name.clone(),
                    bound: terms.into(),
                    limit: PRODUCT_LIMIT,
                });
            }
            if ma >= mb {
                ea -= 1;
            } else {
                eb -= 1;
            }
            (ma, mb) = (self.largest_at(a, ea)?, self.largest_at(b, eb)?);
        }
        let inputs = vec![self.grid_at(a, ea)?, self.grid_at(b, eb)?];
        let bound = terms * self.largest(inputs[0]) * self.largest(inputs[1]);
        let (name, shape) = (self.net.nodes[id].name.clone(), self.net.nodes[id].shape.clone());
        let range = Range { lo: -bound, hi: bound };
        if self.only_output(id) || is_requantised(self.net, &self.readers, id) {
            let y = self.write(&name, ModelOp::Product, inputs, shape, ea + eb, range);
            self.rescale_group(id, ea + eb);
            self.settle(id, y);
            return Ok(());
        }
        let name = format!("{name}.accumulator");
        let y = self.write(&name, ModelOp::Product, inputs, shape, ea + eb, range);
        let target = self.target(id);
        // An argument on a finer grid than the accumulator's would gain nothing.
        let eq = target.from.min(ea + eb);
        let mut shift = ea + eb - eq;
        shift = shift.min(MAX_PRODUCT_SHIFT);
        let end = (bound >> shift) + 1;
        let reach = Some(Range { lo: -end, hi: end });
        let step = 2f64.powi(shift - ea - eb);
        let table = self.target_table(id, &target, step, shift, reach)?;
        let op = tabulated(shift, table);
        self.finish(target.node, op, vec![y]);
        Ok(())
    }

    /// Largest absolute value of a tensor.
    pub(super) fn largest(&self, tensor: TensorId) -> i64 {
        let Range { lo, hi } = self.graph.tensors[tensor].range;
        lo.abs().max(hi.abs())
    }

    /// Largest absolute value of a node's tensor at its own exponent or a smaller one.
    fn largest_at(&mut self, id: NodeId, e: i32) -> Result<i64, OnnxError> {
        let tensor = self.grid(id)?;
        let drop = (self.scales.shared[id] - e).clamp(0, 40);
        Ok((self.largest(tensor) >> drop) + i64::from(drop > 0))
    }

    pub(super) fn broadcast(&mut self, id: NodeId, tensor: TensorId) -> TensorId {
        let shape = self.net.nodes[id].shape.clone();
        let t = &self.graph.tensors[tensor];
        if t.shape == shape {
            return tensor;
        }
        let (scale, range) = (t.scale, t.range);
        let name = format!("{}.broadcast", t.name);
        let new =
            self.write(&name, ModelOp::View(ModelView::Broadcast), vec![tensor], shape, 0, range);
        self.graph.tensors[new].scale = scale;
        new
    }
}
