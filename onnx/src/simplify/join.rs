//! Element-wise operators of two tensors that both depend on the input.

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        binary::TypedBinOp,
        logic::{And, Iff},
        math::{Add, Div, Max, Min, Mul, Sub, SubF},
    },
};

use super::closure::roots;
use crate::{
    error::OnnxError,
    expr::{apply, to_f32, Function},
    lower::Origins,
    net::{Binary, Constants, Net, Node, NodeId, Op, Operand},
};

/// Rewrites every join into sums, differences and products.
///
/// Division is a table of reciprocals and a product; `max(a, b) = a + relu(b - a)`.
///
/// # Errors
/// [`OnnxError::Unsupported`] for any other operator.
pub fn joins(net: &mut Net, origins: &Origins) -> Result<(), OnnxError> {
    let roots = roots(net);
    for (id, root) in roots.into_iter().enumerate() {
        let node = net.nodes[id].clone();
        let Op::Pointwise(op, operands) = &node.op else { continue };
        if root != id {
            continue;
        }
        let refuse = |reason: &str| {
            let (name, operator) = origins.find(&node.name, &node.operator);
            OnnxError::Unsupported { node: name, operator, reason: reason.into() }
        };
        let (a, b) = match operands.as_slice() {
            [Operand::Input(i), Operand::Input(j)] => (node.inputs[*i], node.inputs[*j]),
            [Operand::Input(i), Operand::Scalar(_)] | [Operand::Scalar(_), Operand::Input(i)]
                if net.nodes[node.inputs[*i]].shape != node.shape =>
            {
                return Err(refuse("its constant is larger than its input"));
            }
            _ => return Err(refuse("of several varying inputs")),
        };
        let Some(mini) = op.downcast_ref::<TypedBinOp>().map(|op| op.0.clone()) else {
            return Err(refuse("of several varying inputs"));
        };
        let float = |i: NodeId| net.nodes[i].dtype.is_float();
        let logical = mini.is::<And>();
        let floats = float(a) && float(b);
        if !logical && !floats {
            return Err(refuse("of two varying inputs that are not floats"));
        }
        let shape = node.shape.clone();
        if mini.is::<Add>() {
            set(net, id, Binary::Add, a, b);
        } else if mini.is::<Sub>() {
            set(net, id, Binary::Sub, a, b);
        } else if mini.is::<SubF>() {
            set(net, id, Binary::Sub, b, a);
        } else if mini.is::<Mul>() || logical {
            set(net, id, Binary::Mul, a, b);
        } else if mini.is::<Div>() {
            let of = net.nodes[b].shape.clone();
            let r =
                net.derive(&node, "reciprocal", of, Op::Function(Function::reciprocal()), vec![b]);
            set(net, id, Binary::Mul, a, r);
        } else if mini.is::<Max>() || mini.is::<Min>() {
            let f = if mini.is::<Max>() { Function::relu() } else { Function::negative_part() };
            let d =
                net.derive(&node, "difference", shape.clone(), Op::Binary(Binary::Sub), vec![b, a]);
            let r = net.derive(&node, "part", shape, Op::Function(f), vec![d]);
            set(net, id, Binary::Add, a, r);
        } else {
            return Err(refuse("of two varying inputs"));
        }
    }
    net.compact();
    Ok(())
}

fn set(net: &mut Net, id: NodeId, kind: Binary, a: NodeId, b: NodeId) {
    net.nodes[id].op = Op::Binary(kind);
    net.nodes[id].inputs = vec![a, b];
}

/// `where(x < 0, slope_c * x, x)` with a slope per channel is `slope_c * min(x, 0) + max(x, 0)`.
pub fn per_channel_slopes(net: &mut Net) {
    for id in 0..net.nodes.len() {
        let node = net.nodes[id].clone();
        if let Some((x, positive, negative)) = slopes(net, &node) {
            let part = |net: &mut Net, f: Function, mul: Option<Constants>, suffix: &str| {
                let shape = node.shape.clone();
                let y = net.derive(&node, suffix, shape.clone(), Op::Function(f), vec![x]);
                match mul {
                    Some(mul) => {
                        let add = Constants::uniform(0.0, shape.len());
                        net.derive(
                            &node,
                            &format!("{suffix}.slope"),
                            shape,
                            Op::Affine { mul, add },
                            vec![y],
                        )
                    }
                    None => y,
                }
            };
            let p = part(net, Function::relu(), positive, "positive");
            let n = part(net, Function::negative_part(), negative, "negative");
            set(net, id, Binary::Add, p, n);
        }
    }
    net.compact();
}

type Slopes = (NodeId, Option<Constants>, Option<Constants>);

/// The argument, and the factors for positive and negative arguments.
fn slopes(net: &Net, node: &Node) -> Option<Slopes> {
    let Op::Pointwise(op, operands) = &node.op else { return None };
    if !op.is::<Iff>() {
        return None;
    }
    let [Operand::Input(c), Operand::Input(t), Operand::Input(f)] = operands.as_slice() else {
        return None;
    };
    let condition = &net.nodes[node.inputs[*c]];
    let Op::Pointwise(test, test_operands) = &condition.op else { return None };
    let x = *condition.inputs.first()?;
    let holds = |v: f32| -> Option<bool> {
        let inputs = test_operands
            .iter()
            .map(|o| match o {
                Operand::Input(_) => tensor1(&[v]).into_tvalue(),
                Operand::Scalar(t) => t.clone().into_tvalue(),
            })
            .collect();
        let value = apply(&**test, inputs).ok()?;
        Some(*to_f32(&value).ok()?.first()? != 0.0)
    };
    let branch = |at: usize| -> Option<Option<Constants>> {
        let id = node.inputs[at];
        if id == x {
            return Some(None);
        }
        match &net.nodes[id].op {
            Op::Affine { mul, add }
                if net.nodes[id].inputs[0] == x && add.as_uniform() == Some(0.0) =>
            {
                Some(Some(mul.clone()))
            }
            _ => None,
        }
    };
    let (yes, no) = (branch(*t)?, branch(*f)?);
    let varies = [&yes, &no].iter().any(|b| b.as_ref().is_some_and(|c| c.as_uniform().is_none()));
    // Only a test of the sign, and only where a plain table would not do.
    if !varies
        || holds(1e-30)? == holds(-1e-30)?
        || holds(1e30)? != holds(1e-30)?
        || holds(-1e30)? != holds(-1e-30)?
    {
        return None;
    }
    Some(if holds(1.0)? { (x, yes, no) } else { (x, no, yes) })
}
