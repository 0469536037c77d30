//! The classical models of domain ai.onnx.ml, rewritten before tract sees them.
//!
//! tract knows few of these operators, and some of them not as ONNX means them. So this module reads them from the
//! protobuf and writes what they mean with ordinary operators, and one of its own for decision trees.
//! Where the standard is vague, onnxruntime decides (the tests hold its results).
//!
//! | file | operators |
//! |---|---|
//! | `attributes` | reads attributes |
//! | `ensemble` | tree ensembles: nodes, leaves, which class a tree serves |
//! | `trees` | TreeEnsembleClassifier, TreeEnsembleRegressor; the operator for tract |
//! | `linear` | LinearClassifier, LinearRegressor, Scaler, Normalizer, Binarizer |
//! | `svm` | SVMClassifier, SVMRegressor |
//! | `scores` | from raw scores to what the standard gives: second class, post-transform, label |
//!
//! ZipMap is left out (its input is the output), ArrayFeatureExtractor with constant indices is a Gather,
//! FeatureVectorizer a Concat. Labels are left out where the scores are outputs too: they are their arg-max.

pub mod attributes;
pub mod ensemble;
mod linear;
mod scores;
mod svm;
pub mod trees;

use std::collections::HashSet;

use tract_onnx::pb::{
    tensor_proto::DataType, type_proto::Value, AttributeProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, ValueInfoProto,
};

use crate::{
    error::OnnxError,
    proto::{integer, unsupported},
};

/// The domain.
const DOMAIN: &str = "ai.onnx.ml";

/// Operators of the domain that are rewritten, for messages.
pub const OPERATORS: &[&str] = &[
    "ArrayFeatureExtractor",
    "Binarizer",
    "FeatureVectorizer",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
    "SVMClassifier",
    "SVMRegressor",
    "Scaler",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
    "ZipMap",
];

/// The new graph, as far as it is written.
pub(crate) struct Rewriter {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    notes: Vec<String>,
    /// Of the operators in the default domain.
    opset: i64,
    /// Scores that add up to 1 in each row.
    distributions: HashSet<String>,
    fresh: usize,
}

impl Rewriter {
    fn fresh(&mut self, node: &NodeProto, what: &str) -> String {
        self.fresh += 1;
        let name = node.output.last().map_or("ml", String::as_str);
        format!("{name}.{what}{}", self.fresh)
    }

    /// Appends a node that writes a new tensor, and gives its name.
    fn node(
        &mut self,
        origin: &NodeProto,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = self.fresh(origin, &operator.to_lowercase());
        self.nodes.push(NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: operator.to_string(),
            attribute: attributes,
            ..NodeProto::default()
        });
        output
    }

    /// Makes a tensor known under the name that the rest of the graph uses.
    fn alias(&mut self, origin: &NodeProto, from: &str, to: Option<&String>) {
        if let Some(to) = to.filter(|to| !to.is_empty()) {
            self.node(origin, "Identity", &[from], vec![]);
            if let Some(node) = self.nodes.last_mut() {
                node.output = vec![to.clone()];
            }
        }
    }

    fn initializer(&mut self, origin: &NodeProto, what: &str, dims: &[usize]) -> TensorProto {
        TensorProto {
            name: self.fresh(origin, what),
            dims: dims.iter().map(|d| *d as i64).collect(),
            ..TensorProto::default()
        }
    }

    /// A constant of floats.
    fn floats(
        &mut self,
        origin: &NodeProto,
        what: &str,
        dims: &[usize],
        values: Vec<f32>,
    ) -> Result<String, OnnxError> {
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
            return Err(unsupported(origin, &format!("one of its constants is {bad}")));
        }
        let mut tensor = self.initializer(origin, what, dims);
        tensor.data_type = DataType::Float as i32;
        tensor.float_data = values;
        let name = tensor.name.clone();
        self.initializers.push(tensor);
        Ok(name)
    }

    /// A constant of integers.
    fn integers(&mut self, origin: &NodeProto, what: &str, values: Vec<i64>) -> String {
        let mut tensor = self.initializer(origin, what, &[values.len()]);
        tensor.data_type = DataType::Int64 as i32;
        tensor.int64_data = values;
        let name = tensor.name.clone();
        self.initializers.push(tensor);
        name
    }

    /// `x W^T + b`, with `W` of shape `[outputs, inputs]` row by row.
    fn linear(
        &mut self,
        origin: &NodeProto,
        x: &str,
        weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Result<String, OnnxError> {
        let outputs = bias.len().max(1);
        let dims = [outputs, weight.len() / outputs];
        let weight = self.floats(origin, "weight", &dims, weight)?;
        let bias = self.floats(origin, "bias", &[outputs], bias)?;
        Ok(self.node(origin, "Gemm", &[x, &weight, &bias], vec![integer("transB", 1)]))
    }

    /// The input, as floats.
    fn float_input(&mut self, node: &NodeProto) -> Result<String, OnnxError> {
        let x = node.input.first().ok_or_else(|| unsupported(node, "it has no input"))?;
        Ok(self.node(node, "Cast", &[x], vec![integer("to", DataType::Float as i64)]))
    }
}

/// Rewrites a model that has operators of the domain, and gives remarks for people.
///
/// # Errors
/// [`OnnxError::Unsupported`] naming the node and the reason.
pub fn rewrite(proto: &mut ModelProto) -> Result<Vec<String>, OnnxError> {
    let opset = proto.opset_import.iter().find(|o| o.domain.is_empty()).map(|o| o.version);
    let Some(graph) = proto.graph.as_mut() else { return Ok(Vec::new()) };
    if !graph.node.iter().any(|node| node.domain == DOMAIN) {
        return Ok(Vec::new());
    }
    if opset.is_none() {
        // Exporters of trees alone name only their own domain.
        let version = OperatorSetIdProto { domain: String::new(), version: 13 };
        proto.opset_import.push(version);
    }
    let mut rewriter = Rewriter {
        nodes: Vec::new(),
        initializers: Vec::new(),
        notes: Vec::new(),
        opset: opset.unwrap_or(13),
        distributions: graph.node.iter().filter_map(distribution).collect(),
        fresh: 0,
    };
    drop_labels(graph, &mut rewriter);
    let needed = needed(graph);
    for (node, needed) in std::mem::take(&mut graph.node).into_iter().zip(needed) {
        match needed {
            false => {}
            true if node.domain == DOMAIN => rewriter.classical(graph, &node)?,
            true => rewriter.nodes.push(node),
        }
    }
    graph.node = rewriter.nodes;
    graph.initializer.extend(rewriter.initializers);
    // Rewriting leaves parts without a reader, such as the labels.
    let needed = self::needed(graph);
    let mut needed = needed.into_iter();
    graph.node.retain(|_| needed.next() == Some(true));
    Ok(rewriter.notes)
}

/// The scores of a linear classifier with a softmax.
fn distribution(node: &NodeProto) -> Option<String> {
    let attributes = attributes::Attributes(node);
    let softmax = attributes.string("post_transform", "NONE") == "SOFTMAX";
    let several = node.op_type == "LinearClassifier" && attributes.floats("intercepts").len() > 1;
    node.output.get(1).filter(|_| softmax && several).cloned()
}

/// The element type of an output; nothing for sequences (ZipMap) and where it is not said.
fn element(output: &ValueInfoProto) -> Option<DataType> {
    match output.r#type.as_ref()?.value.as_ref()? {
        Value::TensorType(tensor) => DataType::try_from(tensor.elem_type).ok(),
    }
}

/// Leaves out labels where scores are outputs too. Outputs of other types lose their type: it may be a
/// sequence, and tract finds out by itself.
fn drop_labels(graph: &mut GraphProto, rewriter: &mut Rewriter) {
    let label = |output: &ValueInfoProto| {
        matches!(element(output), Some(DataType::Int64 | DataType::Int32 | DataType::String))
    };
    if graph.output.iter().any(|output| !label(output)) {
        for output in graph.output.iter().filter(|output| label(output)) {
            rewriter.notes.push(format!(
                "output `{}`, the label, is left out: it is the arg-max of the scores",
                output.name
            ));
        }
        graph.output.retain(|output| !label(output));
    }
    for output in &mut graph.output {
        output.r#type = None;
    }
}

/// For each node, whether an output needs it.
fn needed(graph: &GraphProto) -> Vec<bool> {
    let mut wanted: HashSet<&str> = graph.output.iter().map(|o| o.name.as_str()).collect();
    // Nodes are sorted: readers come after writers.
    let mut result: Vec<bool> = graph
        .node
        .iter()
        .rev()
        .map(|node| {
            let needed = node.output.iter().any(|output| wanted.contains(output.as_str()));
            if needed {
                wanted.extend(node.input.iter().map(String::as_str));
            }
            needed
        })
        .collect();
    result.reverse();
    result
}

impl Rewriter {
    fn classical(&mut self, graph: &GraphProto, node: &NodeProto) -> Result<(), OnnxError> {
        match node.op_type.as_str() {
            "TreeEnsembleClassifier" => self.tree_classifier(node),
            "TreeEnsembleRegressor" => self.tree_regressor(node),
            "LinearClassifier" => self.linear_classifier(node),
            "LinearRegressor" => self.linear_regressor(node),
            "Scaler" => self.scaler(node),
            "Normalizer" => self.normalizer(node),
            "Binarizer" => self.binarizer(node),
            "SVMClassifier" => self.svm_classifier(node),
            "SVMRegressor" => self.svm_regressor(node),
            "ArrayFeatureExtractor" => self.extractor(graph, node),
            "FeatureVectorizer" => {
                let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
                let joined = self.node(node, "Concat", &inputs, vec![integer("axis", 1)]);
                self.alias(node, &joined, node.output.first());
                Ok(())
            }
            "ZipMap" => {
                let input = node.input.first().ok_or_else(|| unsupported(node, "no input"))?;
                self.alias(node, input, node.output.first());
                Ok(())
            }
            _ => Err(unsupported(node, "")),
        }
    }

    /// Columns of the last axis, by constant indices.
    fn extractor(&mut self, graph: &GraphProto, node: &NodeProto) -> Result<(), OnnxError> {
        let [x, indices] = node.input.as_slice() else {
            return Err(unsupported(node, "it takes two inputs"));
        };
        let fixed = graph.initializer.iter().find(|t| t.name == *indices);
        let fixed = fixed.ok_or_else(|| unsupported(node, "only with constant indices"))?;
        let values: Vec<i64> = match fixed.int64_data.is_empty() {
            false => fixed.int64_data.clone(),
            true => fixed
                .raw_data
                .chunks_exact(8)
                .map(|b| b.iter().rev().fold(0, |n, byte| (n << 8) | i64::from(*byte)))
                .collect(),
        };
        let indices = self.integers(node, "indices", values);
        let picked = self.node(node, "Gather", &[x, &indices], vec![integer("axis", -1)]);
        self.alias(node, &picked, node.output.first());
        Ok(())
    }
}
