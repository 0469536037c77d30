//! From tract's typed graph to the float graph, one file per family of operators.
//!
//! | file | operators |
//! |---|---|
//! | `attention` | attention, normalisations that tract holds as one operator |
//! | `control` | choices between two graphs |
//! | `indexed` | reads and writes at indices: gathers, scatters, one-hot, top-k, resizing |
//! | `recurrent` | recurrent layers and scans, unrolled |
//! | `linear` | convolutions (1-, 2- and 3-D, transposed), matrix products with constants |
//! | `elementwise` | arithmetic, activations, comparisons, casts |
//! | `pooling` | pooling windows and reductions |
//! | `product` | matrix products and einsums of activations |
//! | `view` | everything that only moves elements |

mod attention;
mod control;
mod elementwise;
mod indexed;
mod linear;
mod pooling;
mod product;
mod recurrent;
mod view;

use std::{collections::HashMap, sync::Arc};

use tract_onnx::tract_core::{
    internal::*,
    ops::{
        element_wise::ElementWiseOp,
        konst::Const,
        math::Ln,
        nn::{Softmax, SoftmaxKind},
        source::TypedSource,
    },
};

use crate::{
    error::OnnxError,
    expr::{to_f32, Function},
    ml::trees::TreesOp,
    net::{Binary, Net, Node, NodeId, Op, Reduce, ReduceKind, MAX_ELEMENTS},
};

/// ONNX node names and operators, for messages.
#[derive(Debug, Clone, Default)]
pub struct Origins(pub Vec<(String, String)>);

/// A softmax at the end of the model that the lowering leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct DroppedSoftmax {
    /// The model output's position.
    pub output: usize,
    /// Axes of the softmax.
    pub axes: Vec<usize>,
    /// Whether it is a LogSoftmax.
    pub log: bool,
}

/// What an outlet of tract became.
#[derive(Debug, Clone)]
enum Lowered {
    Const(Arc<Tensor>),
    Node(NodeId),
}

/// The state of a lowering.
struct Lowering<'a> {
    model: &'a TypedModel,
    origins: &'a Origins,
    net: Net,
    map: HashMap<OutletId, Lowered>,
    dropped: Vec<DroppedSoftmax>,
    drop_softmax: bool,
    /// Inside an operator that tract holds as a graph of its own: its node's name and operator.
    scope: Option<(String, String)>,
}

/// An operand: a constant or a node.
enum Value {
    Const(Arc<Tensor>),
    Node(NodeId),
}

impl Origins {
    /// The ONNX node a tract node came from: name and operator.
    pub fn find(&self, tract_name: &str, tract_op: &str) -> (String, String) {
        let best = self
            .0
            .iter()
            .filter(|(name, _)| {
                !name.is_empty()
                    && tract_name.strip_prefix(name.as_str()).is_some_and(|rest| {
                        rest.chars().next().is_none_or(|c| !c.is_alphanumeric())
                    })
            })
            .max_by_key(|(name, _)| name.len());
        match best {
            Some((name, operator)) => (name.clone(), operator.clone()),
            None => (tract_name.to_string(), tract_op.to_string()),
        }
    }
}

/// Lowers a whole model.
///
/// # Errors
/// [`OnnxError::Unsupported`] for the first operator without a lowering.
pub fn lower(
    model: &TypedModel,
    origins: &Origins,
    drop_softmax: bool,
) -> Result<(Net, Vec<DroppedSoftmax>), OnnxError> {
    let mut lowering = Lowering {
        model,
        origins,
        net: Net::default(),
        map: HashMap::new(),
        dropped: Vec::new(),
        drop_softmax,
        scope: None,
    };
    let order = model.eval_order().map_err(invalid)?;
    let inputs: Vec<usize> =
        model.input_outlets().map_err(invalid)?.iter().map(|o| o.node).collect();
    for id in inputs.iter().copied() {
        lowering.input(id)?;
    }
    for id in order {
        if !inputs.contains(&id) {
            lowering.node(id)?;
        }
    }
    let outputs = model.output_outlets().map_err(invalid)?;
    for (position, outlet) in outputs.iter().enumerate() {
        let name = model.node(outlet.node).name.clone();
        let id = match lowering.map.get(outlet).cloned() {
            Some(Lowered::Node(id)) => id,
            Some(Lowered::Const(t)) => lowering.constant(&name, &t)?,
            None => {
                return Err(OnnxError::Invalid {
                    reason: format!("output {position} has no producer"),
                })
            }
        };
        lowering.net.outputs.push(id);
    }
    lowering.net.compact();
    Ok((lowering.net, lowering.dropped))
}

fn invalid(error: TractError) -> OnnxError {
    OnnxError::Invalid { reason: crate::error::one_line(&error) }
}

impl Lowering<'_> {
    fn input(&mut self, id: usize) -> Result<(), OnnxError> {
        let node = self.model.node(id);
        let shape = self.shape(id, 0)?;
        let dtype = node.outputs[0].fact.datum_type;
        let new = self.net.push(Node {
            name: node.name.clone(),
            operator: "Input".into(),
            shape,
            dtype,
            op: Op::Input,
            inputs: Vec::new(),
        });
        self.net.inputs.push(new);
        self.map.insert(OutletId::new(id, 0), Lowered::Node(new));
        Ok(())
    }

    fn node(&mut self, id: usize) -> Result<(), OnnxError> {
        if self.map.contains_key(&OutletId::new(id, 0)) {
            return Ok(()); // lowered with its predecessor
        }
        let node = self.model.node(id);
        if node.outputs.iter().all(|o| o.fact.konst.is_some()) && !node.outputs.is_empty() {
            for (slot, output) in node.outputs.iter().enumerate() {
                if let Some(t) = &output.fact.konst {
                    self.map.insert(OutletId::new(id, slot), Lowered::Const(t.clone()));
                }
            }
            return Ok(());
        }
        if self.folded(id)? {
            return Ok(());
        }
        if let Some(op) = node.op_as::<Const>() {
            self.map.insert(OutletId::new(id, 0), Lowered::Const(op.val().clone()));
            return Ok(());
        }
        if node.op_is::<TypedSource>() {
            return Err(self.unsupported(id, "an input inside the graph"));
        }
        if let Some(outputs) = self.composite(id)? {
            for (slot, output) in outputs.into_iter().enumerate() {
                self.map.insert(OutletId::new(id, slot), output);
            }
            return Ok(());
        }
        if let Some(softmax) = node.op_as::<Softmax>() {
            let softmax = softmax.clone();
            return self.softmax(id, &softmax);
        }
        if let Some(trees) = node.op_as::<TreesOp>() {
            let op = Op::Trees(trees.0.clone());
            let (x, shape) = (self.value(id, 0)?, self.shape(id, 0)?);
            let x = self.as_node(id, x)?;
            let new = self.emit(id, "", shape, op, vec![x]);
            self.map.insert(OutletId::new(id, 0), Lowered::Node(new));
            return Ok(());
        }
        let new = match self.linear(id)? {
            Some(new) => new,
            None => match self.pooling(id)? {
                Some(new) => new,
                None => match self.view(id)? {
                    Some(new) => new,
                    None => match self.indexed(id)? {
                        Some(new) => new,
                        None => self.elementwise(id)?,
                    },
                },
            },
        };
        self.map.insert(OutletId::new(id, 0), Lowered::Node(new));
        Ok(())
    }

    /// A final softmax is left out: the output is its logits. Elsewhere, with `m` the maximum over
    /// the axes, it is `exp(x - (m + ln(sum exp(x - m))))`, and a LogSoftmax the argument of that
    /// `exp`: every factor but the last stays in a small range, and the result has the same relative
    /// error for small and large probabilities. tract writes a LogSoftmax as a logarithm after a
    /// softmax.
    fn softmax(&mut self, id: usize, softmax: &Softmax) -> Result<(), OnnxError> {
        if softmax.quant_output_dt.is_some_and(|dt| !dt.is_float()) {
            return Err(self.unsupported(id, "an already quantised softmax"));
        }
        let outputs = self.model.output_outlets().map_err(invalid)?;
        let readers = &self.model.node(id).outputs[0].successors;
        let mut log = softmax.kind == SoftmaxKind::LogSoftmax;
        let mut last = id;
        if let [only] = readers.as_slice() {
            let reader = self.model.node(only.node);
            let seen = outputs.iter().any(|o| o.node == id);
            if !seen && reader.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<Ln>()) {
                (last, log) = (only.node, true);
            }
        }
        let end = self.model.node(last);
        let output = outputs
            .iter()
            .position(|o| o.node == last)
            .filter(|_| self.drop_softmax && end.outputs.iter().all(|o| o.successors.is_empty()));
        let input = self.value(id, 0)?;
        let x = self.as_node(id, input)?;
        let new = match output {
            Some(output) => {
                self.dropped.push(DroppedSoftmax { output, axes: softmax.axes.to_vec(), log });
                x
            }
            None => self.softmax_of(id, x, &softmax.axes, log),
        };
        self.map.insert(OutletId::new(id, 0), Lowered::Node(new));
        self.map.insert(OutletId::new(last, 0), Lowered::Node(new));
        Ok(())
    }

    /// Softmax or LogSoftmax as sums, maxima and functions.
    pub(super) fn softmax_of(&mut self, id: usize, x: NodeId, axes: &[usize], log: bool) -> NodeId {
        let shape = self.net.nodes[x].shape.clone();
        let mut kept = shape.clone();
        axes.iter().for_each(|axis| kept[*axis] = 1);
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        let reduce = |kind| Op::Reduce(Reduce { kind, axes: axes.clone() });
        let m = self.emit(id, "maximum", kept.clone(), reduce(ReduceKind::Max), vec![x]);
        let d = self.emit(id, "below", shape.clone(), Op::Binary(Binary::Sub), vec![x, m]);
        let exp = || Op::Function(Function::exponential());
        let e = self.emit(id, "exponential", shape.clone(), exp(), vec![d]);
        let s = self.emit(id, "sum", kept.clone(), reduce(ReduceKind::Sum(1.0)), vec![e]);
        let ln = Op::Function(Function::logarithm());
        let l = self.emit(id, "logarithm", kept.clone(), ln, vec![s]);
        let c = self.emit(id, "normaliser", kept, Op::Binary(Binary::Add), vec![m, l]);
        let suffix = if log { "" } else { "log" };
        let y = self.emit(id, suffix, shape.clone(), Op::Binary(Binary::Sub), vec![x, c]);
        match log {
            true => y,
            false => self.emit(id, "", shape, exp(), vec![y]),
        }
    }

    /// Evaluates a node all of whose inputs are constants (inside a scan, tract does not know).
    fn folded(&mut self, id: usize) -> Result<bool, OnnxError> {
        let node = self.model.node(id);
        if self.scope.is_none() || node.inputs.is_empty() {
            return Ok(false);
        }
        let mut inputs: TVec<TValue> = tvec!();
        for outlet in &node.inputs {
            match self.map.get(outlet) {
                Some(Lowered::Const(t)) => inputs.push(t.clone().into_tvalue()),
                _ => return Ok(false),
            }
        }
        let Some(outputs) = node.op.eval_out_of_plan(inputs).map_err(invalid)? else {
            return Ok(false);
        };
        for (slot, output) in outputs.into_iter().enumerate() {
            let constant = Lowered::Const(output.into_arc_tensor());
            self.map.insert(OutletId::new(id, slot), constant);
        }
        Ok(true)
    }

    /// The ONNX node that a tract node came from.
    fn origin(&self, id: usize) -> (String, String) {
        let node = self.model.node(id);
        match &self.scope {
            Some((name, operator)) => (format!("{name}.{}", node.name), operator.clone()),
            None => self.origins.find(&node.name, &node.op.name()),
        }
    }

    /// Lowers a graph that stands for one node: `inputs` are the values of its inputs. Gives the
    /// values of its outputs.
    fn graph(
        &mut self,
        id: usize,
        graph: &TypedModel,
        inputs: &[Lowered],
    ) -> Result<Vec<Lowered>, OnnxError> {
        let sources = graph.input_outlets().map_err(invalid)?;
        let mut inner = Lowering {
            model: graph,
            origins: self.origins,
            net: std::mem::take(&mut self.net),
            map: sources.iter().copied().zip(inputs.iter().cloned()).collect(),
            dropped: Vec::new(),
            drop_softmax: false,
            scope: Some(self.origin(id)),
        };
        let order = graph.eval_order().map_err(invalid)?;
        let done = order.into_iter().try_for_each(|node| inner.node(node));
        let outlets = graph.output_outlets().map_err(invalid)?;
        let outputs = outlets.iter().map(|outlet| inner.map.get(outlet).cloned()).collect();
        self.net = inner.net;
        done?;
        Option::<Vec<Lowered>>::ok_or_else(outputs, || self.unsupported(id, "an output is missing"))
    }

    /// The value of input `input`, as [`Self::graph`] takes it.
    fn lowered(&self, id: usize, input: usize) -> Result<Lowered, OnnxError> {
        Ok(match self.value(id, input)? {
            Value::Const(t) => Lowered::Const(t),
            Value::Node(n) => Lowered::Node(n),
        })
    }

    fn unsupported(&self, id: usize, reason: &str) -> OnnxError {
        let (name, operator) = self.origin(id);
        OnnxError::Unsupported { node: name, operator, reason: reason.to_string() }
    }

    fn shape(&self, id: usize, slot: usize) -> Result<Vec<usize>, OnnxError> {
        let fact = &self.model.node(id).outputs[slot].fact;
        let shape = fact
            .shape
            .as_concrete()
            .ok_or_else(|| self.unsupported(id, "its output shape depends on the data"))?
            .to_vec();
        let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        if count.is_none_or(|n| n > MAX_ELEMENTS) {
            return Err(OnnxError::TooLarge {
                name: self.model.node(id).name.clone(),
                shape,
                limit: MAX_ELEMENTS,
            });
        }
        if count == Some(0) {
            return Err(self.unsupported(id, "its output has no elements"));
        }
        Ok(shape)
    }

    fn value(&self, id: usize, input: usize) -> Result<Value, OnnxError> {
        let outlet = self.model.node(id).inputs.get(input);
        match outlet.and_then(|o| self.map.get(o)) {
            Some(Lowered::Const(t)) => Ok(Value::Const(t.clone())),
            Some(Lowered::Node(n)) => Ok(Value::Node(*n)),
            None => Err(self.unsupported(id, "it reads an output that has no lowering")),
        }
    }

    /// Input `input` as a node; constants become constant nodes.
    fn as_node(&mut self, id: usize, value: Value) -> Result<NodeId, OnnxError> {
        match value {
            Value::Node(n) => Ok(n),
            Value::Const(t) => {
                let name = format!("{}.constant", self.model.node(id).name);
                self.constant(&name, &t)
            }
        }
    }

    fn constant(&mut self, name: &str, t: &Tensor) -> Result<NodeId, OnnxError> {
        let values = to_f32(t).map_err(invalid)?;
        // Minus infinity is a mask: calibration refuses it anywhere but before a softmax.
        let infinite = |v: &&f32| !v.is_finite() && **v != f32::NEG_INFINITY;
        if let Some(bad) = values.iter().find(infinite) {
            return Err(OnnxError::Invalid { reason: format!("constant `{name}` holds {bad}") });
        }
        Ok(self.net.push(Node {
            name: name.to_string(),
            operator: "Constant".into(),
            shape: t.shape().to_vec(),
            dtype: t.datum_type(),
            op: Op::Constant(Arc::new(values)),
            inputs: Vec::new(),
        }))
    }

    /// Appends a node that stands for (part of) tract node `id`.
    fn emit(
        &mut self,
        id: usize,
        suffix: &str,
        shape: Vec<usize>,
        op: Op,
        inputs: Vec<NodeId>,
    ) -> NodeId {
        let (name, operator) = self.origin(id);
        let name = if suffix.is_empty() { name } else { format!("{name}.{suffix}") };
        self.net.push(Node { name, operator, shape, dtype: f32::datum_type(), op, inputs })
    }
}

impl DroppedSoftmax {
    /// Applies the softmax to logits.
    pub fn apply(&self, logits: &[f32], shape: &[usize]) -> Vec<f32> {
        let kept: Vec<usize> = shape
            .iter()
            .enumerate()
            .map(|(a, d)| if self.axes.contains(&a) { 1 } else { *d })
            .collect();
        let into = crate::index::broadcast_strides(&kept, shape);
        let at: Vec<usize> = crate::index::walk(shape, &into, 0).collect();
        let total: usize = kept.iter().product();
        let mut max = vec![f32::NEG_INFINITY; total];
        for (x, at) in logits.iter().zip(&at) {
            max[*at] = max[*at].max(*x);
        }
        let mut sum = vec![0f32; total];
        for (x, at) in logits.iter().zip(&at) {
            sum[*at] += (x - max[*at]).exp();
        }
        logits
            .iter()
            .zip(&at)
            .map(|(x, at)| {
                let shifted = x - max[*at];
                if self.log {
                    shifted - sum[*at].ln()
                } else {
                    shifted.exp() / sum[*at]
                }
            })
            .collect()
    }
}
