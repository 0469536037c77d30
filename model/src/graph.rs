//! The data of a quantised model: tensors, parameters, tables and nodes.
//!
//! Every element is an integer `q`; its real value is `(q - zero_point) * scale`. Nodes are in
//! execution order, and every tensor has exactly one producer: an input, or one node's output.

use crate::{Digits, ModelError, Trees};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Index into [`Graph::tensors`].
pub type TensorId = usize;
/// Index into [`Graph::parameters`].
pub type ParameterId = usize;
/// Index into [`Graph::tables`].
pub type TableId = usize;

/// An inclusive interval of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest value.
    pub lo: i64,
    /// Largest value.
    pub hi: i64,
}

/// A tensor of activations, row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    /// Name in the ONNX file, or one made from the node's name.
    pub name: String,
    /// Extent of each axis; a scalar has none.
    pub shape: Vec<usize>,
    /// Real value of one integer step.
    pub scale: f64,
    /// The integer that stands for real zero.
    pub zero_point: i64,
    /// Values the elements may take. For an input this is a promise that is proven by range
    /// checks; for everything else it follows from the inputs (see [`crate::bounds`]).
    pub range: Range,
}

/// A constant tensor of the model (weights, biases), row-major: the private part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Name in the ONNX file, or one made from the node's name.
    pub name: String,
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// The integers.
    pub values: Vec<i32>,
    /// Declared range: public, part of the architecture, and what overflow bounds rest on.
    pub range: Range,
}

/// A one-input function on integers: `first + i` maps to `values[i]`; elsewhere it is undefined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// For people, e.g. `relu` or `sigmoid(2^-9 -> 2^-12)`.
    pub name: String,
    /// Smallest argument.
    pub first: i32,
    /// Results for `first`, `first + 1`, ...
    pub values: Vec<i32>,
}

/// One integer per element of a tensor, repeated regularly: element `e` (row-major) has
/// `values[(e / inner) % values.len()]`. A scalar is one value; a per-channel vector has `inner`
/// equal to the product of the extents after the channel axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coefficients {
    /// The repeating values; never empty.
    pub values: Vec<i32>,
    /// How many consecutive elements share a value; at least 1.
    pub inner: usize,
}

impl Coefficients {
    /// The same value for every element.
    pub fn scalar(value: i32) -> Self {
        Self { values: alloc::vec![value], inner: 1 }
    }

    /// The value for row-major element `element` (0 if `values` is empty, which
    /// [`crate::bounds::check`] refuses).
    pub fn at(&self, element: usize) -> i32 {
        let index = (element / self.inner.max(1)) % self.values.len().max(1);
        self.values.get(index).copied().unwrap_or(0)
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The ONNX node's name, for messages.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// Tensors read, in the operation's order.
    pub inputs: Vec<TensorId>,
    /// Tensor written.
    pub output: TensorId,
}

/// The integer operations. `rshift(v, s)` is `floor((v + 2^(s-1)) / 2^s)` for `s >= 1` and `v` for
/// `s = 0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// A parameter as an ordinary tensor. No inputs.
    Load(ParameterId),
    /// Moves elements, computes nothing.
    View(View),
    /// Convolution with constant weights.
    Conv2d(Conv2d),
    /// `y[p, o] = bias[o] + sum_k x[p, k] * weight[o, k]`: input `[.., K]`, output `[.., O]`.
    MatMul {
        /// Shape `[O, K]`.
        weight: ParameterId,
        /// Shape `[O]`.
        bias: Option<ParameterId>,
    },
    /// `y = table[rshift(multiplier * x + offset, shift)]`, element by element.
    Unary {
        /// Factor; per element.
        multiplier: Coefficients,
        /// Added before the shift; per element.
        offset: Coefficients,
        /// Bits dropped, 0 to 24; per element.
        shift: Coefficients,
        /// Function applied to the shifted value.
        table: TableId,
    },
    /// `y = table[rshift(alpha*a*b + beta*a + gamma*b + delta, shift)]`; `a`, `b`, `y` have one
    /// shape (broadcasting is a [`View::Broadcast`] before).
    Binary {
        /// Factor of `a * b`.
        alpha: i32,
        /// Factor of `a`.
        beta: i32,
        /// Factor of `b`.
        gamma: i32,
        /// Constant.
        delta: i32,
        /// Bits dropped, 0 to 24.
        shift: u32,
        /// Function applied to the shifted value.
        table: TableId,
    },
    /// Sliding-window sum or maximum over `[N, C, H, W]`.
    Pool(Pool),
    /// Sum, maximum or arg-max along whole axes.
    Reduce(Reduce),
    /// Products of two tensors' rows: `y[g, i, j] = sum_k a[g, i, k] * b[g, j, k]`. Inputs `[G, M, K]`
    /// and `[G, N, K]`, output `[G, M, N]`; every other layout is a [`View`] before or after.
    Product,
    /// Decision trees: what each of them gives.
    Trees(Trees),
    /// Each integer's digits, the lowest first: input of any shape, output `[digits, ..shape]`.
    Digits(Digits),
}

/// `y[n,o,i,j] = bias[o] + sum_{c,u,v} weight[o,c,u,v] * x[n, g*C' + c, i*s0 + u*d0 - top, j*s1 + v*d1 - left]`
/// with `g = o / (O / groups)`, `C' = C / groups`, and 0 outside the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Shape `[O, C / groups, kernel height, kernel width]`.
    pub weight: ParameterId,
    /// Shape `[O]`.
    pub bias: Option<ParameterId>,
    /// Steps down and right.
    pub stride: [usize; 2],
    /// Kernel spacing down and right.
    pub dilation: [usize; 2],
    /// Zero padding: top, left, bottom, right.
    pub pads: [usize; 4],
    /// Number of channel groups; divides both channel counts.
    pub groups: usize,
}

/// Operations that only move elements: the output's shape is that of the node's output tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    /// Same elements, other shape.
    Reshape,
    /// Output axis `i` is input axis `perm[i]`.
    Transpose {
        /// A permutation of the axes.
        perm: Vec<usize>,
    },
    /// Output index `i` on axis `a` reads input index `starts[a] + i * steps[a]`.
    Slice {
        /// First index on each axis.
        starts: Vec<usize>,
        /// Step on each axis, not 0, may be negative.
        steps: Vec<i64>,
    },
    /// Inputs one after another along `axis`.
    Concat {
        /// The joined axis.
        axis: usize,
    },
    /// Constant border.
    Pad {
        /// Elements before, on each axis.
        before: Vec<usize>,
        /// Elements after, on each axis.
        after: Vec<usize>,
        /// The border's integer.
        value: i32,
    },
    /// NumPy broadcasting to the output's shape.
    Broadcast,
    /// Output index `i` on `axis` reads input index `indices[i]` (constant gather, reversal).
    Select {
        /// The axis.
        axis: usize,
        /// Input index for each output index.
        indices: Vec<usize>,
    },
}

/// Sliding windows over the last two axes of `[N, C, H, W]`; padding is left out of the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Sum or maximum.
    pub kind: PoolKind,
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Steps down and right.
    pub stride: [usize; 2],
    /// Spacing inside the window.
    pub dilation: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [usize; 4],
}

/// What a [`Pool`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoolKind {
    /// Sum of the window.
    Sum,
    /// Largest of the window.
    Max,
}

/// Reduction along whole axes; reduced axes are dropped or kept as 1 according to the output's
/// shape, which must have the right number of elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduce {
    /// What is computed.
    pub kind: ReduceKind,
    /// Axes reduced, increasing.
    pub axes: Vec<usize>,
}

/// What a [`Reduce`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReduceKind {
    /// Sum.
    Sum,
    /// Largest value.
    Max,
    /// Index of the largest value along the one axis; the first such index, or the last.
    ArgMax {
        /// Take the last of equal maxima.
        last: bool,
    },
}

/// A quantised model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// For people.
    pub name: String,
    /// All activations.
    pub tensors: Vec<Tensor>,
    /// All constants.
    pub parameters: Vec<Parameter>,
    /// All one-input functions.
    pub tables: Vec<Table>,
    /// Operations in execution order.
    pub nodes: Vec<Node>,
    /// Tensors the user supplies.
    pub inputs: Vec<TensorId>,
    /// Tensors the user gets.
    pub outputs: Vec<TensorId>,
}

impl Range {
    /// The interval from `lo` to `hi`, both included.
    pub fn new(lo: i64, hi: i64) -> Self {
        Self { lo, hi }
    }

    /// Whether `value` lies inside.
    pub fn contains(&self, value: i64) -> bool {
        (self.lo..=self.hi).contains(&value)
    }

    /// Whether all of `other` lies inside.
    pub fn covers(&self, other: &Self) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// The smallest interval that holds both.
    pub fn union(&self, other: &Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }
}

impl Tensor {
    /// Number of elements (saturating; [`crate::bounds::structure`] bounds it).
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |product: usize, &extent| product.saturating_mul(extent))
    }

    /// Whether an axis has extent 0.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The integer nearest to a real value, half-way cases to the even quotient as ONNX's
    /// `QuantizeLinear` does: `round(real / scale) + zero_point`. It is not clamped to the range, so
    /// that the interpreter can refuse what calibration did not cover. Infinities saturate; NaN
    /// gives the zero point.
    pub fn quantise(&self, real: f64) -> i64 {
        round_half_even(real / self.scale).saturating_add(self.zero_point)
    }

    /// The real value of an integer: `(q - zero_point) * scale`.
    pub fn dequantise(&self, q: i64) -> f64 {
        (i128::from(q) - i128::from(self.zero_point)) as f64 * self.scale
    }
}

/// `f64::round_ties_even` as an integer, which `core` does not have.
fn round_half_even(real: f64) -> i64 {
    let truncated = real as i64;
    // From 2^52 on every f64 is an integer, and there the cast is exact or saturates.
    let fraction = real - truncated as f64;
    let beyond_half = fraction.abs() > 0.5 || (fraction.abs() == 0.5 && truncated % 2 != 0);
    match beyond_half {
        true if fraction > 0.0 => truncated.saturating_add(1),
        true => truncated.saturating_sub(1),
        false => truncated,
    }
}

impl Table {
    /// The result for argument `q`, or nothing outside the domain.
    pub fn get(&self, q: i64) -> Option<i32> {
        let index = usize::try_from(q.checked_sub(i64::from(self.first))?).ok()?;
        self.values.get(index).copied()
    }

    /// All arguments (empty, `hi < lo`, for a table without values).
    pub fn domain(&self) -> Range {
        let first = i64::from(self.first);
        let count = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        Range { lo: first, hi: first.saturating_add(count).saturating_sub(1) }
    }
}

impl Graph {
    /// A tensor by index; `node` is for the error.
    ///
    /// # Errors
    /// [`ModelError::UnknownId`].
    pub fn tensor(&self, node: &str, id: TensorId) -> Result<&Tensor, ModelError> {
        find(node, "tensor", &self.tensors, id)
    }

    /// A parameter by index; `node` is for the error.
    ///
    /// # Errors
    /// [`ModelError::UnknownId`].
    pub fn parameter(&self, node: &str, id: ParameterId) -> Result<&Parameter, ModelError> {
        find(node, "parameter", &self.parameters, id)
    }

    /// A table by index; `node` is for the error.
    ///
    /// # Errors
    /// [`ModelError::UnknownId`].
    pub fn table(&self, node: &str, id: TableId) -> Result<&Table, ModelError> {
        find(node, "table", &self.tables, id)
    }

    /// The public part, which keys are made from: the same graph without the parameters' values
    /// (names, shapes and ranges stay, and so do tables and coefficients, which are program).
    ///
    /// It cannot be run or checked: [`crate::bounds::check`] needs the values.
    pub fn architecture(&self) -> Self {
        let public = |parameter: &Parameter| Parameter {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: Vec::new(),
            range: parameter.range,
        };
        Self {
            name: self.name.clone(),
            tensors: self.tensors.clone(),
            parameters: self.parameters.iter().map(public).collect(),
            tables: self.tables.clone(),
            nodes: self.nodes.clone(),
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
        }
    }
}

fn find<'a, T>(
    node: &str,
    kind: &'static str,
    all: &'a [T],
    id: usize,
) -> Result<&'a T, ModelError> {
    all.get(id).ok_or_else(|| ModelError::UnknownId {
        node: node.into(),
        kind,
        id,
        count: all.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn tensor(scale: f64, zero_point: i64) -> Tensor {
        Tensor { name: "t".into(), shape: vec![], scale, zero_point, range: Range::new(0, 0) }
    }

    #[test]
    fn quantise_rounds_half_to_even() {
        let t = tensor(1.0, 0);
        for (real, q) in [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (-2.5, -2),
            (0.50001, 1),
            (-0.50001, -1),
            (0.49999999999999994, 0),
            (4503599627370495.5, 4503599627370496),
            (9007199254740993.0, 9007199254740992),
            (f64::NAN, 0),
            (f64::INFINITY, i64::MAX),
            (f64::NEG_INFINITY, i64::MIN),
            (1e300, i64::MAX),
        ] {
            assert_eq!(t.quantise(real), q, "{real}");
        }
        assert_eq!(tensor(0.25, 10).quantise(-1.0), 6);
        assert_eq!(tensor(0.25, 10).dequantise(6), -1.0);
        assert_eq!(tensor(1.0, 5).quantise(f64::INFINITY), i64::MAX);
        assert_eq!(tensor(1.0, i64::MIN).dequantise(i64::MAX), 2f64.powi(64));
    }

    #[test]
    fn tables_end_at_their_domain() {
        let table = Table { name: "t".into(), first: -1, values: vec![7, 8, 9] };
        assert_eq!(table.domain(), Range::new(-1, 1));
        assert_eq!([-2, -1, 1, 2].map(|q| table.get(q)), [None, Some(7), Some(9), None]);
        assert_eq!([i64::MIN, i64::MAX].map(|q| table.get(q)), [None, None]);
    }

    #[test]
    fn coefficients_repeat() {
        let c = Coefficients { values: vec![1, 2], inner: 2 };
        assert_eq!((0..8).map(|e| c.at(e)).collect::<Vec<_>>(), vec![1, 1, 2, 2, 1, 1, 2, 2]);
        assert_eq!(Coefficients { values: vec![], inner: 0 }.at(3), 0);
    }

    #[test]
    fn architecture_hides_only_values() {
        let graph = crate::testing::random_graph(7);
        let public = graph.architecture();
        assert!(public.parameters.iter().all(|p| p.values.is_empty()));
        let mut filled = public;
        for (p, full) in filled.parameters.iter_mut().zip(&graph.parameters) {
            p.values = full.values.clone();
        }
        assert_eq!(filled, graph);
    }

    #[test]
    fn everything_is_serde() {
        fn both<T: serde::Serialize + serde::de::DeserializeOwned>() {}
        both::<Graph>();
    }

    proptest! {
        #[test]
        fn rounding_agrees_with_std(real in -1e6f64..1e6, halves in -100_000i64..100_000) {
            extern crate std;
            prop_assert_eq!(round_half_even(real), real.round_ties_even() as i64);
            let half = halves as f64 / 2.0;
            prop_assert_eq!(round_half_even(half), half.round_ties_even() as i64);
        }

        #[test]
        fn dequantise_undoes_quantise(q in -1_000_000i64..1_000_000, zp in -500i64..500, e in -20i32..5) {
            let t = tensor(2f64.powi(e), zp);
            prop_assert_eq!(t.quantise(t.dequantise(q)), q);
        }
    }
}
