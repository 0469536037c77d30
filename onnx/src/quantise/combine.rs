//! Sums, differences and products of two tensors.
//!
//! Sum: both operands are brought to the finer exponent by powers of two, added, and shifted to the
//! argument's exponent. Product: exponents add up, and the shift takes the difference. If an
//! operand's grid is far finer than the other's, it is made coarser first.

use veristar_model::{Op as ModelOp, Range, TensorId, View as ModelView};

use super::{emit::Emitter, ACCUMULATOR_LIMIT};
use crate::{
    error::OnnxError,
    net::{Binary, NodeId},
};

/// Largest shift: with tables of 2^(A+2) entries this stays far from the field's modulus.
const MAX_SHIFT: i32 = 14;
/// Finest grid difference that still matters in a sum.
const MAX_GAP: i32 = 12;

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
            let excess = ea + eb - eq - MAX_SHIFT;
            if excess > 0 {
                ea -= excess / 2;
                eb -= excess - excess / 2;
            }
        }
        let (ta, tb) = (self.grid_at(a, ea)?, self.grid_at(b, eb)?);
        let largest = |t: TensorId| {
            let Range { lo, hi } = self.graph.tensors[t].range;
            lo.abs().max(hi.abs())
        };
        let (ma, mb) = (largest(ta), largest(tb));
        let top = if sum { ea.max(eb) } else { ea + eb };
        // A result on a much finer grid than its operands cannot be had: lower its exponent.
        let (mut alpha, mut beta, mut gamma, mut shift);
        loop {
            shift = (top - eq).max(0);
            let up = (eq - top).clamp(0, 30);
            (alpha, beta, gamma) = (0i64, 0i64, 0i64);
            let bound = if sum {
                beta = 1i64 << (top - ea + up).min(40);
                gamma = 1i64 << (top - eb + up).min(40);
                beta.saturating_mul(ma).saturating_add(gamma.saturating_mul(mb))
            } else {
                alpha = 1i64 << up;
                alpha.saturating_mul(ma.saturating_mul(mb))
            };
            if bound < ACCUMULATOR_LIMIT {
                break;
            }
            if shift > MAX_SHIFT + MAX_GAP {
                return Err(OnnxError::Accumulator {
                    layer: self.net.nodes[id].name.clone(),
                    bound: bound.into(),
                    limit: ACCUMULATOR_LIMIT,
                });
            }
            eq -= 1;
        }
        if kind == Binary::Sub {
            gamma = -gamma;
        }
        let table = self.target_table(id, &target, eq)?;
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

    fn broadcast(&mut self, id: NodeId, tensor: TensorId) -> TensorId {
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
