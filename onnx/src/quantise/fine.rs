//! High precision: tensors of 24 bits, for a field that holds their sums.
//!
//! No table has an entry for each of 2^24 values. A *fine* tensor `v` is taken apart into digits,
//! `v = 2^12 hi + lo`; tables have an entry for each `hi`, and between two of them a function is a line:
//!
//! ```text
//! f(v) = F[hi] + rshift((F[hi + 1] - F[hi]) lo, 12)
//! ```
//!
//! two tables of 2^14 entries and a product. For a function that is linear between entries (ReLU, leaky
//! ReLU, absolute value: their only bend is at an entry) that is exact; else the line is off by at most
//! `h^2 / 8` times the largest second derivative, with `h` the real distance of two entries. Where a
//! function rises by more than 2^15 between two entries, its line has that many fewer bits.
//!
//! Sums keep weights of 22 bits: accumulators have up to 2^52. Their low digits are dropped, which is what
//! requantisation is here: no shift is longer than 12 bits.
//!
//! *Which tensors are fine.* What linear layers, sums, functions, max-pooling, trees and views write, if such
//! an operation (or the user) reads it. Everything else (products of two tensors, maxima over axes, statistics
//! such as softmax and layer normalisation, integers, quantised files) keeps the bits that it has with standard
//! precision; if it reads a fine tensor, it reads a copy with those bits ([`separate`]).

use veristar_model::{
    Conv2d, Digits, Op as ModelOp, Pool as ModelPool, PoolKind, Range, Reduce as ModelReduce,
    ReduceKind as ModelReduceKind, TensorId, View as ModelView,
};

use super::{
    emit::{tabulated, Emitter},
    scale::Scales,
};
use crate::{
    error::OnnxError,
    expr::Function,
    integral::integral,
    net::{Binary, Constants, Conv, MatMul, Net, Node, NodeId, Op, Pool, ReduceKind},
    precision::{mask_region, statistics},
};

/// A fine tensor lies within `+-2^BITS`, a function's argument within twice that.
pub const BITS: u32 = 24;
/// Bits between two entries of a table.
const LOW: u32 = 12;
/// Bits of a table's argument.
const TOP: u32 = BITS + 2 - LOW;
/// Largest weight.
const WEIGHT: f64 = (1u32 << 22) as f64;
/// Largest accumulator.
const ACCUMULATOR: f64 = (1u64 << 52) as f64;
/// Most bits of an accumulator below its argument's grid: more would round nothing better.
const MOST_DROPPED: i32 = 26;
/// A constant that reads like an input: biases beyond 32 bits are weights of it.
const UNIT: i64 = 1 << BITS;
/// Bits of the steps between two entries.
const STEP_BITS: u32 = 15;

/// Whether each node's tensor is fine. `exact[k]`: model input `k` holds integers only.
pub fn nodes(net: &Net, exact: &[bool]) -> Vec<bool> {
    let readers = net.consumers();
    let count = net.nodes.len();
    if net.nodes.iter().any(|node| matches!(node.op, Op::Requantise(_))) {
        return vec![false; count];
    }
    let (masks, wide, whole) = (mask_region(net), statistics(net, &readers), integral(net));
    let mut fine = vec![false; count];
    for (id, node) in net.nodes.iter().enumerate() {
        let is_trees = |r: &NodeId| matches!(net.nodes[*r].op, Op::Trees(_));
        let written = match &node.op {
            Op::Input => {
                let k = net.inputs.iter().position(|input| *input == id);
                let integers = k.and_then(|k| exact.get(k)).copied().unwrap_or(false);
                !integers && !readers[id].iter().any(is_trees)
            }
            op if moves(op) => node.inputs.iter().all(|input| fine[*input]),
            Op::Trees(_) | Op::Constant(_) | Op::Function(_) => true,
            _ => reads(&node.op),
        };
        fine[id] =
            written && node.dtype.is_float() && !masks[id] && !wide[id] && whole[id].is_none();
    }
    // What nobody reads with all bits needs none; readers come later.
    for id in (0..count).rev() {
        let read = readers[id].iter().any(|r| takes(net, *r, &fine, &wide));
        fine[id] &= net.outputs.contains(&id) || read;
    }
    // A constant keeps the grid of what it is joined with.
    for (id, node) in net.nodes.iter().enumerate() {
        if matches!(node.op, Op::Constant(_)) {
            fine[id] &= readers[id].iter().all(|r| fine[*r]);
        }
    }
    fine
}

/// Operations that read fine tensors.
fn reads(op: &Op) -> bool {
    match op {
        Op::Conv(_) | Op::MatMul(_) | Op::Affine { .. } | Op::Function(_) => true,
        Op::Binary(kind) => *kind != Binary::Mul,
        Op::Pool(pool) => !pool.max && pool.factor.windows(2).all(|pair| pair[0] == pair[1]),
        Op::Reduce(reduce) => matches!(reduce.kind, ReduceKind::Sum(_)),
        _ => false,
    }
}

/// Operations whose results are elements of their operands: fine if those are.
fn moves(op: &Op) -> bool {
    match op {
        Op::View(_) => true,
        Op::Pool(pool) => pool.max,
        _ => false,
    }
}

/// Whether a node reads its operands with all their bits.
fn takes(net: &Net, id: NodeId, fine: &[bool], wide: &[bool]) -> bool {
    match &net.nodes[id].op {
        op if moves(op) => fine[id],
        op => reads(op) && !wide[id],
    }
}

/// Puts a copy of fewer bits between a fine tensor and each reader that takes no fine one.
pub fn separate(net: &mut Net, exact: &[bool]) {
    let fine = nodes(net, exact);
    let readers = net.consumers();
    let wide = statistics(net, &readers);
    for id in 0..fine.len() {
        let narrow = readers[id].iter().copied().filter(|r| !takes(net, *r, &fine, &wide));
        let narrow: Vec<NodeId> = narrow.collect();
        if !fine[id] || narrow.is_empty() {
            continue;
        }
        let like = net.nodes[id].clone();
        let copy =
            Op::Function(Function::with_scalar(tract_onnx::tract_core::ops::math::mul(), 1.0));
        let new = net.derive(&like, "narrow", like.shape.clone(), copy, vec![id]);
        for reader in narrow {
            let inputs = net.nodes[reader].inputs.iter_mut();
            inputs.filter(|input| **input == id).for_each(|input| *input = new);
        }
    }
    net.compact();
}

/// Layers that keep the bits of standard precision: name and operator.
pub fn coarse(net: &Net, exact: &[bool]) -> (usize, Vec<String>) {
    let fine = nodes(net, exact);
    let computes = |node: &Node| {
        !matches!(node.op, Op::Input | Op::Constant(_) | Op::View(_)) && node.dtype.is_float()
    };
    let layers = net.nodes.iter().enumerate().filter(|(_, node)| computes(node));
    let narrow = |(id, node): &(usize, &Node)| !fine[*id] && !node.name.ends_with(".narrow");
    let names = layers.clone().filter(narrow);
    let names = names.map(|(_, node)| format!("{} ({})", node.name, node.operator)).collect();
    (layers.count(), names)
}

/// How an accumulator becomes the argument of a table.
struct Plan {
    /// Exponent of the argument.
    from: i32,
    /// Bits between two entries.
    low: u32,
    /// Bits of the table's argument.
    top: u32,
    /// Whether what is dropped was not rounded: the table has values in the middle of its steps.
    middle: bool,
}

/// A linear layer.
struct Layer<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    terms: usize,
}

/// Its integers.
struct Integers {
    weight: Vec<i32>,
    bias: Vec<i64>,
    exponent: i32,
    bound: i64,
}

impl Layer<'_> {
    fn row(&self, c: usize) -> &[f32] {
        &self.weight[c * self.terms..(c + 1) * self.terms]
    }

    /// The largest exponent that weights and sums leave, `most` at most.
    fn exponent(&self, ex: i32, range: Range, most: i32) -> Option<i32> {
        let largest = self.weight.iter().fold(0f64, |m, w| m.max(f64::from(w.abs())));
        let reach = range.lo.unsigned_abs().max(range.hi.unsigned_abs()) as f64;
        let sums = (0..self.bias.len()).map(|c| {
            let row: f64 = self.row(c).iter().map(|w| f64::from(w.abs())).sum();
            row * reach * 2f64.powi(-ex) + f64::from(self.bias[c].abs())
        });
        let sum = sums.fold(0f64, f64::max);
        let fits = |e: &i32| {
            let rounding = self.terms as f64 * reach;
            largest * 2f64.powi(e - ex) <= WEIGHT && sum * 2f64.powi(*e) + rounding < ACCUMULATOR
        };
        (most - 80..=most).rev().find(fits)
    }

    /// Rounded weights, and biases with `half` added.
    fn integers(&self, ex: i32, exponent: i32, range: Range, half: i64) -> Integers {
        let factor = 2f64.powi(exponent - ex);
        let weight: Vec<i32> =
            self.weight.iter().map(|w| (f64::from(*w) * factor).round() as i32).collect();
        let grid = 2f64.powi(exponent);
        let bias: Vec<i64> =
            self.bias.iter().map(|b| (f64::from(*b) * grid).round() as i64 + half).collect();
        let reach = range.lo.abs().max(range.hi.abs());
        let sums = weight.chunks(self.terms.max(1)).zip(&bias).map(|(row, bias)| {
            row.iter().map(|w| i64::from(*w).abs()).sum::<i64>() * reach + bias.abs()
        });
        let bound = sums.max().unwrap_or(0);
        Integers { weight, bias, exponent, bound }
    }
}

impl Integers {
    /// Biases as weights of [`UNIT`] and what is left; nothing if 32 bits hold them all.
    fn split(&self) -> (Option<Vec<i32>>, Vec<i32>) {
        let fits = |b: &i64| b.abs() < 1 << 30;
        if self.bias.iter().all(fits) {
            return (None, self.bias.iter().map(|b| *b as i32).collect());
        }
        let units: Vec<i64> = self.bias.iter().map(|b| (b + UNIT / 2) >> BITS).collect();
        let left = self.bias.iter().zip(&units).map(|(b, u)| (b - u * UNIT) as i32).collect();
        (Some(units.iter().map(|u| *u as i32).collect()), left)
    }

    /// Each row of weights with one more at its end.
    fn with_units(&self, units: &[i32], rows: usize) -> Vec<i32> {
        let terms = (self.weight.len() / rows.max(1)).max(1);
        let rows = self.weight.chunks(terms).zip(units);
        rows.flat_map(|(row, unit)| row.iter().chain([unit]).copied()).collect()
    }
}

impl Scales {
    /// Whether an operation is emitted here: it writes or reads a fine tensor.
    pub fn is_fine(&self, net: &Net, id: NodeId) -> bool {
        let node = &net.nodes[id];
        let input = node.inputs.iter().any(|input| self.fine[*input]);
        match &node.op {
            Op::Function(_) => input,
            Op::Pool(pool) if pool.max => self.fine[id],
            op => reads(op) && (self.fine[id] || input),
        }
    }
}

impl Emitter<'_> {
    /// Emits an operation that writes or reads fine tensors.
    pub(super) fn fine(&mut self, id: NodeId) -> Result<(), OnnxError> {
        let net = self.net;
        let node = &net.nodes[id];
        match &node.op {
            Op::Conv(conv) => self.fine_conv(id, conv),
            Op::MatMul(product) => self.fine_matmul(id, product),
            Op::Affine { mul, add } => self.fine_affine(id, mul, add),
            Op::Function(function) => {
                let x = node.inputs[0];
                let (tensor, exponent) = (self.grid(x)?, self.scales.shared[x]);
                let plan = match self.scales.fine[id] {
                    true => Plan { from: exponent, low: LOW, top: TOP, middle: false },
                    false => Plan { from: exponent - LOW as i32, low: 0, top: TOP, middle: true },
                };
                self.rounded(id, id, Some(function), tensor, exponent, &plan)
            }
            Op::Binary(kind) => self.fine_sum_of_two(id, *kind),
            Op::Pool(pool) if pool.max => self.fine_maximum(id, pool),
            Op::Pool(pool) => {
                let op = ModelOp::Pool(ModelPool {
                    kind: PoolKind::Sum,
                    kernel: pool.kernel,
                    stride: pool.stride,
                    dilation: pool.dilation,
                    pads: pool.pads,
                });
                let factor = pool.factor.first().copied().unwrap_or(1.0);
                self.fine_window(id, op, pool.kernel[0] * pool.kernel[1], factor)
            }
            Op::Reduce(reduce) => {
                let ReduceKind::Sum(factor) = reduce.kind else { return Err(self.no_lowering(id)) };
                let from = &net.nodes[node.inputs[0]].shape;
                let count = reduce.axes.iter().map(|axis| from[*axis]).product();
                let axes = reduce.axes.clone();
                let op = ModelOp::Reduce(ModelReduce { kind: ModelReduceKind::Sum, axes });
                self.fine_window(id, op, count, factor)
            }
            _ => Err(self.no_lowering(id)),
        }
    }

    fn no_lowering(&self, id: NodeId) -> OnnxError {
        OnnxError::Invalid { reason: format!("node `{}` has no lowering", self.net.nodes[id].name) }
    }

    /// A model input of 24 bits, and digits that show its range.
    pub(super) fn show_range(&mut self, id: NodeId, input: TensorId) {
        let end = self.graph.tensors[input].range.hi + 1;
        let total = end.ilog2() + 1;
        let bits = vec![LOW, total.saturating_sub(LOW).max(1)];
        self.graph.tensors[input].range.lo = -end;
        let name = format!("{}.digits", self.net.nodes[id].name);
        self.digits(&name, input, Digits { bits });
    }

    fn digits(&mut self, name: &str, x: TensorId, digits: Digits) -> TensorId {
        let mut shape = vec![digits.bits.len()];
        shape.extend(&self.graph.tensors[x].shape);
        let range = digits.range();
        self.write(name, ModelOp::Digits(digits), vec![x], shape, 0, range)
    }

    /// Where node `id`'s accumulator goes, and by which argument.
    fn plan(&self, id: NodeId) -> Plan {
        let target = self.target(id);
        let scales = &self.scales;
        let own = match target.function {
            Some(_) => scales.own[id],
            None => scales.shared[id],
        };
        match (scales.fine[id], scales.fine[target.node]) {
            (true, true) => Plan { from: own, low: LOW, top: TOP, middle: false },
            (true, false) => Plan { from: own - LOW as i32, low: 0, top: TOP, middle: false },
            _ => {
                let top = scales.precision.bits[id] + 2;
                Plan { from: target.from, low: 0, top, middle: false }
            }
        }
    }

    /// An accumulator that the user alone reads as it is; any other with its low digits dropped, and
    /// with the function that alone reads it.
    fn settle_sum(
        &mut self,
        id: NodeId,
        accumulator: TensorId,
        exponent: i32,
        plan: &Plan,
    ) -> Result<(), OnnxError> {
        let target = self.target(id);
        let function = target.function.clone();
        self.rounded(id, target.node, function.as_ref(), accumulator, exponent, plan)
    }

    /// Writes `node`: the function of an accumulator of `id` at `exponent`.
    fn rounded(
        &mut self,
        id: NodeId,
        node: NodeId,
        function: Option<&Function>,
        accumulator: TensorId,
        exponent: i32,
        plan: &Plan,
    ) -> Result<(), OnnxError> {
        let mut bits = Vec::new();
        // An argument on a finer grid than the accumulator's would gain nothing.
        let from = plan.from.min(exponent);
        let mut drop = (exponent - from).unsigned_abs();
        while drop > 0 {
            bits.push(drop.min(LOW));
            drop -= drop.min(LOW);
        }
        if plan.low > 0 {
            bits.push(plan.low);
        }
        bits.push(plan.top);
        let count = bits.len();
        let shape = self.graph.tensors[accumulator].shape.clone();
        let name = self.net.nodes[node].name.clone();
        let all = self.digits(&format!("{name}.digits"), accumulator, Digits { bits });
        let top = self.digit(&name, all, count - 1, &shape);
        if !self.scales.fine[node] {
            let step = 2f64.powi(-from);
            let end = 1i64 << (plan.top - 1);
            let first = if plan.middle { 0.5 } else { 0.0 };
            let values = self.entries(id, node, function, step, first, -end..=end - 1)?;
            let label = function.map_or_else(|| "identity".to_string(), Function::label);
            let table = self.integers(&label, -end, values);
            let range = self.results(table);
            let to = self.scales.shared[node];
            let y = self.write(&name, tabulated(0, table), vec![top], shape, to, range);
            self.reshaped(node, y);
            return Ok(());
        }
        let low = self.digit(&name, all, count - 2, &shape);
        let to = self.scales.shared[node];
        let parts = match function {
            None => {
                let up = to - from;
                if !(0..=16).contains(&up) {
                    return Err(self.no_lowering(node));
                }
                vec![(top, 1i64 << (LOW as i32 + up)), (low, 1 << up)]
            }
            Some(f) => {
                let step = 2f64.powi(LOW as i32 - from);
                let end = 1i64 << (TOP - 1);
                let values = self.entries(id, node, Some(f), step, 0.0, -end..=end)?;
                self.lines(&name, &f.label(), &values, [top, low], to)
            }
        };
        let y = self.joined(&name, &parts, to, 0);
        self.reshaped(node, y);
        Ok(())
    }

    /// Parts of a function of `4096 top + low`, given its values at multiples of 4096 around 0.
    fn lines(
        &mut self,
        name: &str,
        label: &str,
        values: &[i64],
        [top, low]: [TensorId; 2],
        to: i32,
    ) -> Vec<(TensorId, i64)> {
        let shape = self.graph.tensors[top].shape.clone();
        let end = (values.len() / 2) as i64;
        let rise = values.windows(2).map(|pair| pair[1] - pair[0]);
        let steepest = rise.clone().fold(0, |m: i64, r| m.max(r.abs()));
        let coarser = (i64::BITS - steepest.leading_zeros()).saturating_sub(STEP_BITS);
        let rise: Vec<i64> = rise.map(|r| r >> coarser).collect();
        let largest = (steepest >> coarser) + 1;
        let [at, rises] = [values[..values.len() - 1].to_vec(), rise]
            .map(|values| self.integers(label, -end, values));
        let (range, rising) = (self.results(at), self.results(rises));
        let lowest = if rising.lo < 0 { -largest } else { 0 };
        let line = self.integers("identity", lowest, (lowest..=largest).collect());
        let of = |suffix: &str| format!("{name}.{suffix}");
        let op = tabulated(0, at);
        let at = self.write(&of("entry"), op, vec![top], shape.clone(), to, range);
        let op = tabulated(0, rises);
        let rises = self.write(&of("rise"), op, vec![top], shape.clone(), 0, rising);
        let op = ModelOp::Binary { alpha: 1, beta: 0, gamma: 0, delta: 0, shift: LOW, table: line };
        let range = Range { lo: lowest, hi: largest };
        let between = self.write(&of("between"), op, vec![rises, low], shape, to, range);
        vec![(at, 1), (between, 1i64 << coarser)]
    }

    /// The largest element of each window: `max(a, b) = a + relu(b - a)`, exactly.
    fn fine_maximum(&mut self, id: NodeId, pool: &Pool) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let (input, e) = (self.grid(x)?, self.scales.shared[x]);
        let (name, shape) = (self.net.nodes[id].name.clone(), self.net.nodes[id].shape.clone());
        let range = self.graph.tensors[input].range;
        // No larger than any element: those of fine tensors are within twice 2^BITS.
        let border = range.lo.max(-(1 << (BITS + 1)));
        let furthest = range.hi.min(1 << (BITS + 1)) - border;
        let upper = (i64::BITS - furthest.leading_zeros() + 1).saturating_sub(LOW).max(1);
        let padded = self.padded(&name, input, pool.pads, border as i32);
        let mut parts = Vec::new();
        for (i, j) in (0..pool.kernel[0]).flat_map(|i| (0..pool.kernel[1]).map(move |j| (i, j))) {
            let starts = vec![0, 0, i * pool.dilation[0], j * pool.dilation[1]];
            let steps = vec![1, 1, pool.stride[0] as i64, pool.stride[1] as i64];
            let view = ModelOp::View(ModelView::Slice { starts, steps });
            let part = format!("{name}.{i}.{j}");
            parts.push(self.write(&part, view, vec![padded], shape.clone(), e, range));
        }
        let end = 1i64 << (upper - 1);
        let relu: Vec<i64> = (-end..=end).map(|hi| hi.max(0) << LOW).collect();
        while parts.len() > 1 {
            let mut larger = Vec::with_capacity(parts.len().div_ceil(2));
            for pair in parts.chunks(2) {
                let [a, b] = pair else {
                    larger.extend(pair);
                    continue;
                };
                let difference = self.joined(&format!("{name}.minus"), &[(*b, 1), (*a, -1)], e, 0);
                let digits = Digits { bits: vec![LOW, upper] };
                let all = self.digits(&format!("{name}.digits"), difference, digits);
                let [low, top] = [0, 1].map(|index| self.digit(&name, all, index, &shape));
                let mut sum = self.lines(&name, "relu", &relu, [top, low], e);
                sum.push((*a, 1));
                let largest = self.joined(&format!("{name}.larger"), &sum, e, 0);
                // Tighter than what intervals say.
                self.graph.tensors[largest].range = range;
                larger.push(largest);
            }
            parts = larger;
        }
        let view = ModelOp::View(ModelView::Reshape);
        let largest = self.write(&name, view, parts, shape, e, range);
        self.reshaped(id, largest);
        Ok(())
    }

    /// Values of `node`'s function at `(i + first) step`, on its grid.
    fn entries(
        &self,
        id: NodeId,
        node: NodeId,
        function: Option<&Function>,
        step: f64,
        first: f64,
        arguments: std::ops::RangeInclusive<i64>,
    ) -> Result<Vec<i64>, OnnxError> {
        let xs: Vec<f32> = arguments.map(|i| ((i as f64 + first) * step) as f32).collect();
        let ys = match function {
            Some(f) => super::table::defined(f, &xs, &self.seen[id], self.scales.floor[node])?,
            None => xs,
        };
        let grid = 2f64.powi(self.scales.shared[node]);
        let saturation = self.scales.saturation[node] as f64;
        let value =
            |y: &f32| (f64::from(*y) * grid).round_ties_even().clamp(-saturation, saturation);
        Ok(ys.iter().map(|y| value(y) as i64).collect())
    }

    /// One digit as a tensor.
    fn digit(&mut self, name: &str, all: TensorId, index: usize, shape: &[usize]) -> TensorId {
        let range = self.graph.tensors[all].range;
        let mut starts = vec![0; shape.len() + 1];
        starts[0] = index;
        let steps = vec![1; shape.len() + 1];
        let one = std::iter::once(1).chain(shape.iter().copied()).collect();
        let view = ModelOp::View(ModelView::Slice { starts, steps });
        let name = format!("{name}.digit{index}");
        let part = self.write(&name, view, vec![all], one, 0, range);
        let view = ModelOp::View(ModelView::Reshape);
        self.write(&name, view, vec![part], shape.to_vec(), 0, range)
    }

    /// A sum of tensors of one shape with integer factors, and a constant.
    fn joined(
        &mut self,
        name: &str,
        parts: &[(TensorId, i64)],
        exponent: i32,
        constant: i64,
    ) -> TensorId {
        let shape = self.graph.tensors[parts[0].0].shape.clone();
        let n = shape.iter().product();
        let mut planes = Vec::with_capacity(parts.len());
        let (mut lo, mut hi) = (constant, constant);
        for (tensor, factor) in parts {
            let range = self.graph.tensors[*tensor].range;
            let ends = [range.lo * factor, range.hi * factor];
            (lo, hi) = (lo + ends[0].min(ends[1]), hi + ends[0].max(ends[1]));
            let view = ModelOp::View(ModelView::Reshape);
            let plane = format!("{name}.plane");
            planes.push(self.write(&plane, view, vec![*tensor], vec![1, 1, n, 1], 0, range));
        }
        let (count, range) = (planes.len(), self.union(&planes));
        let view = ModelOp::View(ModelView::Concat { axis: 1 });
        let planes =
            self.write(&format!("{name}.planes"), view, planes, vec![1, count, n, 1], 0, range);
        let factors = parts.iter().map(|(_, factor)| *factor as i32).collect();
        let weight = self.parameter(&format!("{name}.factors"), vec![1, count, 1, 1], factors);
        let bias = (constant != 0)
            .then(|| self.parameter(&format!("{name}.half"), vec![1], vec![constant as i32]));
        let op = ModelOp::Conv2d(pointwise(weight, bias, 1));
        let range = Range { lo, hi };
        let sum = format!("{name}.joined");
        let flat = self.write(&sum, op, vec![planes], vec![1, 1, n, 1], exponent, range);
        let view = ModelOp::View(ModelView::Reshape);
        self.write(name, view, vec![flat], shape, exponent, range)
    }

    /// Gives node `id` this tensor, in the node's own shape.
    fn reshaped(&mut self, id: NodeId, tensor: TensorId) {
        let shape = self.net.nodes[id].shape.clone();
        if self.graph.tensors[tensor].shape == shape {
            self.settle(id, tensor);
            return;
        }
        let (range, e) = (self.graph.tensors[tensor].range, self.scales.shared[id]);
        let name = self.net.nodes[id].name.clone();
        let view = ModelOp::View(ModelView::Reshape);
        let tensor = self.write(&name, view, vec![tensor], shape, e, range);
        self.settle(id, tensor);
    }

    fn fine_matmul(&mut self, id: NodeId, product: &MatMul) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let (input, ex) = (self.grid(x)?, self.scales.shared[x]);
        let layer = Layer { weight: &product.weight, bias: &product.bias, terms: product.terms };
        let (q, plan, raw) = self.weighed(id, &layer, input, ex)?;
        let (units, left) = q.split();
        let name = self.net.nodes[id].name.clone();
        let (outputs, mut terms) = (product.outputs, product.terms);
        let (mut input, mut weight) = (input, q.weight.clone());
        if let Some(units) = units {
            let shape = self.graph.tensors[input].shape.clone();
            let axis = shape.len() - 1;
            input = self.with_unit(&name, input, &shape, axis);
            weight = q.with_units(&units, outputs);
            terms += 1;
        }
        let weight = self.parameter(&format!("{name}.weight"), vec![outputs, terms], weight);
        let bias = self.bias(&name, left);
        let op = ModelOp::MatMul { weight, bias };
        let shape = self.net.nodes[id].shape.clone();
        self.summed(id, op, input, shape, &q, &plan, raw)
    }

    fn fine_conv(&mut self, id: NodeId, conv: &Conv) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let (input, ex) = (self.grid(x)?, self.scales.shared[x]);
        let shape = self.net.nodes[id].shape.clone();
        self.fine_channels(id, conv, input, ex, shape)
    }

    /// Constants per channel that no layer absorbs: a depthwise 1x1 convolution.
    fn fine_affine(
        &mut self,
        id: NodeId,
        mul: &Constants,
        add: &Constants,
    ) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let (input, ex) = (self.grid(x)?, self.scales.shared[x]);
        let channels = super::linear::channels(&self.net.nodes[id].shape, mul, add);
        let planar = vec![channels.outer, channels.count, channels.inner, 1];
        let range = self.graph.tensors[input].range;
        let name = format!("{}.channels", self.net.nodes[id].name);
        let view = ModelOp::View(ModelView::Reshape);
        let input = self.write(&name, view, vec![input], planar.clone(), ex, range);
        let conv = depthwise(channels.weight, channels.bias);
        self.fine_channels(id, &conv, input, ex, planar)
    }

    /// A sum over windows or axes, times a factor.
    fn fine_window(
        &mut self,
        id: NodeId,
        op: ModelOp,
        count: usize,
        factor: f32,
    ) -> Result<(), OnnxError> {
        let x = self.net.nodes[id].inputs[0];
        let (input, ex) = (self.grid(x)?, self.scales.shared[x]);
        let Range { lo, hi } = self.graph.tensors[input].range;
        let many = count as i64;
        let range = Range { lo: (lo * many).min(0), hi: (hi * many).max(0) };
        let (name, shape) = (self.net.nodes[id].name.clone(), self.net.nodes[id].shape.clone());
        if factor == 1.0 {
            let sum = self.write(&format!("{name}.sum"), op, vec![input], shape, ex, range);
            if self.only_output(id) {
                self.rescale_group(id, ex);
                self.reshaped(id, sum);
                return Ok(());
            }
            let plan = self.plan(id);
            return self.settle_sum(id, sum, ex, &plan);
        }
        let n = shape.iter().product();
        let sum = self.write(&format!("{name}.sum"), op, vec![input], shape, ex, range);
        let planar = vec![1, 1, n, 1];
        let view = ModelOp::View(ModelView::Reshape);
        let plane = format!("{name}.plane");
        let sum = self.write(&plane, view, vec![sum], planar.clone(), ex, range);
        self.fine_channels(id, &depthwise(vec![factor], vec![0.0]), sum, ex, planar)
    }

    /// A sum or difference: both operands on the finer grid.
    fn fine_sum_of_two(&mut self, id: NodeId, kind: Binary) -> Result<(), OnnxError> {
        let [a, b] = [0, 1].map(|k| self.net.nodes[id].inputs[k]);
        let [ea, eb] = [a, b].map(|x| self.scales.shared[x]);
        let top = ea.max(eb);
        let plan = self.plan(id);
        if top - ea.min(eb) > 28 || top - plan.from > MOST_DROPPED + 8 {
            return Err(self.no_lowering(id));
        }
        let mut parts = Vec::with_capacity(2);
        for (x, e, sign) in [(a, ea, 1), (b, eb, if kind == Binary::Sub { -1 } else { 1 })] {
            let tensor = self.grid(x)?;
            let tensor = self.broadcast(id, tensor);
            parts.push((tensor, sign * (1i64 << (top - e))));
        }
        let name = self.net.nodes[id].name.clone();
        let raw = self.only_output(id);
        let half = if raw { 0 } else { half(top - plan.from) };
        let sum = self.joined(&format!("{name}.sum"), &parts, top, half);
        if raw {
            self.rescale_group(id, top);
            self.reshaped(id, sum);
            return Ok(());
        }
        self.settle_sum(id, sum, top, &plan)
    }

    /// Integer weights and biases of a layer, and what becomes of its sums.
    fn weighed(
        &self,
        id: NodeId,
        layer: &Layer<'_>,
        input: TensorId,
        ex: i32,
    ) -> Result<(Integers, Plan, bool), OnnxError> {
        let range = self.graph.tensors[input].range;
        let (plan, raw) = (self.plan(id), self.only_output(id));
        let from = if raw { self.scales.own[id] } else { plan.from };
        let most = from + MOST_DROPPED;
        let exponent = layer.exponent(ex, range, most).ok_or_else(|| OnnxError::Accumulator {
            layer: self.net.nodes[id].name.clone(),
            bound: i128::MAX,
            limit: ACCUMULATOR as i64,
        })?;
        let half = if raw { 0 } else { half(exponent - plan.from) };
        Ok((layer.integers(ex, exponent, range, half), plan, raw))
    }

    fn fine_channels(
        &mut self,
        id: NodeId,
        conv: &Conv,
        input: TensorId,
        ex: i32,
        shape: Vec<usize>,
    ) -> Result<(), OnnxError> {
        let [outputs, per_group, kh, kw] = conv.weight_shape;
        let terms = per_group * kh * kw;
        let layer = Layer { weight: &conv.weight, bias: &conv.bias, terms };
        let (q, plan, raw) = self.weighed(id, &layer, input, ex)?;
        let (units, left) = q.split();
        let name = self.net.nodes[id].name.clone();
        let (mut input, mut weight, mut pads) = (input, q.weight.clone(), conv.pads);
        let mut per_group = per_group;
        if let Some(units) = units {
            // The constant is one more channel of each group, of which every output reads one element:
            // padding is made explicit, so that there is one everywhere.
            input = self.padded(&name, input, pads, 0);
            pads = [0; 4];
            let [images, channels, h, w] = *self.graph.tensors[input].shape.as_slice() else {
                return Err(self.no_lowering(id));
            };
            let groups = vec![images * conv.groups, channels / conv.groups, h, w];
            input = self.with_unit(&name, input, &groups, 1);
            let range = self.graph.tensors[input].range;
            let joined = vec![images, channels + conv.groups, h, w];
            let view = ModelOp::View(ModelView::Reshape);
            input = self.write(&format!("{name}.groups"), view, vec![input], joined, ex, range);
            let mut kernel = vec![0; kh * kw];
            weight = Vec::with_capacity(outputs * (terms + kh * kw));
            for (row, unit) in q.weight.chunks(terms).zip(&units) {
                kernel[0] = *unit;
                weight.extend(row.iter().chain(&kernel));
            }
            per_group += 1;
        }
        let extents = vec![outputs, per_group, kh, kw];
        let weight = self.parameter(&format!("{name}.weight"), extents, weight);
        let bias = self.bias(&name, left);
        let op = ModelOp::Conv2d(Conv2d {
            weight,
            bias,
            stride: conv.stride,
            dilation: conv.dilation,
            pads,
            groups: conv.groups,
        });
        self.summed(id, op, input, shape, &q, &plan, raw)
    }

    fn bias(&mut self, name: &str, left: Vec<i32>) -> Option<usize> {
        let any = left.iter().any(|b| *b != 0);
        any.then(|| self.parameter(&format!("{name}.bias"), vec![left.len()], left))
    }

    /// Writes a layer's accumulators, and what becomes of them.
    #[allow(clippy::too_many_arguments)]
    fn summed(
        &mut self,
        id: NodeId,
        op: ModelOp,
        input: TensorId,
        shape: Vec<usize>,
        q: &Integers,
        plan: &Plan,
        raw: bool,
    ) -> Result<(), OnnxError> {
        let name = self.net.nodes[id].name.clone();
        let range = Range { lo: -q.bound, hi: q.bound };
        let written = if raw { name } else { format!("{name}.accumulator") };
        let sum = self.write(&written, op, vec![input], shape, q.exponent, range);
        if raw {
            self.rescale_group(id, q.exponent);
            self.reshaped(id, sum);
            return Ok(());
        }
        self.settle_sum(id, sum, q.exponent, plan)
    }

    /// A tensor, seen in another shape, with [`UNIT`] after the last element of an axis.
    fn with_unit(&mut self, name: &str, x: TensorId, shape: &[usize], axis: usize) -> TensorId {
        let range = self.graph.tensors[x].range;
        let view = ModelOp::View(ModelView::Reshape);
        let x = self.write(&format!("{name}.in"), view, vec![x], shape.to_vec(), 0, range);
        let (before, mut after) = (vec![0; shape.len()], vec![0; shape.len()]);
        after[axis] = 1;
        let mut longer = shape.to_vec();
        longer[axis] += 1;
        let view = ModelOp::View(ModelView::Pad { before, after, value: UNIT as i32 });
        let range = Range { lo: range.lo.min(UNIT), hi: range.hi.max(UNIT) };
        self.write(&format!("{name}.unit"), view, vec![x], longer, 0, range)
    }

    /// A value around the last two axes of `[N, C, H, W]`.
    fn padded(
        &mut self,
        name: &str,
        x: TensorId,
        [top, left, bottom, right]: [usize; 4],
        value: i32,
    ) -> TensorId {
        if [top, left, bottom, right] == [0; 4] {
            return x;
        }
        let tensor = &self.graph.tensors[x];
        let (mut shape, range) = (tensor.shape.clone(), tensor.range);
        shape[2] += top + bottom;
        shape[3] += left + right;
        let (before, after) = (vec![0, 0, top, left], vec![0, 0, bottom, right]);
        let view = ModelOp::View(ModelView::Pad { before, after, value });
        let range = Range { lo: range.lo.min(value.into()), hi: range.hi.max(value.into()) };
        self.write(&format!("{name}.padded"), view, vec![x], shape, 0, range)
    }
}

/// Half of what dropping `bits` counts.
fn half(bits: i32) -> i64 {
    match bits {
        1..=30 => 1 << (bits - 1),
        _ => 0,
    }
}

fn pointwise(weight: usize, bias: Option<usize>, groups: usize) -> Conv2d {
    Conv2d { weight, bias, stride: [1, 1], dilation: [1, 1], pads: [0; 4], groups }
}

fn depthwise(weight: Vec<f32>, bias: Vec<f32>) -> Conv {
    let channels = weight.len();
    Conv {
        weight,
        weight_shape: [channels, 1, 1, 1],
        bias,
        stride: [1, 1],
        dilation: [1, 1],
        pads: [0; 4],
        groups: channels,
    }
}
