//! Windows and reductions: maxima keep their scale; sums are divided by a multiplier and a shift.

use veristar_model::{
    Coefficients, Op as ModelOp, Pool as ModelPool, PoolKind, Range, Reduce as ModelReduce,
    ReduceKind as ModelReduceKind, TensorId,
};

use super::{
    emit::{Emitter, Target},
    linear::coefficients,
    scale::{exponent, Shape},
    ACCUMULATOR_LIMIT,
};
use crate::{
    error::OnnxError,
    net::{NodeId, Pool, Reduce, ReduceKind},
};

/// Largest shift of a sum whose table is as narrow as its reach.
const MAX_WIDE_SHIFT: i32 = 24;
/// Largest shift of a division.
const MAX_SHIFT: i32 = 14;
/// A multiplier this far off is not used: the sum is requantised before it is divided.
const MAX_RELATIVE_ERROR: f64 = 1.0 / 4096.0;

impl Emitter<'_> {
    /// A pooling window.
    pub(super) fn pool(&mut self, id: NodeId, pool: &Pool) -> Result<(), OnnxError> {
        let count = pool.kernel[0] * pool.kernel[1];
        let op = ModelOp::Pool(ModelPool {
            kind: if pool.max { PoolKind::Max } else { PoolKind::Sum },
            kernel: pool.kernel,
            stride: pool.stride,
            dilation: pool.dilation,
            pads: pool.pads,
        });
        if pool.max {
            let input = self.grid(self.net.nodes[id].inputs[0])?;
            self.finish(id, op, vec![input]);
            return Ok(());
        }
        self.sum(id, op, count, &pool.factor)
    }

    /// A reduction of whole axes.
    pub(super) fn reduce(&mut self, id: NodeId, reduce: &Reduce) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let axes = reduce.axes.clone();
        let from = &self.net.nodes[x].shape;
        let count: usize = axes.iter().map(|a| from[*a]).product();
        let make = |kind| ModelOp::Reduce(ModelReduce { kind, axes });
        match reduce.kind {
            ReduceKind::Sum(factor) => self.sum(id, make(ModelReduceKind::Sum), count, &[factor]),
            ReduceKind::Max => {
                let input = self.grid(x)?;
                self.finish(id, make(ModelReduceKind::Max), vec![input]);
                Ok(())
            }
            ReduceKind::ArgMax(last) => {
                let input = self.grid(x)?;
                let node = &self.net.nodes[id];
                let range = Range { lo: 0, hi: count as i64 - 1 };
                let op = make(ModelReduceKind::ArgMax { last });
                let tensor = self.write(&node.name, op, vec![input], node.shape.clone(), 0, range);
                if self.scales.shared[id] == 0 {
                    self.settle(id, tensor);
                    return Ok(());
                }
                let shape = Shape {
                    step: 1.0,
                    to: self.scales.shared[id],
                    lo: 0,
                    hi: range.hi,
                    saturation: i64::from(i32::MAX),
                    floor: None,
                    shift: 0,
                };
                let seen = self.seen[id];
                let table = self.table(None, &shape, &seen)?;
                self.finish(id, unary(Coefficients::scalar(1), 0, table), vec![tensor]);
                Ok(())
            }
        }
    }

    /// A sum of `count` elements, times `factor` (one, or one per position).
    fn sum(
        &mut self,
        id: NodeId,
        op: ModelOp,
        count: usize,
        factor: &[f32],
    ) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let mut ex = self.scales.shared[x];
        let Range { lo, hi } = {
            let t = self.grid(x)?;
            self.graph.tensors[t].range
        };
        let mut bound = lo.abs().max(hi.abs()).saturating_mul(count as i64);
        while bound >= ACCUMULATOR_LIMIT / 2 {
            bound /= 2;
            ex -= 1;
        }
        let input = self.grid_at(x, ex)?;
        let Range { lo, hi } = self.graph.tensors[input].range;
        let many = count as i64;
        let range = Range { lo: (lo * many).min(0), hi: (hi * many).max(0) };
        let target = self.target(id);
        let node = &self.net.nodes[id];
        let raw = self.only_output(id) && factor.iter().all(|f| *f == 1.0);
        let name = if raw { node.name.clone() } else { format!("{}.sum", node.name) };
        let tensor = self.write(&name, op, vec![input], node.shape.clone(), ex, range);
        if raw {
            self.rescale_group(id, ex);
            self.settle(id, tensor);
            return Ok(());
        }
        let largest = range.hi.max(-range.lo).max(1);
        let from = target.from;
        if let (true, [factor]) = (self.scales.precision.wide[id], factor) {
            return self.wide_sum(id, &target, tensor, ex, f64::from(*factor));
        }
        let direct = multiplier(factor, from - ex, largest).filter(|m| m.2 <= MAX_RELATIVE_ERROR);
        let (tensor, (values, shift)) = match direct {
            Some((values, shift, _)) => (tensor, (values, shift)),
            None => {
                let (coarse, e, largest) = self.coarse_sum(id, tensor, ex, factor)?;
                match multiplier(factor, from - e, largest) {
                    Some((values, shift, _)) => (coarse, (values, shift)),
                    None => {
                        return Err(OnnxError::Accumulator {
                            layer: self.net.nodes[id].name.clone(),
                            bound: largest.into(),
                            limit: ACCUMULATOR_LIMIT,
                        });
                    }
                }
            }
        };
        let table = self.target_table(id, &target, 2f64.powi(-from), shift, None)?;
        self.finish(target.node, unary(coefficients(&values, 1), shift, table), vec![tensor]);
        Ok(())
    }

    /// A sum whose factor is part of the table after it: exact, whatever the factor.
    fn wide_sum(
        &mut self,
        id: NodeId,
        target: &Target,
        sum: TensorId,
        ex: i32,
        factor: f64,
    ) -> Result<(), OnnxError> {
        // The sum itself is the argument's grid times 2^-exponent of the factor.
        let of_factor = factor.abs().log2().floor() as i32;
        let shift = (ex - (target.from + of_factor)).clamp(0, MAX_WIDE_SHIFT);
        let Range { lo, hi } = self.graph.tensors[sum].range;
        let reach = Some(Range { lo: lo >> shift, hi: (hi >> shift) + 1 });
        let step = factor * 2f64.powi(shift - ex);
        let table = self.target_table(id, target, step, shift, reach)?;
        self.finish(target.node, unary(Coefficients::scalar(1), shift, table), vec![sum]);
        Ok(())
    }

    /// A sum of many elements on a grid of its own, so that a precise multiplier fits.
    fn coarse_sum(
        &mut self,
        id: NodeId,
        tensor: TensorId,
        ex: i32,
        factor: &[f32],
    ) -> Result<(TensorId, i32, i64), OnnxError> {
        let smallest = factor.iter().fold(f32::MAX, |m, f| m.min(f.abs())).max(1e-30);
        let sum_max = self.seen[id].max_abs() * self.options.margin / f64::from(smallest);
        let shift = (ex - exponent(sum_max, self.options.activation_bits)).clamp(0, MAX_SHIFT + 2);
        let e = ex - shift;
        let (lo, hi) = self.domain(id, false, shift, 0, None);
        let saturation = 1i64 << self.options.activation_bits;
        let shape = Shape { step: 2f64.powi(-e), to: e, lo, hi, saturation, floor: None, shift };
        let seen = self.seen[id];
        let table = self.table(None, &shape, &seen)?;
        let node = &self.net.nodes[id];
        let (name, of) = (format!("{}.sum.coarse", node.name), node.shape.clone());
        let range = self.results(table);
        let op = unary(Coefficients::scalar(1), shift, table);
        Ok((self.write(&name, op, vec![tensor], of, e, range), e, range.hi.max(-range.lo)))
    }
}

fn unary(multiplier: Coefficients, shift: i32, table: usize) -> ModelOp {
    ModelOp::Unary {
        multiplier,
        offset: Coefficients::scalar(0),
        shift: Coefficients::scalar(shift),
        table,
    }
}

/// Integers `m_i` and a shift `k` with `m_i / 2^k` nearest to `factor_i * 2^gap`; and the largest
/// relative error.
fn multiplier(factor: &[f32], gap: i32, largest: i64) -> Option<(Vec<i32>, i32, f64)> {
    let mut best: Option<(Vec<i32>, i32, f64)> = None;
    for k in 0..=MAX_SHIFT {
        let scale = 2f64.powi(gap + k);
        let values: Vec<f64> = factor.iter().map(|f| (f64::from(*f) * scale).round()).collect();
        let fits = values
            .iter()
            .all(|m| *m != 0.0 && m.abs() * (largest as f64) < ACCUMULATOR_LIMIT as f64);
        if !fits {
            continue;
        }
        let error = factor
            .iter()
            .zip(&values)
            .map(|(f, m)| (m / (f64::from(*f) * scale) - 1.0).abs())
            .fold(0f64, f64::max);
        if best.as_ref().is_none_or(|b| error < b.2 * 0.75) {
            best = Some((values.iter().map(|m| *m as i32).collect(), k, error));
        }
    }
    best
}
