//! Linear layers: integer weights that keep the accumulator bound.
//!
//! With input exponent `ex` and argument exponent `eq`, channel `c` has
//! `w_q = round(w * 2^(eq + s_c - ex))`, `b_q = round(b * 2^(eq + s_c))`, so its accumulator shifted
//! right by `s_c` is the argument of the activation's table. `s_c` is as large as the weights' bits,
//! `max_shift` and the bound allow. The bound is exact: the sum over actual weights of
//! `max(|w_q * lo|, |w_q * hi|)`, with the input's proven range, plus `|b_q|`.

use veristar_model::{Coefficients, Conv2d, Op as ModelOp, Range, TensorId};

use super::{
    emit::{Emitter, Target},
    readers::is_requantised,
    table::LARGEST_SHIFTED,
    ACCUMULATOR_LIMIT,
};
use crate::{
    error::OnnxError,
    net::{Constants, Conv, MatMul, NodeId},
};

/// How far the argument's exponent may be lowered before giving up.
const MAX_LOWERING: i32 = 24;

/// Bound of biases where any weights in the declared ranges must keep the accumulators'.
const DECLARED_BIAS: f64 = (1u32 << 26) as f64;

/// A linear layer's float weights: one row per output channel.
struct Rows<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    terms: usize,
    /// Whether the bound must hold for any weights in the declared range.
    any_weights: bool,
}

/// Integer weights.
struct Quantised {
    weight: Vec<i32>,
    bias: Vec<i32>,
    /// Argument exponent.
    eq: i32,
    /// Per channel.
    shifts: Vec<i32>,
    /// Largest accumulator.
    bound: i64,
}

impl Rows<'_> {
    fn row(&self, c: usize) -> &[f32] {
        &self.weight[c * self.terms..(c + 1) * self.terms]
    }

    /// Bound of channel `c` with accumulators at `exponent`, and its largest weight.
    fn bound(&self, c: usize, ex: i32, exponent: i32, range: Range) -> (f64, f64) {
        let factor = 2f64.powi(exponent - ex);
        let (lo, hi) = (range.lo as f64, range.hi as f64);
        if self.any_weights {
            return self.declared_bound(c, factor, exponent, lo.abs().max(hi.abs()));
        }
        let mut sum = (f64::from(self.bias[c]) * 2f64.powi(exponent)).round().abs();
        let mut largest = 0f64;
        for w in self.row(c) {
            let q = (f64::from(*w) * factor).round();
            largest = largest.max(q.abs());
            sum += (q * lo).abs().max((q * hi).abs());
        }
        (sum, largest)
    }

    /// [`Rows::bound`] for any weights of as many bits as half the limit allows: infinite if this
    /// channel's weights or bias need more.
    fn declared_bound(&self, c: usize, factor: f64, exponent: i32, magnitude: f64) -> (f64, f64) {
        let half = ACCUMULATOR_LIMIT as f64 / 2.0;
        let all = self.terms as f64 * magnitude.max(1.0);
        let most = 2f64.powf((half / all).log2().floor());
        let bias = (f64::from(self.bias[c]) * 2f64.powi(exponent)).round();
        let weights = self.row(c).iter().map(|w| (f64::from(*w) * factor).round().abs());
        let largest = weights.fold(0.0, f64::max);
        let fits = largest < most && bias.abs() < DECLARED_BIAS;
        (if fits { all * most + DECLARED_BIAS } else { f64::INFINITY }, largest)
    }

    /// The largest shift for channel `c`, or nothing and the bound at shift 0.
    fn shift(
        &self,
        c: usize,
        ex: i32,
        eq: i32,
        range: Range,
        max_shift: i32,
        weight_bits: u32,
    ) -> Result<(i32, f64), f64> {
        let mut last = 0.0;
        for s in (0..=max_shift).rev() {
            let (bound, largest) = self.bound(c, ex, eq + s, range);
            if bound < ACCUMULATOR_LIMIT as f64 && largest <= f64::from(1u32 << weight_bits) {
                return Ok((s, bound));
            }
            last = bound;
        }
        Err(last)
    }
}

impl Emitter<'_> {
    /// A convolution.
    pub(super) fn conv(&mut self, id: NodeId, conv: &Conv) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let (input, ex) = self.summand(id, x)?;
        let shape = self.net.nodes[id].shape.clone();
        let [o, c, kh, kw] = conv.weight_shape;
        let terms = c * kh * kw;
        let any_weights = self.options.any_weights;
        let rows = Rows { weight: &conv.weight, bias: &conv.bias, terms, any_weights };
        let inner: usize = shape[2..].iter().product();
        let template = Conv2d {
            weight: 0,
            bias: None,
            stride: conv.stride,
            dilation: conv.dilation,
            pads: conv.pads,
            groups: conv.groups,
        };
        let make = move |weight, bias| ModelOp::Conv2d(Conv2d { weight, bias, ..template.clone() });
        self.layer(id, &rows, input, ex, vec![o, c, kh, kw], shape, inner, &make)
    }

    /// A matrix product.
    pub(super) fn matmul(&mut self, id: NodeId, product: &MatMul) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let (input, ex) = self.summand(id, x)?;
        let shape = self.net.nodes[id].shape.clone();
        let (terms, any_weights) = (product.terms, self.options.any_weights);
        let rows = Rows { weight: &product.weight, bias: &product.bias, terms, any_weights };
        let make = |weight, bias| ModelOp::MatMul { weight, bias };
        let of_weight = vec![product.outputs, product.terms];
        self.layer(id, &rows, input, ex, of_weight, shape, 1, &make)
    }

    /// Constants per channel that no layer absorbs: a depthwise 1x1 convolution.
    pub(super) fn affine(
        &mut self,
        id: NodeId,
        mul: &Constants,
        add: &Constants,
    ) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let input = self.grid(x)?;
        let Channels { outer, count: channels, inner, weight, bias } =
            channels(&self.net.nodes[id].shape, mul, add);
        let rows =
            Rows { weight: &weight, bias: &bias, terms: 1, any_weights: self.options.any_weights };
        let planar = vec![outer, channels, inner, 1];
        let name = format!("{}.channels", self.net.nodes[id].name);
        let e = self.scales.shared[x];
        let range = self.graph.tensors[input].range;
        let op = ModelOp::View(veristar_model::View::Reshape);
        let input = self.write(&name, op, vec![input], planar.clone(), e, range);
        let make = move |weight, bias| {
            ModelOp::Conv2d(Conv2d {
                weight,
                bias,
                stride: [1, 1],
                dilation: [1, 1],
                pads: [0; 4],
                groups: channels,
            })
        };
        self.layer(id, &rows, input, e, vec![channels, 1, 1, 1], planar, inner, &make)
    }

    /// Accumulator, then requantisation with the fused function; or, where the user alone reads it,
    /// the accumulator itself: exact and free. `shape` is the accumulator's.
    #[allow(clippy::too_many_arguments)]
    fn layer(
        &mut self,
        id: NodeId,
        rows: &Rows<'_>,
        input: TensorId,
        ex: i32,
        weight_shape: Vec<usize>,
        shape: Vec<usize>,
        inner: usize,
        make: &dyn Fn(usize, Option<usize>) -> ModelOp,
    ) -> Result<(), OnnxError> {
        let range = self.graph.tensors[input].range;
        let exact = is_requantised(self.net, &self.readers, id);
        let raw = exact || self.only_output(id);
        let target = self.target(id);
        let q = if exact {
            self.exactly(id, rows, ex, range)?
        } else if raw {
            self.uniform(id, rows, ex, range)?
        } else {
            self.per_channel(id, rows, ex, &target, range)?
        };
        let name = self.net.nodes[id].name.clone();
        let out_shape = self.net.nodes[id].shape.clone();
        let weight = self.parameter(&format!("{name}.weight"), weight_shape, q.weight);
        let bias = q.bias.iter().any(|b| *b != 0).then(|| {
            let channels = q.bias.len();
            self.parameter(&format!("{name}.bias"), vec![channels], q.bias)
        });
        let exponent = q.eq + q.shifts.iter().copied().max().unwrap_or(0);
        let accumulators = Range { lo: -q.bound, hi: q.bound };
        let written =
            if raw && shape == out_shape { name.clone() } else { format!("{name}.accumulator") };
        let mut tensor = self.write(
            &written,
            make(weight, bias),
            vec![input],
            shape.clone(),
            exponent,
            accumulators,
        );
        if raw {
            self.rescale_group(id, exponent);
        } else {
            let shift = q.shifts.iter().copied().max().unwrap_or(0);
            let table = self.target_table(id, &target, 2f64.powi(-q.eq), shift, None)?;
            let op = ModelOp::Unary {
                multiplier: Coefficients::scalar(1),
                offset: Coefficients::scalar(0),
                shift: coefficients(&q.shifts, inner),
                table,
            };
            if shape == out_shape {
                self.finish(target.node, op, vec![tensor]);
                return Ok(());
            }
            let e = self.scales.shared[target.node];
            let range = self.results(table);
            tensor = self.write(
                &format!("{name}.channels_out"),
                op,
                vec![tensor],
                shape.clone(),
                e,
                range,
            );
        }
        if shape == out_shape {
            self.settle(target.node, tensor);
        } else {
            let op = ModelOp::View(veristar_model::View::Reshape);
            self.finish(target.node, op, vec![tensor]);
        }
        Ok(())
    }

    /// Shifts per channel; the argument's exponent is lowered if even shift 0 breaks the bound.
    fn per_channel(
        &self,
        id: NodeId,
        rows: &Rows<'_>,
        ex: i32,
        target: &Target,
        range: Range,
    ) -> Result<Quantised, OnnxError> {
        let mut max_shift = self.options.max_shift as i32;
        let finer = self.scales.finer[target.node] as i32;
        if finer > 0 {
            // More bits before the shift are as many less dropped by it.
            let bits = self.scales.precision.bits[id] as i32 + finer;
            max_shift = max_shift.min((LARGEST_SHIFTED - bits).max(0));
        }
        let from = target.from;
        let mut worst = 0.0;
        for eq in (from - MAX_LOWERING..=from).rev() {
            let chosen: Result<Vec<(i32, f64)>, f64> = (0..rows.bias.len())
                .map(|c| rows.shift(c, ex, eq, range, max_shift, self.options.weight_bits))
                .collect();
            match chosen {
                Ok(chosen) => {
                    let shifts = chosen.iter().map(|c| c.0).collect();
                    let bound = chosen.iter().fold(0f64, |m, c| m.max(c.1)) as i64;
                    let q = integers(rows, ex, eq, shifts, bound);
                    if worst >= ACCUMULATOR_LIMIT as f64 && vanished(rows, &q) {
                        break;
                    }
                    return Ok(q);
                }
                Err(bound) => worst = bound,
            }
        }
        Err(self.too_large(id, worst))
    }

    /// One exponent for all channels, as large as possible.
    fn uniform(
        &self,
        id: NodeId,
        rows: &Rows<'_>,
        ex: i32,
        range: Range,
    ) -> Result<Quantised, OnnxError> {
        let largest = rows.weight.iter().fold(0f32, |m, w| m.max(w.abs()));
        let top = match largest > 0.0 {
            true => {
                ex + (f64::from(self.options.weight_bits) - f64::from(largest).log2()).floor()
                    as i32
            }
            false => ex,
        };
        let mut worst = 0.0;
        for e in (top - 40..=top).rev() {
            let bounds: Vec<(f64, f64)> =
                (0..rows.bias.len()).map(|c| rows.bound(c, ex, e, range)).collect();
            let bound = bounds.iter().fold(0f64, |m, b| m.max(b.0));
            let heaviest = bounds.iter().fold(0f64, |m, b| m.max(b.1));
            if bound < ACCUMULATOR_LIMIT as f64
                && heaviest <= f64::from(1u32 << self.options.weight_bits)
            {
                let q = integers(rows, ex, e, vec![0; rows.bias.len()], bound as i64);
                if worst >= ACCUMULATOR_LIMIT as f64 && vanished(rows, &q) {
                    break;
                }
                return Ok(q);
            }
            worst = bound;
        }
        Err(self.too_large(id, worst))
    }

    /// Weights that are integers already.
    fn exactly(
        &self,
        id: NodeId,
        rows: &Rows<'_>,
        ex: i32,
        range: Range,
    ) -> Result<Quantised, OnnxError> {
        let channels = rows.bias.len();
        let bound = (0..channels).fold(0f64, |m, c| m.max(rows.bound(c, ex, 0, range).0));
        match bound < ACCUMULATOR_LIMIT as f64 {
            true => Ok(integers(rows, ex, 0, vec![0; channels], bound as i64)),
            false => Err(self.too_large(id, bound)),
        }
    }

    /// The tensor that a linear layer reads: integers as they are, where the layer's sums have to be
    /// exact.
    fn summand(&mut self, id: NodeId, x: NodeId) -> Result<(TensorId, i32), OnnxError> {
        match is_requantised(self.net, &self.readers, id) {
            true => Ok((self.grid(x)?, self.scales.shared[x])),
            false => self.operand(x),
        }
    }

    fn too_large(&self, id: NodeId, bound: f64) -> OnnxError {
        OnnxError::Accumulator {
            layer: self.net.nodes[id].name.clone(),
            bound: bound as i128,
            limit: ACCUMULATOR_LIMIT,
        }
    }
}

/// Constants per channel of a tensor seen as `[outer, channels, inner]`.
pub(super) struct Channels {
    pub outer: usize,
    /// Number of channels.
    pub count: usize,
    pub inner: usize,
    /// One factor for each.
    pub weight: Vec<f32>,
    /// One summand for each.
    pub bias: Vec<f32>,
}

/// The axes along which a constant varies make up the channels.
pub(super) fn channels(shape: &[usize], mul: &Constants, add: &Constants) -> Channels {
    let both = mul.zip(add, |m, _| m).shape;
    let varies: Vec<usize> = (0..shape.len()).filter(|a| both[*a] != 1).collect();
    let (first, last) = match (varies.first(), varies.last()) {
        (Some(f), Some(l)) => (*f, l + 1),
        _ => (0, 0),
    };
    let count: usize = shape[first..last].iter().product();
    let inner: usize = shape[last..].iter().product();
    let per_channel = |c: &Constants| {
        let full = c.expand(shape);
        (0..count).map(|k| full[k * inner]).collect::<Vec<f32>>()
    };
    Channels {
        outer: shape[..first].iter().product(),
        count,
        inner,
        weight: per_channel(mul),
        bias: per_channel(add),
    }
}

fn integers(rows: &Rows<'_>, ex: i32, eq: i32, shifts: Vec<i32>, bound: i64) -> Quantised {
    let mut weight = Vec::with_capacity(rows.weight.len());
    let mut bias = Vec::with_capacity(shifts.len());
    for (c, s) in shifts.iter().enumerate() {
        let factor = 2f64.powi(eq + s - ex);
        weight.extend(rows.row(c).iter().map(|w| (f64::from(*w) * factor).round() as i32));
        bias.push((f64::from(rows.bias[c]) * 2f64.powi(eq + s)).round() as i32);
    }
    Quantised { weight, bias, eq, shifts, bound }
}

/// Whether the bound was kept only by rounding every weight to 0.
fn vanished(rows: &Rows<'_>, q: &Quantised) -> bool {
    q.weight.iter().all(|w| *w == 0) && rows.weight.iter().any(|w| *w != 0.0)
}

/// Per-channel values, or one if all are equal.
pub(super) fn coefficients(values: &[i32], inner: usize) -> Coefficients {
    match values.first() {
        Some(first) if values.iter().all(|v| v == first) => Coefficients::scalar(*first),
        _ => Coefficients { values: values.to_vec(), inner },
    }
}
