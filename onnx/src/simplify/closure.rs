//! Closure: element-wise operations whose value depends on one tensor become one function of it.
//!
//! A tensor is *needed* if something other than a one-tensor element-wise operation reads it, or if
//! it is an output. Each needed element-wise node becomes a function of the nearest needed tensor it
//! depends on; if it depends on several, of their common root. What is in between disappears.

use std::{collections::HashMap, sync::Arc};

use tract_onnx::tract_core::{
    internal::*,
    ops::{cast::cast, math},
};

use crate::{
    expr::{Expr, Function},
    net::{Net, NodeId, Op, Operand},
};

/// For each node: the node whose tensor alone decides its value, through element-wise operations.
pub fn roots(net: &Net) -> Vec<NodeId> {
    let mut roots: Vec<NodeId> = Vec::with_capacity(net.nodes.len());
    for (id, node) in net.nodes.iter().enumerate() {
        let mut root = id;
        if is_elementwise(&node.op) {
            let mut of_inputs = node.inputs.iter().map(|i| roots[*i]);
            if let Some(first) = of_inputs.next() {
                let same = of_inputs.all(|r| r == first);
                if same && node.inputs.iter().all(|i| net.nodes[*i].shape == node.shape) {
                    root = first;
                }
            }
        }
        roots.push(root);
    }
    roots
}

fn is_elementwise(op: &Op) -> bool {
    match op {
        Op::Pointwise(..) | Op::Function(_) => true,
        Op::Affine { mul, add } => mul.as_uniform().is_some() && add.as_uniform().is_some(),
        _ => false,
    }
}

/// Rewrites the whole graph, in which every element-wise node has a root other than itself.
pub fn close(net: &mut Net) {
    net.compact();
    let roots = roots(net);
    let mut needed = vec![false; net.nodes.len()];
    for id in &net.outputs {
        needed[*id] = true;
    }
    for (id, node) in net.nodes.iter().enumerate() {
        if roots[id] == id {
            needed[id] = true;
            node.inputs.iter().for_each(|i| needed[*i] = true);
        }
    }
    let targets: Vec<NodeId> =
        (0..net.nodes.len()).filter(|id| needed[*id] && roots[*id] != *id).collect();
    for id in targets {
        let mut leaves = Vec::new();
        cut(net, id, &needed, &roots, &mut leaves);
        leaves.sort_unstable();
        leaves.dedup();
        let leaf = match leaves.as_slice() {
            [one] => *one,
            _ => roots[id],
        };
        let root = build(net, id, leaf, &mut HashMap::new());
        let function = Function { root, arg: net.nodes[leaf].dtype };
        net.nodes[id].op = Op::Function(function);
        net.nodes[id].inputs = vec![leaf];
    }
    net.compact();
}

/// An expression of one type as another.
fn typed(expr: &Arc<Expr>, from: DatumType, to: DatumType) -> Arc<Expr> {
    match from == to {
        true => expr.clone(),
        false => Arc::new(Expr::Apply(Box::new(cast(to)), vec![expr.clone()])),
    }
}

fn cut(net: &Net, id: NodeId, needed: &[bool], roots: &[NodeId], leaves: &mut Vec<NodeId>) {
    for input in &net.nodes[id].inputs {
        if needed[*input] || roots[*input] == *input {
            leaves.push(*input);
        } else {
            cut(net, *input, needed, roots, leaves);
        }
    }
}

fn build(net: &Net, id: NodeId, leaf: NodeId, memo: &mut HashMap<NodeId, Arc<Expr>>) -> Arc<Expr> {
    if id == leaf {
        return Arc::new(Expr::Arg);
    }
    if let Some(done) = memo.get(&id) {
        return done.clone();
    }
    let node = &net.nodes[id];
    let inputs: Vec<Arc<Expr>> = node.inputs.iter().map(|i| build(net, *i, leaf, memo)).collect();
    let scalar = |v: f32| Arc::new(Expr::Scalar(Arc::new(tensor1(&[v]))));
    let expr = match &node.op {
        Op::Pointwise(op, operands) => {
            let args = operands
                .iter()
                .map(|o| match o {
                    Operand::Input(k) => inputs[*k].clone(),
                    Operand::Scalar(t) => Arc::new(Expr::Scalar(t.clone())),
                })
                .collect();
            Arc::new(Expr::Apply(op.clone(), args))
        }
        // Types on the way are tract's: a function takes its own and gives the node's.
        Op::Function(f) => {
            let given = typed(&inputs[0], net.nodes[node.inputs[0]].dtype, f.arg);
            typed(&f.of(&given), f.result(), node.dtype)
        }
        Op::Affine { mul, add } => {
            let mut value = inputs[0].clone();
            let (m, a) = (mul.as_uniform().unwrap_or(1.0), add.as_uniform().unwrap_or(0.0));
            if m != 1.0 {
                value = Arc::new(Expr::Apply(math::mul().into(), vec![value, scalar(m)]));
            }
            if a != 0.0 {
                value = Arc::new(Expr::Apply(math::add().into(), vec![value, scalar(a)]));
            }
            value
        }
        _ => Arc::new(Expr::Arg),
    };
    memo.insert(id, expr.clone());
    expr
}
