//! Folding of constants into linear layers, and tidying of views.

use crate::net::{Constants, Net, NodeId, Op, View};

/// Constants larger than this stay where they are.
const MAX_CONSTANTS: usize = 1 << 22;
/// Factors that differ more than this between channels stay a layer of their own, so that each
/// channel keeps its precision.
const MAX_SPREAD: f32 = 16.0;

/// Applies all folding rules until none applies.
pub fn fold(net: &mut Net) {
    loop {
        net.compact();
        let readers = net.consumers();
        let changed = (0..net.nodes.len()).any(|id| step(net, id, &readers));
        if !changed {
            return;
        }
    }
}

/// Tries every rule at one node.
fn step(net: &mut Net, id: NodeId, readers: &[Vec<NodeId>]) -> bool {
    drop_identity(net, id)
        || flatten_transpose(net, id)
        || merge_reshapes(net, id)
        || before_view(net, id, readers)
        || into_previous(net, id, readers)
        || into_next(net, id, readers)
}

fn sole_reader(net: &Net, id: NodeId, readers: &[Vec<NodeId>]) -> bool {
    readers[id].len() == 1 && !net.outputs.contains(&id) && !net.inputs.contains(&id)
}

fn drop_identity(net: &mut Net, id: NodeId) -> bool {
    let node = &net.nodes[id];
    let Some(x) = node.inputs.first().copied() else { return false };
    let from = &net.nodes[x];
    if from.dtype != node.dtype || from.shape != node.shape || node.inputs.len() != 1 {
        return false;
    }
    let identity = match &node.op {
        Op::View(View::Reshape | View::Broadcast) => true,
        Op::View(View::Transpose(perm)) => perm.iter().enumerate().all(|(i, p)| i == *p),
        Op::View(View::Slice { steps, .. }) => steps.iter().all(|s| *s == 1),
        Op::Affine { mul, add } => mul.as_uniform() == Some(1.0) && add.as_uniform() == Some(0.0),
        _ => false,
    };
    // A model output keeps a node of its own when its source is a model input.
    if identity && !(net.outputs.contains(&id) && net.inputs.contains(&x)) {
        net.replace(id, x, None);
        return true;
    }
    false
}

/// A transposition that keeps the order of all axes but those of extent 1 is a reshape.
fn flatten_transpose(net: &mut Net, id: NodeId) -> bool {
    let node = &net.nodes[id];
    let Op::View(View::Transpose(perm)) = &node.op else { return false };
    let from = &net.nodes[node.inputs[0]].shape;
    let moved: Vec<usize> = perm.iter().copied().filter(|a| from[*a] != 1).collect();
    if moved.windows(2).all(|w| w[0] < w[1]) {
        net.nodes[id].op = Op::View(View::Reshape);
        return true;
    }
    false
}

fn merge_reshapes(net: &mut Net, id: NodeId) -> bool {
    let node = &net.nodes[id];
    let Some(x) = node.inputs.first().copied() else { return false };
    let from = &net.nodes[x];
    match (&node.op, &from.op) {
        (Op::View(View::Reshape), Op::View(View::Reshape)) if from.dtype == node.dtype => {
            net.nodes[id].inputs[0] = from.inputs[0];
            true
        }
        (Op::View(View::Transpose(b)), Op::View(View::Transpose(a)))
            if from.dtype == node.dtype =>
        {
            let perm = b.iter().map(|p| a[*p]).collect();
            let source = from.inputs[0];
            net.nodes[id].inputs[0] = source;
            net.nodes[id].op = Op::View(View::Transpose(perm));
            true
        }
        _ => false,
    }
}

/// `f(view(x))` becomes `view(f(x))`, so that `f` meets the layer that makes `x`.
fn before_view(net: &mut Net, id: NodeId, readers: &[Vec<NodeId>]) -> bool {
    let node = &net.nodes[id];
    if !matches!(node.op, Op::Affine { .. } | Op::Function(_)) || node.inputs.len() != 1 {
        return false;
    }
    let v = node.inputs[0];
    let view = &net.nodes[v];
    if !sole_reader(net, v, readers) || view.shape != node.shape {
        return false;
    }
    let Op::View(kind @ (View::Reshape | View::Transpose(_))) = &view.op else { return false };
    let kind = kind.clone();
    let x = view.inputs[0];
    if net.nodes[x].dtype != view.dtype
        || net.inputs.contains(&x)
        || matches!(net.nodes[x].op, Op::Input)
    {
        return false;
    }
    let inner = net.nodes[x].shape.clone();
    if let Op::Affine { mul, add } = &node.op {
        let count: usize = inner.iter().product();
        if count > MAX_CONSTANTS {
            return false;
        }
        let back = |c: &Constants| match c.as_uniform() {
            Some(v) => Constants::uniform(v, inner.len()),
            None => unview(c, &kind, &node.shape, &inner),
        };
        let (mul, add) = (back(mul), back(add));
        net.nodes[id].op = Op::Affine { mul, add };
    }
    net.nodes[id].inputs[0] = x;
    net.nodes[id].shape = inner;
    net.replace(id, v, None);
    net.nodes[v].inputs[0] = id;
    net.nodes[v].dtype = net.nodes[id].dtype;
    true
}

/// Constants of a view's output as constants of its input.
fn unview(c: &Constants, kind: &View, outer: &[usize], inner: &[usize]) -> Constants {
    let full = c.expand(outer);
    match kind {
        View::Transpose(perm) => {
            let own = crate::index::strides(outer);
            let mut steps = vec![0isize; inner.len()];
            for (position, axis) in perm.iter().enumerate() {
                steps[*axis] = own[position] as isize;
            }
            let values = crate::index::walk(inner, &steps, 0).map(|i| full[i]).collect();
            Constants { shape: inner.to_vec(), values }
        }
        _ => Constants { shape: inner.to_vec(), values: full },
    }
}

/// An affine map after a linear layer, an affine map, or a sum.
fn into_previous(net: &mut Net, id: NodeId, readers: &[Vec<NodeId>]) -> bool {
    let Op::Affine { mul, add } = &net.nodes[id].op else { return false };
    let (mul, add) = (mul.clone(), add.clone());
    let x = net.nodes[id].inputs[0];
    let finite = add.values.iter().all(|v| v.is_finite());
    if !finite || !sole_reader(net, x, readers) || net.nodes[x].shape != net.nodes[id].shape {
        return false;
    }
    let shape = net.nodes[x].shape.clone();
    let done = match &mut net.nodes[x].op {
        Op::Conv(conv) => {
            let o = conv.weight_shape[0];
            let (Some(m), Some(a)) = (mul.per_axis(1, o), add.per_axis(1, o)) else { return false };
            scale_rows(&mut conv.weight, &mut conv.bias, &m, &a);
            true
        }
        Op::MatMul(product) => {
            let axis = shape.len() - 1;
            let o = product.outputs;
            let (Some(m), Some(a)) = (mul.per_axis(axis, o), add.per_axis(axis, o)) else {
                return false;
            };
            scale_rows(&mut product.weight, &mut product.bias, &m, &a);
            true
        }
        Op::Affine { mul: first, add: first_add } => {
            let added = first_add.zip(&mul, |a, m| a * m).zip(&add, |a, b| a + b);
            *first = first.zip(&mul, |a, b| a * b);
            *first_add = added;
            true
        }
        Op::Pool(pool) if !pool.max && add.as_uniform() == Some(0.0) => match mul.as_uniform() {
            Some(m) => {
                pool.factor.iter_mut().for_each(|f| *f *= m);
                true
            }
            None => false,
        },
        Op::Reduce(reduce) if add.as_uniform() == Some(0.0) => {
            match (&mut reduce.kind, mul.as_uniform()) {
                (crate::net::ReduceKind::Sum(f), Some(m)) => {
                    *f *= m;
                    true
                }
                _ => false,
            }
        }
        _ => false,
    };
    if done {
        net.replace(id, x, None);
    }
    done
}

fn scale_rows(weight: &mut [f32], bias: &mut [f32], mul: &[f32], add: &[f32]) {
    let terms = weight.len() / bias.len().max(1);
    for (row, m) in weight.chunks_mut(terms.max(1)).zip(mul) {
        row.iter_mut().for_each(|w| *w *= m);
    }
    for (b, (m, a)) in bias.iter_mut().zip(mul.iter().zip(add)) {
        *b = *b * m + a;
    }
}

/// An affine map before a linear layer.
fn into_next(net: &mut Net, id: NodeId, readers: &[Vec<NodeId>]) -> bool {
    let Op::Affine { mul, add } = &net.nodes[id].op else { return false };
    let (mul, add) = (mul.clone(), add.clone());
    if !sole_reader(net, id, readers) || add.values.iter().any(|v| !v.is_finite()) {
        return false;
    }
    let next = readers[id][0];
    let x = net.nodes[id].inputs[0];
    let shape = net.nodes[id].shape.clone();
    let spread = |m: &[f32]| {
        let (lo, hi) =
            m.iter().fold((f32::MAX, 0f32), |(lo, hi), v| (lo.min(v.abs()), hi.max(v.abs())));
        hi <= lo * MAX_SPREAD
    };
    match &mut net.nodes[next].op {
        Op::Conv(conv) => {
            let c = shape[1];
            let (Some(m), Some(a)) = (mul.per_axis(1, c), add.per_axis(1, c)) else { return false };
            if !spread(&m) || (a.iter().any(|v| *v != 0.0) && conv.pads != [0; 4]) {
                return false;
            }
            let [o, per_group, kh, kw] = conv.weight_shape;
            let taps = kh * kw;
            for out in 0..o {
                let group = out / (o / conv.groups);
                for k in 0..per_group {
                    let channel = group * per_group + k;
                    for t in 0..taps {
                        let w = &mut conv.weight[(out * per_group + k) * taps + t];
                        conv.bias[out] += *w * a[channel];
                        *w *= m[channel];
                    }
                }
            }
        }
        Op::MatMul(product) => {
            let axis = shape.len() - 1;
            let k = product.terms;
            let (Some(m), Some(a)) = (mul.per_axis(axis, k), add.per_axis(axis, k)) else {
                return false;
            };
            if !spread(&m) {
                return false;
            }
            for (row, bias) in product.weight.chunks_mut(k.max(1)).zip(&mut product.bias) {
                for (w, (m, a)) in row.iter_mut().zip(m.iter().zip(&a)) {
                    *bias += *w * a;
                    *w *= m;
                }
            }
        }
        _ => return false,
    }
    net.nodes[next].inputs[0] = x;
    true
}
