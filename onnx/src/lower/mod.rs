//! From tract's typed graph to the float graph, one file per family of operators.
//!
//! | file | operators |
//! |---|---|
//! | `linear` | convolutions (1-, 2- and 3-D, transposed), matrix products with constants |
//! | `elementwise` | arithmetic, activations, comparisons, casts |
//! | `pooling` | pooling windows and reductions |
//! | `view` | everything that only moves elements |

mod elementwise;
mod linear;
mod pooling;
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
    expr::to_f32,
    ml::trees::TreesOp,
    net::{Net, Node, NodeId, Op, MAX_ELEMENTS},
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
        if let Some(op) = node.op_as::<Const>() {
            self.map.insert(OutletId::new(id, 0), Lowered::Const(op.val().clone()));
            return Ok(());
        }
        if node.op_is::<TypedSource>() {
            return Err(self.unsupported(id, "an input inside the graph"));
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
                    None => self.elementwise(id)?,
                },
            },
        };
        self.map.insert(OutletId::new(id, 0), Lowered::Node(new));
        Ok(())
    }

    /// A final softmax is left out: the output is its logits. tract writes a LogSoftmax as a
    /// logarithm after a softmax.
    fn softmax(&mut self, id: usize, softmax: &Softmax) -> Result<(), OnnxError> {
        let outputs = self.model.output_outlets().map_err(invalid)?;
        let readers = &self.model.node(id).outputs[0].successors;
        let mut log = softmax.kind == SoftmaxKind::LogSoftmax;
        let mut last = id;
        if let [only] = readers.as_slice() {
            let reader = self.model.node(only.node);
            if reader.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<Ln>()) {
                (last, log) = (only.node, true);
            }
        }
        let end = self.model.node(last);
        let output = outputs.iter().position(|o| o.node == last).filter(|_| {
            let shared = last != id && outputs.iter().any(|o| o.node == id);
            self.drop_softmax && !shared && end.outputs.iter().all(|o| o.successors.is_empty())
        });
        let Some(output) = output else {
            return Err(self.unsupported(id, "only as the last operator before an output"));
        };
        let input = self.value(id, 0)?;
        let new = self.as_node(id, input)?;
        self.map.insert(OutletId::new(id, 0), Lowered::Node(new));
        self.map.insert(OutletId::new(last, 0), Lowered::Node(new));
        self.dropped.push(DroppedSoftmax { output, axes: softmax.axes.to_vec(), log });
        Ok(())
    }

    fn unsupported(&self, id: usize, reason: &str) -> OnnxError {
        let node = self.model.node(id);
        let (name, operator) = self.origins.find(&node.name, &node.op.name());
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
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
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
        let node = self.model.node(id);
        let (name, operator) = self.origins.find(&node.name, &node.op.name());
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
