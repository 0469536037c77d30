//! Which tensors hold integers whatever the input, as those of quantised files do.
//!
//! Such a tensor keeps the grid of step 1 and its whole range, so that what the file computes in
//! integers stays exact.

use std::sync::Arc;

use tract_onnx::prelude::Datum;

use crate::{
    net::{Constants, Net, NodeId, Op, Operand, ReduceKind, View},
    requantise::Requantise,
};

/// Longest range on which a function's values are computed one by one.
const LONGEST: f32 = 1024.0;

/// Smallest and largest value of a tensor of integers.
pub type Span = (f32, f32);

/// For each node of 8-bit integers, and what only moves or shifts them: its values' range.
pub fn integral(net: &Net) -> Vec<Option<Span>> {
    let mut spans: Vec<Option<Span>> = Vec::with_capacity(net.nodes.len());
    for node in &net.nodes {
        let own = match node.dtype {
            t if t == i8::datum_type() => Some((-128.0, 127.0)),
            t if t == u8::datum_type() => Some((0.0, 255.0)),
            _ => None,
        };
        let of = |id: &NodeId| spans[*id];
        let first = node.inputs.first().and_then(of);
        spans.push(own.or_else(|| match &node.op {
            Op::View(view) => moved(net, view, &node.inputs, &spans),
            Op::Pool(pool) if pool.max => first,
            Op::Reduce(reduce) if reduce.kind == ReduceKind::Max => first,
            Op::Affine { mul, add } => {
                let ends = |c: &Constants| Some((least(&c.values)?, most(&c.values)?));
                let whole = |c: &Constants| c.values.iter().all(|v| v.fract() == 0.0);
                if !whole(mul) || !whole(add) {
                    return None;
                }
                let ((lo, hi), (m, n), (a, b)) = (first?, ends(mul)?, ends(add)?);
                let products = [lo * m, lo * n, hi * m, hi * n];
                Some((least(&products)? + a, most(&products)? + b))
            }
            Op::Function(f) => {
                let (lo, hi) = first.filter(|(lo, hi)| hi - lo <= LONGEST)?;
                let xs: Vec<f32> = (lo as i32..=hi as i32).map(|i| i as f32).collect();
                let ys = f.eval(&xs).ok()?;
                ys.iter().all(|y| y.fract() == 0.0).then_some((least(&ys)?, most(&ys)?))
            }
            _ => None,
        }));
    }
    spans
}

fn moved(net: &Net, view: &View, inputs: &[NodeId], spans: &[Option<Span>]) -> Option<Span> {
    let whole = |id: &NodeId| match &net.nodes[*id].op {
        Op::Constant(values) if values.iter().all(|v| v.fract() == 0.0) => {
            Some((least(values)?, most(values)?))
        }
        _ => None,
    };
    // Constants alone say nothing: they take any grid.
    inputs.iter().find_map(|id| spans[*id])?;
    let mut all: Vec<Span> =
        inputs.iter().map(|id| spans[*id].or_else(|| whole(id))).collect::<Option<_>>()?;
    if let View::Pad { value, .. } = view {
        all.push((value.fract() == 0.0).then_some((*value, *value))?);
    }
    all.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn least(values: &[f32]) -> Option<f32> {
    values.iter().copied().reduce(f32::min)
}

fn most(values: &[f32]) -> Option<f32> {
    values.iter().copied().reduce(f32::max)
}

/// A requantisation, the sums it takes, and the views between them.
struct Attached {
    id: NodeId,
    requantise: Requantise,
    sums: NodeId,
    /// The last one first.
    views: Vec<NodeId>,
}

/// Joins requantisations to the integer sums before them. Others stay functions of one tensor; scales
/// for each channel of those are multiplied in first.
pub fn attach(net: &mut Net) {
    let all: Vec<NodeId> =
        (0..net.nodes.len()).filter(|id| requantisation(net, *id).is_some()).collect();
    if all.is_empty() {
        return;
    }
    let (spans, readers) = (integral(net), net.consumers());
    let found: Vec<Option<Attached>> =
        all.iter().map(|id| attached(net, *id, &spans, &readers)).collect();
    for (id, attached) in all.into_iter().zip(found) {
        match attached {
            Some(mut attached) => {
                settle_channels(net, &mut attached, &spans);
                join(net, attached);
            }
            None => spread(net, id),
        }
    }
    net.compact();
}

fn attached(
    net: &Net,
    id: NodeId,
    spans: &[Option<Span>],
    readers: &[Vec<NodeId>],
) -> Option<Attached> {
    let mut requantise = requantisation(net, id)?;
    let alone = |x: NodeId| readers[x].len() == 1 && !net.outputs.contains(&x);
    let mut sums = net.nodes[id].inputs[0];
    let mut views = Vec::new();
    while let Op::View(view @ (View::Reshape | View::Transpose(_))) = &net.nodes[sums].op {
        let from = net.nodes[sums].inputs[0];
        let (before, after) = (&net.nodes[from].shape, &net.nodes[sums].shape);
        if !alone(sums) {
            return None;
        }
        if !requantise.is_uniform() {
            requantise.axis = before_view(view, before, after, requantise.axis)?;
        }
        views.push(sums);
        sums = from;
    }
    let exact = alone(sums) && is_sum_of_integers(net, sums, spans);
    exact.then_some(Attached { id, requantise, sums, views })
}

/// A channel whose weights are so small that every sum gives the same result gets no weights, and the
/// scale of another channel: its own would be tiny, and its bias too large for the field.
fn settle_channels(net: &mut Net, attached: &mut Attached, spans: &[Option<Span>]) {
    let requantise = &mut attached.requantise;
    let input = net.nodes[attached.sums].inputs.first().and_then(|x| spans[*x]);
    let Some((lo, hi)) = input.filter(|_| !requantise.is_uniform()) else { return };
    let (weight, bias) = match &mut net.nodes[attached.sums].op {
        Op::Conv(conv) => (&mut conv.weight, &mut conv.bias),
        Op::MatMul(product) => (&mut product.weight, &mut product.bias),
        _ => return,
    };
    let terms = (weight.len() / bias.len().max(1)).max(1);
    let result = |channel: usize, row: &[f32], bias: f32| {
        // Padding is 0.
        let ends = row.iter().map(|w| (w * lo, w * hi));
        let least: f32 = ends.clone().map(|(a, b)| a.min(b).min(0.0)).sum();
        let most: f32 = ends.map(|(a, b)| a.max(b).max(0.0)).sum();
        let (first, last) =
            (requantise.value(channel, bias + least), requantise.value(channel, bias + most));
        (first == last).then_some(first)
    };
    let rows = weight.chunks(terms).zip(bias.iter()).enumerate();
    let constant: Vec<Option<i32>> = rows.map(|(c, (row, bias))| result(c, row, *bias)).collect();
    let varying = requantise.scale.iter().zip(&constant).filter(|(_, c)| c.is_none());
    let scale = varying.map(|(s, _)| *s).fold(0.0, f32::max);
    if scale <= 0.0 || scale > 1.0 || requantise.scale.len() != constant.len() {
        return;
    }
    let mut scales = requantise.scale.to_vec();
    for (channel, result) in constant.iter().enumerate() {
        let Some(result) = result else { continue };
        weight[channel * terms..(channel + 1) * terms].fill(0.0);
        bias[channel] = ((result - requantise.zero) as f32 / scale).round();
        scales[channel] = scale;
    }
    requantise.scale = Arc::new(scales);
}

/// Puts a requantisation right after its sums, in front of the views.
fn join(net: &mut Net, attached: Attached) {
    let Attached { id, requantise, sums, views } = attached;
    if let (Some(last), Some(first)) = (views.first(), views.last()) {
        net.replace(id, *last, None);
        net.nodes[*first].inputs[0] = id;
        let dtype = net.nodes[id].dtype;
        views.iter().for_each(|view| net.nodes[*view].dtype = dtype);
    }
    net.nodes[id].inputs = vec![sums];
    net.nodes[id].shape = net.nodes[sums].shape.clone();
    net.nodes[id].op = Op::Requantise(requantise);
}

fn requantisation(net: &Net, id: NodeId) -> Option<Requantise> {
    match &net.nodes[id].op {
        Op::Pointwise(op, operands) if matches!(operands.as_slice(), [Operand::Input(_)]) => {
            op.downcast_ref::<Requantise>().cloned()
        }
        _ => None,
    }
}

/// The channels' axis before a view that only adds or drops axes of extent 1 or moves axes.
fn before_view(view: &View, before: &[usize], after: &[usize], axis: usize) -> Option<usize> {
    match view {
        View::Transpose(perm) => perm.get(axis).copied(),
        _ => {
            let place =
                |shape: &[usize], at: usize| shape[..at].iter().filter(|d| **d != 1).count();
            let kept =
                |shape: &[usize]| shape.iter().filter(|d| **d != 1).copied().collect::<Vec<_>>();
            let found = (0..before.len())
                .find(|at| before[*at] != 1 && place(before, *at) == place(after, axis))?;
            (kept(before) == kept(after)).then_some(found)
        }
    }
}

/// A linear operation of integers: its sums are integers.
fn is_sum_of_integers(net: &Net, id: NodeId, spans: &[Option<Span>]) -> bool {
    let node = &net.nodes[id];
    let whole = |values: &[f32]| values.iter().all(|v| v.fract() == 0.0);
    let weights = match &node.op {
        Op::Conv(conv) => whole(&conv.weight) && whole(&conv.bias),
        Op::MatMul(product) => whole(&product.weight) && whole(&product.bias),
        Op::Product => true,
        _ => false,
    };
    weights && node.inputs.iter().all(|x| spans[*x].is_some())
}

/// Multiplies the scales of channels in, and leaves a requantisation of scale 1.
fn spread(net: &mut Net, id: NodeId) {
    let Some(requantise) = requantisation(net, id).filter(|r| !r.is_uniform()) else { return };
    let node = net.nodes[id].clone();
    let mut shape = vec![1; node.shape.len()];
    if let Some(extent) = shape.get_mut(requantise.axis) {
        *extent = requantise.scale.len();
    }
    let factor = |s: &f32| if requantise.divide { 1.0 / s } else { *s };
    let values = requantise.scale.iter().map(factor).collect();
    let mul = Constants { shape, values };
    let add = Constants::uniform(0.0, node.shape.len());
    let op = Op::Affine { mul, add };
    let scaled = net.derive(&node, "scaled", node.shape.clone(), op, node.inputs.clone());
    let scale = Arc::new(vec![1.0]);
    let rest = Requantise { scale, divide: false, ..requantise };
    net.nodes[id].op = Op::Pointwise(Box::new(rest), vec![Operand::Input(0)]);
    net.nodes[id].inputs = vec![scaled];
}
