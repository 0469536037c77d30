//! The float graph between tract and the quantised model: few operations, one output each.
//!
//! Nodes are in execution order after [`Net::compact`]. Everything is `f32`, row-major; types other
//! than floats (booleans, indices) are represented by floats and remembered in [`Node::dtype`].

use std::{collections::HashSet, sync::Arc};

use tract_onnx::tract_core::internal::{DatumType, Tensor, TypedOp};

use crate::{expr::Function, ml::ensemble::Ensemble};

/// Largest number of elements of one tensor.
pub const MAX_ELEMENTS: usize = 1 << 26;

/// Index into [`Net::nodes`].
pub type NodeId = usize;

/// One operation and the tensor it gives.
#[derive(Debug, Clone)]
pub struct Node {
    /// Name in the ONNX file, or one made from it.
    pub name: String,
    /// ONNX (or tract) operator, for messages.
    pub operator: String,
    /// Output shape.
    pub shape: Vec<usize>,
    /// Output type in the ONNX graph.
    pub dtype: DatumType,
    /// Operation.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<NodeId>,
}

/// An operand of an element-wise operator.
#[derive(Debug, Clone)]
pub enum Operand {
    /// Entry of [`Node::inputs`].
    Input(usize),
    /// A constant with one element, shape `[1]`.
    Scalar(Arc<Tensor>),
}

/// A constant per element, in a shape that broadcasts to the node's shape (same rank).
#[derive(Debug, Clone, PartialEq)]
pub struct Constants {
    /// Extents: 1, or the node's.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// The operations.
#[derive(Debug, Clone)]
pub enum Op {
    /// A model input.
    Input,
    /// A constant used as an ordinary tensor.
    Constant(Arc<Vec<f32>>),
    /// Moves elements.
    View(View),
    /// `[N, C, H, W]` convolution.
    Conv(Conv),
    /// `y = x W^T + b`; weight `[O, K]`, input `[.., K]`.
    MatMul(MatMul),
    /// An element-wise operator of tract, before closure.
    Pointwise(Box<dyn TypedOp>, Vec<Operand>),
    /// A one-input function.
    Function(Function),
    /// `y = x * mul + add` with constants.
    Affine {
        /// Factor.
        mul: Constants,
        /// Summand.
        add: Constants,
    },
    /// Two tensors; shapes broadcast, ranks equal.
    Binary(Binary),
    /// Windows over the last two axes of `[N, C, H, W]`.
    Pool(Pool),
    /// Whole axes.
    Reduce(Reduce),
    /// Decision trees on rows of features: `[N, F]` to `[N, T * V]`.
    Trees(Arc<Ensemble>),
}

/// Two-input operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
}

/// Element moves; see [`veristar_model::View`].
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// Same elements, other shape.
    Reshape,
    /// Output axis `i` is input axis `perm[i]`.
    Transpose(Vec<usize>),
    /// First index and step on each axis.
    Slice {
        /// First index.
        starts: Vec<usize>,
        /// Step.
        steps: Vec<i64>,
    },
    /// Joins along an axis.
    Concat(usize),
    /// Constant border.
    Pad {
        /// Before each axis.
        before: Vec<usize>,
        /// After each axis.
        after: Vec<usize>,
        /// Border value.
        value: f32,
    },
    /// NumPy broadcasting.
    Broadcast,
    /// Constant indices on an axis.
    Select {
        /// The axis.
        axis: usize,
        /// Input index per output index.
        indices: Vec<usize>,
    },
}

/// A convolution with constant weights.
#[derive(Debug, Clone)]
pub struct Conv {
    /// `[O, C / groups, kh, kw]`.
    pub weight: Vec<f32>,
    /// Kernel shape as above.
    pub weight_shape: [usize; 4],
    /// One per output channel.
    pub bias: Vec<f32>,
    /// Down, right.
    pub stride: [usize; 2],
    /// Down, right.
    pub dilation: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    /// Channel groups.
    pub groups: usize,
}

/// A matrix product with constant weights.
#[derive(Debug, Clone)]
pub struct MatMul {
    /// `[O, K]` row-major.
    pub weight: Vec<f32>,
    /// `O`.
    pub outputs: usize,
    /// `K`.
    pub terms: usize,
    /// One per output.
    pub bias: Vec<f32>,
}

/// Window sum or maximum.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Maximum, or sum times `factor`.
    pub max: bool,
    /// Per output position (`OH * OW` values) or one for all; 1 for maxima.
    pub factor: Vec<f32>,
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Down, right.
    pub stride: [usize; 2],
    /// Down, right.
    pub dilation: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
}

/// Reduction of whole axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduce {
    /// What.
    pub kind: ReduceKind,
    /// Increasing.
    pub axes: Vec<usize>,
}

/// What a [`Reduce`] computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReduceKind {
    /// Sum times a factor (1/n for a mean).
    Sum(f32),
    /// Maximum.
    Max,
    /// Index of the maximum; the last of equal ones if set.
    ArgMax(bool),
}

/// The float graph.
#[derive(Debug, Clone, Default)]
pub struct Net {
    /// Operations.
    pub nodes: Vec<Node>,
    /// Model inputs, in order.
    pub inputs: Vec<NodeId>,
    /// Model outputs, in order.
    pub outputs: Vec<NodeId>,
}

impl Net {
    /// Appends a node.
    pub fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Appends a node named after another.
    pub fn derive(
        &mut self,
        like: &Node,
        suffix: &str,
        shape: Vec<usize>,
        op: Op,
        inputs: Vec<NodeId>,
    ) -> NodeId {
        let name =
            if suffix.is_empty() { like.name.clone() } else { format!("{}.{suffix}", like.name) };
        let operator = like.operator.clone();
        let dtype = DatumType::F32;
        self.push(Node { name, operator, shape, dtype, op, inputs })
    }

    /// For each node, the nodes that read it (once per reading operand).
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut readers = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                readers[*input].push(id);
            }
        }
        readers
    }

    /// Makes every reader of `old` (but `except`) read `new`.
    pub fn replace(&mut self, old: NodeId, new: NodeId, except: Option<NodeId>) {
        for (id, node) in self.nodes.iter_mut().enumerate() {
            if Some(id) != except {
                for input in &mut node.inputs {
                    if *input == old {
                        *input = new;
                    }
                }
            }
        }
        for output in &mut self.outputs {
            if *output == old {
                *output = new;
            }
        }
    }

    /// The last node of a name keeps it; others get a number.
    pub fn name_uniquely(&mut self) {
        let mut taken: HashSet<String> =
            self.inputs.iter().map(|i| self.nodes[*i].name.clone()).collect();
        for id in (0..self.nodes.len()).rev() {
            if self.inputs.contains(&id) {
                continue;
            }
            let base = self.nodes[id].name.clone();
            let mut name = base.clone();
            let mut number = 1;
            while !taken.insert(name.clone()) {
                number += 1;
                name = format!("{base}.{number}");
            }
            self.nodes[id].name = name;
        }
    }

    /// Drops what no output needs, and sorts into execution order. Inputs stay.
    pub fn compact(&mut self) {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut state = vec![0u8; self.nodes.len()];
        let mut stack: Vec<(NodeId, bool)> = Vec::new();
        stack.extend(self.outputs.iter().rev().map(|id| (*id, false)));
        stack.extend(self.inputs.iter().rev().map(|id| (*id, false)));
        while let Some((id, done)) = stack.pop() {
            if done {
                order.push(id);
            } else if state[id] == 0 {
                state[id] = 1;
                stack.push((id, true));
                stack.extend(self.nodes[id].inputs.iter().rev().map(|i| (*i, false)));
            }
        }
        let mut place = vec![usize::MAX; self.nodes.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old] = new;
        }
        let mut old: Vec<Option<Node>> =
            std::mem::take(&mut self.nodes).into_iter().map(Some).collect();
        for id in order {
            if let Some(mut node) = old[id].take() {
                node.inputs.iter_mut().for_each(|i| *i = place[*i]);
                self.nodes.push(node);
            }
        }
        self.inputs.iter_mut().chain(self.outputs.iter_mut()).for_each(|i| *i = place[*i]);
    }
}

impl Constants {
    /// The same value everywhere.
    pub fn uniform(value: f32, rank: usize) -> Self {
        Self { shape: vec![1; rank], values: vec![value] }
    }

    /// The value, if there is only one.
    pub fn as_uniform(&self) -> Option<f32> {
        let first = *self.values.first()?;
        self.values.iter().all(|v| *v == first).then_some(first)
    }

    /// One value per element of `shape`.
    pub fn expand(&self, shape: &[usize]) -> Vec<f32> {
        if self.values.len() == 1 {
            return vec![self.values[0]; shape.iter().product()];
        }
        let steps = crate::index::broadcast_strides(&self.shape, shape);
        crate::index::walk(shape, &steps, 0).map(|i| self.values[i]).collect()
    }

    /// Combines two, element by element.
    pub fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let shape: Vec<usize> =
            self.shape.iter().zip(&other.shape).map(|(a, b)| *a.max(b)).collect();
        let (a, b) = (self.expand(&shape), other.expand(&shape));
        Self { values: a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect(), shape }
    }

    /// Applies a function to each value.
    pub fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        Self { shape: self.shape.clone(), values: self.values.iter().map(|v| f(*v)).collect() }
    }

    /// Values per index of `axis`, if they vary along that axis only.
    pub fn per_axis(&self, axis: usize, extent: usize) -> Option<Vec<f32>> {
        if let Some(v) = self.as_uniform() {
            return Some(vec![v; extent]);
        }
        let full: Vec<usize> =
            (0..self.shape.len()).map(|a| if a == axis { extent } else { self.shape[a] }).collect();
        let values = self.expand(&full);
        let inner: usize = full[axis + 1..].iter().product();
        let mut out = vec![f32::NAN; extent];
        for (e, v) in values.iter().enumerate() {
            let c = (e / inner) % extent;
            if e < inner * extent && out[c].is_nan() {
                out[c] = *v;
            } else if out[c] != *v {
                return None;
            }
        }
        Some(out)
    }
}
