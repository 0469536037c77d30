//! Where more bits are worth their cells, and where minus infinity means "left out".
//!
//! *Statistics.* A sum or maximum over axes whose result meets other tensors again, element by
//! element (softmax, layer normalisation, root mean squares), amplifies rounding: its operands, and
//! what is computed from it up to the next linear layer, get [`WIDE`] bits instead of the
//! activations'. Element-wise operations cost the same for any width; only tables grow.
//!
//! *Operands of products* get as many bits as the accumulator bound leaves for their number of terms.
//!
//! *Masks.* Attention masks add minus infinity, or a number like -1e9, to what a softmax takes. No grid
//! holds both such a number and the scores, and none has to: what matters is that `exp` gives 0. In
//! the region before a softmax, values below [`MASKED`] are left out of calibration and become a number
//! just low enough.

use crate::net::{Binary, Net, NodeId, Op, ReduceKind};

/// Bits of statistics and what they are taken of.
pub const WIDE: u32 = 15;
/// Bits of a function's result there: a product of it and a wide tensor keeps the field bound.
const RESULT: u32 = 14;
/// Bits of a reduction that a function alone reads: its table is steep near 0.
const ARGUMENT: u32 = 16;
/// Values below this, before a softmax, are minus infinity.
pub const MASKED: f32 = -5e3;
/// Bits that both operands of a product and its number of terms share.
const PRODUCT_BITS: u32 = 29;

/// What is known of each node before calibration.
pub struct Precision {
    /// Bits of its tensor.
    pub bits: Vec<u32>,
    /// Whether it belongs to statistics.
    pub wide: Vec<bool>,
    /// Whether linear layers alone read it, perhaps through views.
    pub operand: Vec<bool>,
    /// Whether it is a difference from a maximum: never above 0.
    pub below: Vec<bool>,
}

/// Chooses bits; `base` is the activations'.
pub fn precision(net: &Net, readers: &[Vec<NodeId>], base: u32) -> Precision {
    let wide = statistics(net, readers);
    let mut bits = Vec::with_capacity(net.nodes.len());
    let mut operand = Vec::with_capacity(net.nodes.len());
    for (id, node) in net.nodes.iter().enumerate() {
        let ends = ends(net, readers, id);
        let linear = |r: &NodeId| {
            matches!(net.nodes[*r].op, Op::Conv(_) | Op::MatMul(_) | Op::Product | Op::Pool(_))
        };
        let terms = ends
            .iter()
            .filter(|r| matches!(net.nodes[**r].op, Op::Product))
            .map(|r| net.nodes[net.nodes[*r].inputs[0]].shape[2])
            .max();
        let only_linear = !ends.is_empty() && ends.iter().all(linear);
        operand.push(only_linear);
        bits.push(match (&node.op, terms) {
            (Op::View(_), _) => node.inputs.iter().map(|i| bits[*i]).max().unwrap_or(base),
            (_, Some(terms)) if only_linear => {
                let of_terms = terms.next_power_of_two().trailing_zeros();
                base.min((PRODUCT_BITS.saturating_sub(of_terms) / 2).max(2))
            }
            _ if !wide[id] || only_linear => base,
            (Op::Function(_), _) => base.max(RESULT),
            (Op::Reduce(_), _) if fused_steep(net, readers, id) => base.max(ARGUMENT),
            _ => base.max(WIDE),
        });
    }
    let mut below = vec![false; net.nodes.len()];
    for (id, node) in net.nodes.iter().enumerate() {
        below[id] = matches!(node.op, Op::Binary(Binary::Sub))
            && maximum_of(net, node.inputs[1]) == Some(node.inputs[0]);
    }
    Precision { bits, wide, operand, below }
}

/// Whether one function, other than a piecewise linear one, alone reads a node.
fn fused_steep(net: &Net, readers: &[Vec<NodeId>], id: NodeId) -> bool {
    let [reader] = readers[id].as_slice() else { return false };
    !net.outputs.contains(&id)
        && matches!(&net.nodes[*reader].op, Op::Function(f) if !f.is_homogeneous())
}

/// Readers through views.
fn ends(net: &Net, readers: &[Vec<NodeId>], id: NodeId) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut stack = vec![id];
    while let Some(at) = stack.pop() {
        for reader in &readers[at] {
            match net.nodes[*reader].op {
                Op::View(_) => stack.push(*reader),
                _ => found.push(*reader),
            }
        }
        if net.outputs.contains(&at) {
            found.push(at);
        }
    }
    found
}

/// Element-wise operations, reductions and views.
fn passes(op: &Op) -> bool {
    match op {
        Op::View(_) | Op::Function(_) | Op::Affine { .. } | Op::Binary(_) => true,
        Op::Reduce(r) => !matches!(r.kind, ReduceKind::ArgMax(_)),
        _ => false,
    }
}

/// The nodes that belong to statistics.
pub fn statistics(net: &Net, readers: &[Vec<NodeId>]) -> Vec<bool> {
    let mut wide = vec![false; net.nodes.len()];
    for (id, node) in net.nodes.iter().enumerate() {
        if !matches!(node.op, Op::Reduce(_)) || !passes(&node.op) {
            continue;
        }
        let mut after = vec![id];
        let mut seen = vec![false; net.nodes.len()];
        let mut meets = false;
        while let Some(at) = after.pop() {
            for reader in &readers[at] {
                if passes(&net.nodes[*reader].op) && !seen[*reader] {
                    seen[*reader] = true;
                    meets |= matches!(net.nodes[*reader].op, Op::Binary(_));
                    after.push(*reader);
                }
            }
        }
        if !meets {
            continue;
        }
        wide[id] = true;
        for (w, s) in wide.iter_mut().zip(&seen) {
            *w |= s;
        }
        let mut before = node.inputs.clone();
        let mut visited = vec![false; net.nodes.len()];
        while let Some(at) = before.pop() {
            if std::mem::replace(&mut visited[at], true) {
                continue;
            }
            wide[at] = true;
            if passes(&net.nodes[at].op) {
                before.extend(&net.nodes[at].inputs);
            }
        }
    }
    wide
}

/// The tensor whose maximum over axes `id` is, through views.
fn maximum_of(net: &Net, id: NodeId) -> Option<NodeId> {
    match &net.nodes[id].op {
        Op::View(_) => maximum_of(net, *net.nodes[id].inputs.first()?),
        Op::Reduce(r) if r.kind == ReduceKind::Max => net.nodes[id].inputs.first().copied(),
        _ => None,
    }
}

/// The nodes before a softmax where minus infinity may stand: what its maximum is taken of, the sums
/// that give it, and the differences that its exponentials take.
pub fn mask_region(net: &Net) -> Vec<bool> {
    let mut region = vec![false; net.nodes.len()];
    let mut stack: Vec<NodeId> = Vec::new();
    for (id, node) in net.nodes.iter().enumerate() {
        if let Op::Binary(Binary::Sub) = node.op {
            if maximum_of(net, node.inputs[1]) == Some(node.inputs[0]) {
                region[id] = true;
                stack.push(node.inputs[0]);
            }
        }
    }
    while let Some(at) = stack.pop() {
        if std::mem::replace(&mut region[at], true) {
            continue;
        }
        if matches!(
            net.nodes[at].op,
            Op::View(_)
                | Op::Function(_)
                | Op::Affine { .. }
                | Op::Binary(Binary::Add | Binary::Sub)
        ) {
            stack.extend(&net.nodes[at].inputs);
        }
    }
    // Every other difference from such a tensor: the argument of the last exponential.
    for id in 0..net.nodes.len() {
        let node = &net.nodes[id];
        if matches!(node.op, Op::Binary(Binary::Sub)) && region[node.inputs[0]] {
            region[id] = true;
        }
    }
    region
}
