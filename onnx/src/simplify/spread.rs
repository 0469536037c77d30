//! Constants per element that hardly repeat become tensors; squares that are summed, products.
//!
//! An affine map with a constant per channel is a depthwise convolution: cheap where each constant
//! serves many elements. A mask of an attention has one for every element: a sum or a product with a
//! loaded constant is cheaper, and can hold minus infinity.

use std::sync::Arc;

use crate::net::{Binary, Constants, Net, NodeId, Op, Reduce, ReduceKind, View};

/// A table's length: a tensor of as many elements is worth one of its own.
const TABLE: usize = 1 << 16;

/// Before a sum over axes, a square of few elements is a product of a tensor with itself: its table is the
/// identity, which other nodes use too, and not one of its own for every grid. A square of many elements
/// stays a function, which costs less for each of them (and no coarser copy of the operand).
pub fn squares(net: &mut Net) {
    let readers = net.consumers();
    for (id, readers) in readers.iter().enumerate() {
        let node = &net.nodes[id];
        let summed = readers.iter().any(|r| matches!(net.nodes[*r].op, Op::Reduce(_)));
        let square = matches!(&node.op, Op::Function(f) if f.is_square());
        if summed && square && node.dtype.is_float() && node.shape.iter().product::<usize>() < TABLE
        {
            let x = node.inputs[0];
            set(net, id, Binary::Mul, x, x);
        }
    }
}

/// `ln(sum exp(x))` as `m + ln(sum exp(x - m))` with the maximum `m`: no grid holds `exp(x)` otherwise.
pub fn log_sums(net: &mut Net) {
    let readers = net.consumers();
    for id in 0..net.nodes.len() {
        let node = net.nodes[id].clone();
        if !matches!(&node.op, Op::Function(f) if f.is_logarithm()) {
            continue;
        }
        // Back to the sum, through reshapes, and to the exponential before it.
        let mut at = node.inputs[0];
        while matches!(net.nodes[at].op, Op::View(View::Reshape)) {
            at = net.nodes[at].inputs[0];
        }
        let Op::Reduce(sum) = &net.nodes[at].op else { continue };
        let sum = sum.clone();
        let e = net.nodes[at].inputs[0];
        let exponential = matches!(&net.nodes[e].op, Op::Function(f) if f.is_exponential());
        let x = net.nodes[e].inputs.first().copied().unwrap_or(e);
        let from_maximum = matches!(net.nodes[x].op, Op::Binary(Binary::Sub));
        let plain = sum.kind == ReduceKind::Sum(1.0) && readers[e].len() == 1;
        if !exponential || from_maximum || !plain || net.outputs.contains(&e) {
            continue;
        }
        let mut kept = net.nodes[x].shape.clone();
        sum.axes.iter().for_each(|axis| kept[*axis] = 1);
        let largest = Reduce { kind: ReduceKind::Max, axes: sum.axes.clone() };
        let m = net.derive(&node, "maximum", kept, Op::Reduce(largest), vec![x]);
        let shape = net.nodes[x].shape.clone();
        let d = net.derive(&node, "below", shape, Op::Binary(Binary::Sub), vec![x, m]);
        net.nodes[e].inputs = vec![d];
        let mut like_result = m;
        if net.nodes[m].shape != node.shape {
            let reshape = Op::View(View::Reshape);
            like_result = net.derive(&node, "maximum", node.shape.clone(), reshape, vec![m]);
        }
        let (shape, inputs) = (node.shape.clone(), node.inputs.clone());
        let l = net.derive(&node, "logarithm", shape, node.op.clone(), inputs);
        set(net, id, Binary::Add, like_result, l);
    }
    net.compact();
}

/// From this many elements per constant on, a depthwise convolution is cheaper.
const MANY: usize = 8;

/// Rewrites all such maps.
pub fn spread(net: &mut Net) {
    for id in 0..net.nodes.len() {
        let node = net.nodes[id].clone();
        let Op::Affine { mul, add } = &node.op else { continue };
        let count: usize = node.shape.iter().product();
        let constants = mul.values.len().max(add.values.len());
        let masked = add.values.iter().any(|v| *v <= crate::precision::MASKED);
        // Factors stay in a layer, where each channel has a precision of its own.
        let summand = mul.as_uniform() == Some(1.0) && add.as_uniform().is_none();
        if !(masked || (summand && count < constants * MANY)) {
            continue;
        }
        let mut x = node.inputs[0];
        let one = |c: &Constants, value: f32| c.as_uniform() == Some(value);
        if !one(mul, 1.0) {
            let factor = constant(net, id, "factor", mul);
            if one(add, 0.0) {
                set(net, id, Binary::Mul, x, factor);
                continue;
            }
            let (shape, op) = (node.shape.clone(), Op::Binary(Binary::Mul));
            x = net.derive(&node, "scaled", shape, op, vec![x, factor]);
        }
        let summand = constant(net, id, "summand", add);
        set(net, id, Binary::Add, x, summand);
    }
    net.compact();
}

fn constant(net: &mut Net, id: NodeId, suffix: &str, values: &Constants) -> NodeId {
    let like = net.nodes[id].clone();
    let op = Op::Constant(Arc::new(values.values.clone()));
    net.derive(&like, suffix, values.shape.clone(), op, vec![])
}

fn set(net: &mut Net, id: NodeId, kind: Binary, a: NodeId, b: NodeId) {
    net.nodes[id].op = Op::Binary(kind);
    net.nodes[id].inputs = vec![a, b];
}
