//! One-input functions: what a collapsed chain of element-wise operators computes.
//!
//! An [`Expr`] is a directed acyclic graph of tract's own element-wise operators over one argument
//! and scalar constants, so a table holds what tract computes, whatever the operator.

use std::{collections::HashMap, sync::Arc};

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        binary::{BinMiniOp, TypedBinOp},
        cast::{cast, Cast},
        element_wise::ElementWiseOp,
        logic::{self, Iff},
        math::{self, Add, Max, Min, Mul},
    },
};

/// A node of the expression.
#[derive(Debug, Clone)]
pub enum Expr {
    /// The argument.
    Arg,
    /// A constant with one element.
    Scalar(Arc<Tensor>),
    /// An element-wise operator.
    Apply(Box<dyn TypedOp>, Vec<Arc<Expr>>),
}

/// A function of one number.
#[derive(Debug, Clone)]
pub struct Function {
    /// The value.
    pub root: Arc<Expr>,
    /// The type the argument has in the ONNX graph; the argument is converted to it.
    pub arg: DatumType,
}

impl Function {
    /// `max(x, 0)`.
    pub fn relu() -> Self {
        Self::with_scalar(math::max(), 0.0)
    }

    /// `min(x, 0)`.
    pub fn negative_part() -> Self {
        Self::with_scalar(math::min(), 0.0)
    }

    /// `1 / x`.
    pub fn reciprocal() -> Self {
        Self::unary(math::recip())
    }

    /// `-x`.
    pub fn negate() -> Self {
        Self::unary(math::neg())
    }

    /// `x * x`.
    pub fn square() -> Self {
        Self::unary(math::square())
    }

    /// `|x|`.
    pub fn absolute() -> Self {
        Self::unary(math::abs())
    }

    /// -1, 0 or 1.
    pub fn sign() -> Self {
        Self::unary(math::sign())
    }

    /// The nearest integer towards 0.
    pub fn truncate() -> Self {
        let sign = Arc::new(Expr::Apply(math::sign().into(), vec![Arc::new(Expr::Arg)]));
        let size = Arc::new(Expr::Apply(math::abs().into(), vec![Arc::new(Expr::Arg)]));
        let floor = Arc::new(Expr::Apply(math::floor().into(), vec![size]));
        let root = Arc::new(Expr::Apply(math::mul().into(), vec![sign, floor]));
        Self { root, arg: f32::datum_type() }
    }

    /// `a` where the argument is `at`, `b` elsewhere.
    pub fn select(at: f32, a: f32, b: f32) -> Self {
        let scalar = |v: f32| Arc::new(Expr::Scalar(Arc::new(tensor1(&[v]))));
        let equal = vec![Arc::new(Expr::Arg), scalar(at)];
        let test = Arc::new(Expr::Apply(Box::new(TypedBinOp(logic::comp_eq(), None)), equal));
        let root = Arc::new(Expr::Apply(Box::new(Iff), vec![test, scalar(a), scalar(b)]));
        Self { root, arg: f32::datum_type() }
    }

    /// The argument between two bounds, and then another function.
    pub fn clamped(lo: f32, hi: f32, then: Option<&Self>) -> Self {
        let clamped = Self::with_scalar(math::max(), lo);
        let scalar = Arc::new(Expr::Scalar(Arc::new(tensor1(&[hi]))));
        let mut root = Arc::new(Expr::Apply(math::min().into(), vec![clamped.root, scalar]));
        if let Some(then) = then {
            if then.arg != f32::datum_type() {
                root = Arc::new(Expr::Apply(Box::new(cast(then.arg)), vec![root]));
            }
            root = then.of(&root);
        }
        Self { root, arg: f32::datum_type() }
    }

    /// Followed by another operator.
    pub fn then(self, op: impl Into<Box<dyn TypedOp>>) -> Self {
        Self { root: Arc::new(Expr::Apply(op.into(), vec![self.root])), arg: self.arg }
    }

    /// A comparison with a constant.
    pub fn compare(op: Box<dyn BinMiniOp>, value: f32) -> Self {
        let op: Box<dyn TypedOp> = Box::new(TypedBinOp(op, None));
        Self::with_scalar(op, value)
    }

    /// `exp(x)`.
    pub fn exponential() -> Self {
        Self::unary(math::exp())
    }

    /// `ln(x)`.
    pub fn logarithm() -> Self {
        Self::unary(math::ln())
    }

    /// A function that ONNX or tract names.
    pub fn unary(op: impl Into<Box<dyn TypedOp>>) -> Self {
        let root = Arc::new(Expr::Apply(op.into(), vec![Arc::new(Expr::Arg)]));
        Self { root, arg: f32::datum_type() }
    }

    /// An operator with a constant second operand.
    pub fn with_scalar(op: impl Into<Box<dyn TypedOp>>, value: f32) -> Self {
        let scalar = Arc::new(Expr::Scalar(Arc::new(tensor1(&[value]))));
        let root = Arc::new(Expr::Apply(op.into(), vec![Arc::new(Expr::Arg), scalar]));
        Self { root, arg: f32::datum_type() }
    }

    /// `f(g)` for an expression `g`.
    pub fn of(&self, inner: &Arc<Expr>) -> Arc<Expr> {
        substitute(&self.root, inner, &mut HashMap::new())
    }

    /// Values at `xs`.
    pub fn eval(&self, xs: &[f32]) -> TractResult<Vec<f32>> {
        let arg = from_f32(tensor1(xs), self.arg)?;
        let mut memo = HashMap::new();
        let value = eval(&self.root, &arg.into_tvalue(), &mut memo)?;
        let value = to_f32(&value)?;
        if value.len() == 1 && xs.len() != 1 {
            return Ok(vec![value[0]; xs.len()]);
        }
        Ok(value)
    }

    /// The type that tract gives the value.
    pub fn result(&self) -> DatumType {
        let value = from_f32(tensor1(&[0.5f32]), self.arg)
            .and_then(|arg| eval(&self.root, &arg.into_tvalue(), &mut HashMap::new()));
        value.map_or(f32::datum_type(), |v| v.datum_type())
    }

    /// Whether `f(2^k x) = 2^k f(x)` (identity, ReLU, leaky ReLU, absolute value): such a function
    /// has one table for all power-of-two scales. Decided by trial: exact in binary floats.
    pub fn is_homogeneous(&self) -> bool {
        let xs = [-3.0f32, -1.0, -0.625, -0.011, 0.0, 0.003, 0.37, 1.0, 2.5, 6.5, 100.0, -77.0];
        [0.25f32, 2.0, 1024.0].iter().all(|k| {
            let scaled: Vec<f32> = xs.iter().map(|x| x * k).collect();
            match (self.eval(&xs), self.eval(&scaled)) {
                (Ok(a), Ok(b)) => a.iter().zip(&b).all(|(a, b)| (a * k) == *b),
                _ => false,
            }
        })
    }

    /// Whether it is `x * x`. Decided by trial.
    pub fn is_square(&self) -> bool {
        let xs = [-3.0f32, -1.0, -0.625, 0.0, 0.375, 1.0, 2.5, 6.5, 100.0, -77.0];
        self.eval(&xs).is_ok_and(|ys| xs.iter().zip(&ys).all(|(x, y)| x * x == *y))
    }

    /// Whether it is `exp` itself.
    pub fn is_exponential(&self) -> bool {
        self.is_only::<math::Exp>()
    }

    /// Whether it is `ln` itself.
    pub fn is_logarithm(&self) -> bool {
        self.is_only::<math::Ln>()
    }

    /// Whether a tangent in it has a pole between the arguments `lo` and `hi`. Decided by samples.
    pub fn meets_pole(&self, lo: f32, hi: f32) -> bool {
        let xs: Vec<f32> = (0..=256).map(|k| lo + (hi - lo) * k as f32 / 256.0).collect();
        let mut inner = Vec::new();
        tangents(&self.root, &mut inner);
        inner.into_iter().any(|root| {
            let Ok(values) = (Self { root, arg: self.arg }).eval(&xs) else { return false };
            // Poles are at odd multiples of pi / 2.
            let branch = |v: &f32| (f64::from(*v) / std::f64::consts::PI + 0.5).floor();
            values.iter().map(branch).any(|b| Some(b) != values.first().map(branch))
        })
    }

    /// Whether a value cast to an integer type lies outside of it, for arguments between `lo` and `hi`:
    /// ONNX leaves open what comes of it. Decided by samples.
    pub fn leaves_type(&self, lo: f32, hi: f32) -> bool {
        let xs: Vec<f32> = (0..=256).map(|k| lo + (hi - lo) * k as f32 / 256.0).collect();
        let mut inner = Vec::new();
        casts(&self.root, &mut inner);
        inner.into_iter().any(|(root, (least, most))| {
            let values = (Self { root, arg: self.arg }).eval(&xs).unwrap_or_default();
            values.iter().any(|v| f64::from(*v) <= least - 1.0 || f64::from(*v) >= most + 1.0)
        })
    }

    fn is_only<O: ElementWiseMiniOp>(&self) -> bool {
        matches!(&*self.root, Expr::Apply(op, args)
            if matches!(args.as_slice(), [a] if matches!(**a, Expr::Arg))
                && op.downcast_ref::<ElementWiseOp>().is_some_and(|op| op.0.is::<O>()))
    }

    /// A short name for people.
    pub fn label(&self) -> String {
        let full = label(&self.root);
        if full.len() <= 48 {
            full
        } else {
            let hash = full
                .bytes()
                .fold(0xcbf2_9ce4_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
            match &*self.root {
                Expr::Apply(op, _) => format!("{}#{hash:08x}", op.name().to_lowercase()),
                _ => full,
            }
        }
    }
}

/// The arguments of all tangents.
fn tangents(expr: &Arc<Expr>, found: &mut Vec<Arc<Expr>>) {
    if let Expr::Apply(op, args) = &**expr {
        if op.downcast_ref::<ElementWiseOp>().is_some_and(|op| op.0.is::<math::Tan>()) {
            found.extend(args.first().cloned());
        }
        args.iter().for_each(|arg| tangents(arg, found));
    }
}

/// What is cast to integers, and their type's bounds.
fn casts(expr: &Arc<Expr>, found: &mut Vec<(Arc<Expr>, (f64, f64))>) {
    if let Expr::Apply(op, args) = &**expr {
        let bounds = op.downcast_ref::<Cast>().and_then(|op| match op.to {
            DatumType::I8 => Some((-128.0, 127.0)),
            DatumType::U8 => Some((0.0, 255.0)),
            DatumType::I16 => Some((-32768.0, 32767.0)),
            DatumType::U16 => Some((0.0, 65535.0)),
            DatumType::I32 => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
            DatumType::U32 => Some((0.0, f64::from(u32::MAX))),
            _ => None,
        });
        found.extend(args.first().cloned().zip(bounds));
        args.iter().for_each(|arg| casts(arg, found));
    }
}

fn substitute(
    expr: &Arc<Expr>,
    arg: &Arc<Expr>,
    memo: &mut HashMap<*const Expr, Arc<Expr>>,
) -> Arc<Expr> {
    if let Some(done) = memo.get(&Arc::as_ptr(expr)) {
        return done.clone();
    }
    let new = match &**expr {
        Expr::Arg => arg.clone(),
        Expr::Scalar(_) => expr.clone(),
        Expr::Apply(op, args) => Arc::new(Expr::Apply(
            op.clone(),
            args.iter().map(|a| substitute(a, arg, memo)).collect(),
        )),
    };
    memo.insert(Arc::as_ptr(expr), new.clone());
    new
}

fn label(expr: &Expr) -> String {
    match expr {
        Expr::Arg => "x".into(),
        Expr::Scalar(t) => {
            t.cast_to_scalar::<f32>().map(|v| v.to_string()).unwrap_or_else(|_| "?".into())
        }
        Expr::Apply(op, args) => {
            if let Some(bin) = op.downcast_ref::<TypedBinOp>() {
                let zero = matches!(args.get(1).map(|a| &**a), Some(Expr::Scalar(t))
                    if t.cast_to_scalar::<f32>().map(|v| v == 0.0).unwrap_or(false));
                if bin.0.is::<Max>() && zero {
                    return match &*args[0] {
                        Expr::Arg => "relu".into(),
                        inner => format!("relu({})", label(inner)),
                    };
                }
                let sign = if bin.0.is::<Add>() {
                    "+"
                } else if bin.0.is::<Mul>() {
                    "*"
                } else {
                    ""
                };
                if !sign.is_empty() && args.len() == 2 {
                    return format!("({}{sign}{})", label(&args[0]), label(&args[1]));
                }
                if bin.0.is::<Min>() && args.len() == 2 {
                    return format!("min({},{})", label(&args[0]), label(&args[1]));
                }
            }
            let name = if op.is::<Iff>() { "where".into() } else { op.name().to_lowercase() };
            if matches!(args.as_slice(), [a] if matches!(**a, Expr::Arg)) {
                return name;
            }
            let args: Vec<String> = args.iter().map(|a| label(a)).collect();
            format!("{name}({})", args.join(","))
        }
    }
}

fn eval(
    expr: &Arc<Expr>,
    arg: &TValue,
    memo: &mut HashMap<*const Expr, TValue>,
) -> TractResult<TValue> {
    if let Some(done) = memo.get(&Arc::as_ptr(expr)) {
        return Ok(done.clone());
    }
    let value = match &**expr {
        Expr::Arg => arg.clone(),
        Expr::Scalar(t) => t.clone().into_tvalue(),
        Expr::Apply(op, args) => {
            let inputs: TVec<TValue> =
                args.iter().map(|a| eval(a, arg, memo)).collect::<TractResult<_>>()?;
            apply(&**op, inputs)?
        }
    };
    memo.insert(Arc::as_ptr(expr), value.clone());
    Ok(value)
}

/// Runs one stateless operator.
pub fn apply(op: &dyn TypedOp, inputs: TVec<TValue>) -> TractResult<TValue> {
    let mut out = op
        .eval_out_of_plan(inputs)?
        .with_context(|| format!("{} has no value of its own", op.name()))?;
    ensure!(!out.is_empty());
    Ok(out.remove(0))
}

/// Converts from the importer's floats to an operator's own type.
pub fn from_f32(t: Tensor, to: DatumType) -> TractResult<Tensor> {
    if to == f32::datum_type() {
        return Ok(t);
    }
    let shape = t.shape().to_vec();
    let data = to_f32(&t.clone().into_tvalue())?;
    if to == bool::datum_type() {
        let bits: Vec<bool> = data.iter().map(|x| *x != 0.0).collect();
        return Tensor::from_shape(&shape, &bits);
    }
    let rounded: Vec<f32> =
        if to.is_integer() { data.iter().map(|x| x.round()).collect() } else { data };
    Ok(Tensor::from_shape(&shape, &rounded)?.cast_to_dt(to)?.into_owned())
}

/// Converts any numeric tensor to floats, row-major.
pub fn to_f32(t: &Tensor) -> TractResult<Vec<f32>> {
    if t.datum_type() == bool::datum_type() {
        let plain = t.try_as_plain_ram()?;
        return Ok(plain.as_slice::<bool>()?.iter().map(|b| f32::from(u8::from(*b))).collect());
    }
    let cast = t.cast_to::<f32>()?;
    let plain = cast.try_as_plain_ram()?;
    Ok(plain.as_slice::<f32>()?.to_vec())
}
