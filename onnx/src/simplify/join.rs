//! Element-wise operators of two tensors that both depend on the input.

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        binary::{BinMiniOp, TypedBinOp},
        logic::{self, And, CompEq, CompGT, CompGTE, CompLT, CompLTE, CompNE, Iff, Or, Xor},
        math::{self, Add, Div, Max, Min, Mul, Pow, Rem, Sub, SubF},
    },
};

use super::closure::roots;
use crate::{
    error::OnnxError,
    expr::{apply, to_f32, Function},
    lower::Origins,
    net::{Binary, Constants, Net, Node, NodeId, Op, Operand},
};

/// Rewrites every join into sums, differences and products, with functions around them.
///
/// Division is a table of reciprocals and a product; `max(a, b) = a + relu(b - a)`; a comparison looks
/// at the sign of a difference; `a` or `b` and `a` xor `b` look at a sum; a choice between two tensors is
/// `b + c (a - b)`; a power is `exp(b ln a)`. Division of integers corrects the rounded quotient by its
/// remainder, so it is exact.
///
/// # Errors
/// [`OnnxError::Unsupported`] for any other operator.
pub fn joins(net: &mut Net, origins: &Origins) -> Result<(), OnnxError> {
    let roots = roots(net);
    for (id, root) in roots.into_iter().enumerate() {
        if root != id || !matches!(net.nodes[id].op, Op::Pointwise(..)) {
            continue;
        }
        let node = net.nodes[id].clone();
        let Op::Pointwise(op, operands) = &node.op else { continue };
        let refuse = |reason: &str| {
            let (name, operator) = origins.find(&node.name, &node.operator);
            OnnxError::Unsupported { node: name, operator, reason: reason.into() }
        };
        if op.is::<Iff>() {
            choose(net, id, &node, operands).ok_or_else(|| refuse("of this form"))?;
            continue;
        }
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
        // The type of what is computed on the way: integers stay exact.
        let whole = !net.nodes[a].dtype.is_float() && !net.nodes[b].dtype.is_float();
        let dtype = if whole { i64::datum_type() } else { f32::datum_type() };
        let mut parts = Parts { net, node: &node, dtype };
        let zero = |op: Box<dyn BinMiniOp>| Function::compare(op, 0.0);
        let half = |op: Box<dyn BinMiniOp>| Function::compare(op, 0.5);
        if mini.is::<Add>() {
            set(net, id, Binary::Add, a, b);
        } else if mini.is::<Sub>() {
            set(net, id, Binary::Sub, a, b);
        } else if mini.is::<SubF>() {
            set(net, id, Binary::Sub, b, a);
        } else if mini.is::<Mul>() || mini.is::<And>() {
            set(net, id, Binary::Mul, a, b);
        } else if mini.is::<Or>() || mini.is::<Xor>() {
            let sum = parts.binary("sum", Binary::Add, a, b);
            let f = match mini.is::<Or>() {
                true => half(logic::comp_gt()),
                false => Function::compare(logic::comp_eq(), 1.0),
            };
            apply_last(net, id, f, sum);
        } else if let Some(test) = comparison(&*mini) {
            let difference = parts.binary("difference", Binary::Sub, a, b);
            apply_last(net, id, zero(test), difference);
        } else if mini.is::<Div>() && whole {
            let (q, _) = parts.divide(a, b);
            let (kind, x, y) = parts.take(q);
            set(net, id, kind, x, y);
        } else if mini.is::<Rem>() {
            let quotient = match whole {
                true => parts.divide(a, b).0,
                false => {
                    let r = parts.function("reciprocal", Function::reciprocal(), b);
                    let q = parts.binary("quotient", Binary::Mul, a, r);
                    parts.function("whole", Function::truncate(), q)
                }
            };
            let product = parts.binary("multiple", Binary::Mul, quotient, b);
            set(net, id, Binary::Sub, a, product);
        } else if mini.is::<Div>() {
            let r = parts.function("reciprocal", Function::reciprocal(), b);
            set(net, id, Binary::Mul, a, r);
        } else if mini.is::<Max>() || mini.is::<Min>() {
            let f = if mini.is::<Max>() { Function::relu() } else { Function::negative_part() };
            let d = parts.binary("difference", Binary::Sub, b, a);
            let r = parts.function("part", f, d);
            set(net, id, Binary::Add, a, r);
        } else if mini.is::<Pow>() {
            parts.dtype = f32::datum_type();
            let l = parts.function("logarithm", Function::logarithm(), a);
            let e = parts.binary("exponent", Binary::Mul, l, b);
            let f = match whole {
                true => Function::exponential().then(math::round_half_to_even()),
                false => Function::exponential(),
            };
            apply_last(net, id, f, e);
        } else {
            return Err(refuse("of two varying inputs"));
        }
    }
    net.compact();
    Ok(())
}

/// The test of `a - b` against 0 that says what a comparison says of `a` and `b`.
fn comparison(mini: &dyn BinMiniOp) -> Option<Box<dyn BinMiniOp>> {
    Some(if mini.is::<CompEq>() {
        logic::comp_eq()
    } else if mini.is::<CompNE>() {
        logic::comp_ne()
    } else if mini.is::<CompGT>() {
        logic::comp_gt()
    } else if mini.is::<CompGTE>() {
        logic::comp_gte()
    } else if mini.is::<CompLT>() {
        logic::comp_lt()
    } else if mini.is::<CompLTE>() {
        logic::comp_lte()
    } else {
        return None;
    })
}

/// Appends nodes named after one.
struct Parts<'a> {
    net: &'a mut Net,
    node: &'a Node,
    dtype: DatumType,
}

impl Parts<'_> {
    fn push(&mut self, suffix: &str, shape: Vec<usize>, op: Op, inputs: Vec<NodeId>) -> NodeId {
        let new = self.net.derive(self.node, suffix, shape, op, inputs);
        self.net.nodes[new].dtype = self.dtype;
        new
    }

    fn function(&mut self, suffix: &str, f: Function, x: NodeId) -> NodeId {
        let shape = self.net.nodes[x].shape.clone();
        self.push(suffix, shape, Op::Function(f), vec![x])
    }

    fn binary(&mut self, suffix: &str, kind: Binary, a: NodeId, b: NodeId) -> NodeId {
        let (of_a, of_b) = (&self.net.nodes[a].shape, &self.net.nodes[b].shape);
        let shape = of_a.iter().zip(of_b).map(|(a, b)| *a.max(b)).collect();
        self.push(suffix, shape, Op::Binary(kind), vec![a, b])
    }

    /// Exact quotient towards 0, and its operands' absolute values' remainder.
    fn divide(&mut self, a: NodeId, b: NodeId) -> (NodeId, NodeId) {
        let whole = self.dtype;
        let (x, y) = (
            self.function("dividend", Function::absolute(), a),
            self.function("divisor", Function::absolute(), b),
        );
        self.dtype = f32::datum_type();
        let reciprocal = self.function("reciprocal", Function::reciprocal(), y);
        let near = self.binary("near", Binary::Mul, x, reciprocal);
        self.dtype = whole;
        let near = self.function("rounded", Function::unary(math::floor()), near);
        let product = self.binary("multiple", Binary::Mul, near, y);
        let rest = self.binary("rest", Binary::Sub, x, product);
        // The rounded quotient may be one off, either way.
        let below = Function::compare(logic::comp_lt(), 0.0);
        let below = self.function("below", below, rest);
        let over = self.binary("over", Binary::Sub, rest, y);
        let above = Function::compare(logic::comp_gte(), 0.0);
        let above = self.function("above", above, over);
        let near = self.binary("lowered", Binary::Sub, near, below);
        let quotient = self.binary("corrected", Binary::Add, near, above);
        let (p, q) = (
            self.function("sign", Function::sign(), a),
            self.function("sign", Function::sign(), b),
        );
        let sign = self.binary("sign", Binary::Mul, p, q);
        (self.binary("signed", Binary::Mul, quotient, sign), rest)
    }

    /// What a node computes, to be computed by another.
    fn take(&self, id: NodeId) -> (Binary, NodeId, NodeId) {
        let node = &self.net.nodes[id];
        match node.op {
            Op::Binary(kind) => (kind, node.inputs[0], node.inputs[1]),
            _ => (Binary::Add, id, id),
        }
    }
}

/// Turns node `id` into a function of another.
fn apply_last(net: &mut Net, id: NodeId, f: Function, x: NodeId) {
    net.nodes[id].op = Op::Function(f);
    net.nodes[id].inputs = vec![x];
}

/// `where(c, a, b)`.
fn choose(net: &mut Net, id: NodeId, node: &Node, operands: &[Operand]) -> Option<()> {
    let [Operand::Input(c), yes, no] = operands else { return None };
    let c = node.inputs[*c];
    let whole = [yes, no].iter().all(|o| match o {
        Operand::Input(k) => !net.nodes[node.inputs[*k]].dtype.is_float(),
        Operand::Scalar(t) => !t.datum_type().is_float(),
    });
    let dtype = if whole { i64::datum_type() } else { f32::datum_type() };
    let scalar = |o: &Operand| match o {
        Operand::Scalar(t) => to_f32(t).ok()?.first().copied(),
        Operand::Input(_) => None,
    };
    let mut parts = Parts { net, node, dtype };
    // The condition as 0 or 1, and as 1 or 0.
    let test = |value: f32| Function::compare(logic::comp_eq(), value);
    match (yes, no, scalar(yes), scalar(no)) {
        (Operand::Input(a), _, _, Some(v)) | (_, Operand::Input(a), Some(v), _) => {
            let x = node.inputs[*a];
            let kept = if matches!(no, Operand::Scalar(_)) { 1.0 } else { 0.0 };
            if v <= crate::precision::MASKED {
                // 0 where x is kept, minus infinity elsewhere.
                let f = Function::select(kept, 0.0, v.max(f32::MIN));
                parts.dtype = f32::datum_type();
                let mask = parts.function("mask", f, c);
                set(net, id, Binary::Add, x, mask);
                return Some(());
            }
            let keep = parts.function("kept", test(kept), c);
            if v == 0.0 {
                set(net, id, Binary::Mul, keep, x);
                return Some(());
            }
            let part = parts.binary("part", Binary::Mul, keep, x);
            let other = parts.function("other", Function::select(kept, 0.0, v), c);
            set(net, id, Binary::Add, part, other);
        }
        (Operand::Input(a), Operand::Input(b), ..) => {
            let (a, b) = (node.inputs[*a], node.inputs[*b]);
            let (first, second) =
                (parts.function("first", test(1.0), c), parts.function("second", test(0.0), c));
            let a = parts.binary("yes", Binary::Mul, first, a);
            let b = parts.binary("no", Binary::Mul, second, b);
            set(net, id, Binary::Add, a, b);
        }
        _ => {
            let (yes, no) = (scalar(yes)?, scalar(no)?);
            apply_last(net, id, Function::select(1.0, yes, no), c);
        }
    }
    Some(())
}

fn set(net: &mut Net, id: NodeId, kind: Binary, a: NodeId, b: NodeId) {
    net.nodes[id].op = Op::Binary(kind);
    net.nodes[id].inputs = vec![a, b];
}

/// `where(x < 0, slope_c * x, x)` with a slope per channel is `slope_c * min(x, 0) + max(x, 0)`.
pub fn per_channel_slopes(net: &mut Net) {
    for id in 0..net.nodes.len() {
        if !matches!(net.nodes[id].op, Op::Pointwise(..)) {
            continue;
        }
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
