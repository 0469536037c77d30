//! Operators written as others before tract reads them: what tract does not have, or computes wrongly.
//!
//! | operator | becomes |
//! |---|---|
//! | `Swish` with a factor | `x sigmoid(alpha x)` |
//! | `Celu` | `alpha elu(x / alpha)` |
//! | `SwiGLU` | `swish(a) b` |
//! | `LpPool` | `(n mean abs(x)^p)^(1/p)` over windows of `n` |
//! | `Pad` with its value as a list of one | with a scalar |

use tract_onnx::pb::{
    attribute_proto::AttributeType, tensor_proto::DataType, AttributeProto, GraphProto, NodeProto,
    TensorProto,
};

/// Rewrites every such node, also inside other nodes' graphs.
pub fn expand(graph: &mut GraphProto) {
    let mut writer = Writer::default();
    for mut node in std::mem::take(&mut graph.node) {
        for inner in node.attribute.iter_mut().filter_map(|a| a.g.as_mut()) {
            expand(inner);
        }
        writer.base = node.output.first().cloned().unwrap_or_default();
        writer.count = 0;
        if !writer.written(&node) {
            writer.nodes.push(node);
        }
    }
    graph.node = writer.nodes;
    graph.initializer.extend(writer.constants);
}

/// Nodes and constants that take a node's place.
#[derive(Default)]
struct Writer {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// The output of the node at hand: the beginning of new names.
    base: String,
    count: usize,
}

impl Writer {
    /// Whether the node was written as others.
    fn written(&mut self, node: &NodeProto) -> bool {
        let [y] = node.output.as_slice() else { return false };
        let own = matches!(node.domain.as_str(), "" | "ai.onnx");
        match (node.op_type.as_str(), node.input.as_slice()) {
            ("Swish", [x]) if own && float(node, "alpha", 1.0) != 1.0 => {
                self.swish(x, float(node, "alpha", 1.0), y.clone());
            }
            ("Celu", [x]) if own && float(node, "alpha", 1.0) != 1.0 => {
                let alpha = float(node, "alpha", 1.0);
                let [of, back] = [self.scalar(1.0 / alpha), self.scalar(alpha)];
                let scaled = self.node("Mul", &[x, &of]);
                let elu = self.node("Elu", &[&scaled]);
                self.node_as("Mul", &[&elu, &back], y.clone());
            }
            ("SwiGLU", [a, b]) if own => {
                let gate = self.name();
                self.swish(a, float(node, "alpha", 1.0), gate.clone());
                self.node_as("Mul", &[&gate, b], y.clone());
            }
            ("LpPool", [x]) if own => self.lp_pool(node, x, y),
            ("Pad", [_, _, value, ..]) if own && !value.is_empty() => {
                let shape = self.integers(&[]);
                let scalar = self.node("Reshape", &[value, &shape]);
                let mut pad = node.clone();
                pad.input[2] = scalar;
                self.nodes.push(pad);
            }
            _ => return false,
        }
        true
    }

    fn swish(&mut self, x: &str, alpha: f32, y: String) {
        let mut scaled = x.to_string();
        if alpha != 1.0 {
            let alpha = self.scalar(alpha);
            scaled = self.node("Mul", &[x, &alpha]);
        }
        let gate = self.node("Sigmoid", &[&scaled]);
        self.node_as("Mul", &[x, &gate], y);
    }

    fn lp_pool(&mut self, node: &NodeProto, x: &str, y: &str) {
        let p = node.attribute.iter().find(|a| a.name == "p").map_or(2, |a| a.i) as f32;
        let kernel = node.attribute.iter().find(|a| a.name == "kernel_shape");
        let count = kernel.map_or(1, |a| a.ints.iter().product()) as f32;
        let absolute = self.node("Abs", &[x]);
        let [power, root, count] = [p, 1.0 / p, count].map(|v| self.scalar(v));
        let powers = self.node("Pow", &[&absolute, &power]);
        let mean = self.node("AveragePool", &[&powers]);
        if let Some(pool) = self.nodes.last_mut() {
            pool.attribute = node.attribute.iter().filter(|a| a.name != "p").cloned().collect();
            pool.attribute.push(AttributeProto {
                name: "count_include_pad".into(),
                r#type: AttributeType::Int as i32,
                i: 1,
                ..AttributeProto::default()
            });
        }
        let sum = self.node("Mul", &[&mean, &count]);
        self.node_as("Pow", &[&sum, &root], y.to_string());
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("{}.part{}", self.base, self.count)
    }

    fn node(&mut self, operator: &str, inputs: &[&str]) -> String {
        let name = self.name();
        self.node_as(operator, inputs, name.clone());
        name
    }

    fn node_as(&mut self, operator: &str, inputs: &[&str], output: String) {
        self.nodes.push(NodeProto {
            name: output.clone(),
            op_type: operator.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output],
            ..NodeProto::default()
        });
    }

    fn scalar(&mut self, value: f32) -> String {
        let name = self.name();
        self.constants.push(TensorProto {
            name: name.clone(),
            data_type: DataType::Float as i32,
            float_data: vec![value],
            ..TensorProto::default()
        });
        name
    }

    /// A list of integers.
    fn integers(&mut self, values: &[i64]) -> String {
        let name = self.name();
        self.constants.push(TensorProto {
            name: name.clone(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..TensorProto::default()
        });
        name
    }
}

fn float(node: &NodeProto, name: &str, default: f32) -> f32 {
    node.attribute.iter().find(|a| a.name == name).map_or(default, |a| a.f)
}
