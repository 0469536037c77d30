//! Operators written as others before tract reads them: what tract does not have, or computes wrongly.
//!
//! | operator | becomes |
//! |---|---|
//! | `Swish` with a factor | `x sigmoid(alpha x)` |
//! | `Celu` | `alpha elu(x / alpha)` |
//! | `SwiGLU` | `swish(a) b` |
//! | `BitShift` | a product with a power of two, rounded down |
//! | `CausalConvWithState` | a depthwise convolution after the state, and the end of what it reads |
//! | `LSTM` without first states | with zeros: tract has them for one sequence only |
//! | `LpPool` with `p` of 1 or 2 | `(n mean abs(x)^p)^(1/p)` over windows of `n`; higher roots lose small values |
//! | `Compress` with a constant condition | a gather at the positions that it keeps |
//! | `CumProd` | slices and products |
//! | `CenterCropPad` to a constant shape | a slice and a border |
//! | `Attention` with a soft cap, windows, padding keys, scores as an output, a causal mask with past keys | `attention` |
//! | `Pad` with its value as a list of one | with a scalar |

mod attention;

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{
    attribute_proto::AttributeType, tensor_proto::DataType,
    tensor_shape_proto::dimension::Value as Dim, type_proto::Value, AttributeProto, GraphProto,
    NodeProto, TensorProto, ValueInfoProto,
};

use crate::proto::{integer, integers};

/// Rewrites every such node, also inside other nodes' graphs.
pub fn expand(graph: &mut GraphProto) {
    let (truth, widths, shapes) = (truth_values(graph), widths(graph), shapes(graph));
    let (choices, lists) = (choices(graph), lists(graph));
    let mut writer = Writer { truth, widths, shapes, choices, lists, ..Writer::default() };
    for mut node in std::mem::take(&mut graph.node) {
        for inner in node.attribute.iter_mut().filter_map(|a| a.g.as_mut()) {
            expand(inner);
        }
        let written = node.output.iter().find(|output| !output.is_empty());
        writer.base = written.cloned().unwrap_or_default();
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
    /// Tensors known to hold truth values.
    truth: HashSet<String>,
    /// Bits of the model's inputs of integers.
    widths: HashMap<String, f32>,
    /// Shapes of the model's inputs and constants.
    shapes: HashMap<String, Vec<i64>>,
    /// Constants of truth values.
    choices: HashMap<String, Vec<i64>>,
    /// Short constants of integers.
    lists: HashMap<String, Vec<i64>>,
}

/// The power of an `LpPool`.
fn power(node: &NodeProto) -> i64 {
    node.attribute.iter().find(|a| a.name == "p").map_or(2, |a| a.i)
}

/// Why an operator that only some forms of are written as others was left, if more can be said.
pub fn refused(operator: &str) -> &'static str {
    match operator {
        "LpPool" => "with p beyond 2: its root would lose small values",
        "Compress" => "its condition is not constant",
        "CumProd" => "along an axis that is not known, or longer than 64",
        "CenterCropPad" => "with shapes that are not known",
        _ => "",
    }
}

/// Longest list of integers that says something about a shape.
const LONGEST_LIST: usize = 64;

fn lists(graph: &GraphProto) -> HashMap<String, Vec<i64>> {
    let short = |values: &Vec<i64>| values.len() <= LONGEST_LIST;
    let whole = graph.initializer.iter().filter(|t| t.data_type != DataType::Bool as i32);
    whole.filter_map(|t| Some((t.name.clone(), integers(t).filter(short)?))).collect()
}

fn choices(graph: &GraphProto) -> HashMap<String, Vec<i64>> {
    let truth = graph.initializer.iter().filter(|t| t.data_type == DataType::Bool as i32);
    truth.filter_map(|t| Some((t.name.clone(), integers(t)?))).collect()
}

fn shapes(graph: &GraphProto) -> HashMap<String, Vec<i64>> {
    let declared = graph.input.iter().filter_map(|info| {
        let Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
        let dims = tensor.shape.as_ref()?.dim.iter().map(|d| match d.value {
            Some(Dim::DimValue(n)) => Some(n),
            _ => None,
        });
        Some((info.name.clone(), dims.collect::<Option<_>>()?))
    });
    let constants = graph.initializer.iter().map(|t| (t.name.clone(), t.dims.clone()));
    declared.chain(constants).collect()
}

fn widths(graph: &GraphProto) -> HashMap<String, f32> {
    let width = |info: &ValueInfoProto| {
        let Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
        let bits = match DataType::try_from(tensor.elem_type).ok()? {
            DataType::Int8 | DataType::Uint8 => 8.0,
            DataType::Int16 | DataType::Uint16 => 16.0,
            DataType::Int32 | DataType::Uint32 => 32.0,
            DataType::Int64 | DataType::Uint64 => 64.0,
            _ => return None,
        };
        Some((info.name.clone(), bits))
    };
    graph.input.iter().chain(&graph.value_info).filter_map(width).collect()
}

/// Names of tensors that are declared as truth values, or computed as such.
fn truth_values(graph: &GraphProto) -> HashSet<String> {
    let truth = DataType::Bool as i32;
    let declared = graph.input.iter().chain(&graph.value_info).filter(|info| {
        matches!(info.r#type.as_ref().and_then(|t| t.value.as_ref()),
            Some(Value::TensorType(t)) if t.elem_type == truth)
    });
    let constants = graph.initializer.iter().filter(|t| t.data_type == truth).map(|t| &t.name);
    let computed = graph.node.iter().filter(|node| match node.op_type.as_str() {
        "And" | "Or" | "Xor" | "Not" | "Equal" | "Less" | "LessOrEqual" | "Greater"
        | "GreaterOrEqual" => true,
        "Cast" => node.attribute.iter().any(|a| a.name == "to" && a.i == i64::from(truth)),
        _ => false,
    });
    let computed = computed.flat_map(|node| &node.output);
    declared.map(|info| &info.name).chain(constants).chain(computed).cloned().collect()
}

impl Writer {
    /// Whether the node was written as others.
    fn written(&mut self, node: &NodeProto) -> bool {
        let own = matches!(node.domain.as_str(), "" | "ai.onnx");
        if node.op_type == "Attention" && own {
            let truth = node.input.get(3).is_some_and(|mask| self.truth.contains(mask));
            let needed = attention::is_needed(node, truth);
            if needed {
                self.attention(node, truth);
            }
            return needed;
        }
        if node.op_type == "LSTM" && own {
            return self.lstm_states(node);
        }
        if node.op_type == "CausalConvWithState" && own {
            return self.causal_conv(node).is_some();
        }
        let [y] = node.output.as_slice() else { return false };
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
            ("LpPool", [x]) if own && power(node) <= 2 => self.lp_pool(node, x, y),
            ("Compress", [x, condition]) if own && self.choices.contains_key(condition) => {
                self.compress(node, x, condition, y);
            }
            ("CumProd", [x, axis]) if own => return self.products(node, x, axis, y).is_some(),
            ("CenterCropPad", [x, shape]) if own => {
                return self.centre(node, x, shape, y).is_some();
            }
            ("BitShift", [a, b]) if own && self.widths.contains_key(a) => self.shift(node, a, b, y),
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

    /// Gives an LSTM that has no first states zeros; whether it did.
    fn lstm_states(&mut self, node: &NodeProto) -> bool {
        let given = |k: usize| node.input.get(k).is_some_and(|name| !name.is_empty());
        let number = |name: &str| node.attribute.iter().find(|a| a.name == name).map(|a| a.i);
        let (Some(hidden), Some(x)) = (number("hidden_size"), node.input.first()) else {
            return false;
        };
        if given(5) || given(6) {
            return false;
        }
        let both =
            node.attribute.iter().any(|a| a.name == "direction" && a.s == b"bidirectional"[..]);
        let batch_first = number("layout") == Some(1);
        let batch = self.extent(x, i64::from(!batch_first));
        let directions = self.integers(&[1 + i64::from(both)]);
        let hidden = self.integers(&[hidden]);
        let sizes = match batch_first {
            true => [&batch, &directions, &hidden],
            false => [&directions, &batch, &hidden],
        };
        let shape = self.node("Concat", &sizes.map(String::as_str));
        self.integer("axis", 0);
        let zero = self.scalar(0.0);
        let zeros = self.node("Expand", &[&zero, &shape]);
        let mut lstm = node.clone();
        lstm.input.resize(lstm.input.len().max(7), String::new());
        lstm.input[5].clone_from(&zeros);
        lstm.input[6] = zeros;
        self.nodes.push(lstm);
        true
    }

    /// Nothing if the number of channels is not known.
    fn causal_conv(&mut self, node: &NodeProto) -> Option<()> {
        let input = |k: usize| node.input.get(k).filter(|name| !name.is_empty());
        let (x, weight) = (input(0)?, input(1)?);
        let channels = *self.shapes.get(weight)?.first()?;
        let gated = match node.attribute.iter().find(|a| a.name == "activation") {
            None => false,
            Some(a) => match &a.s[..] {
                b"none" | b"" => false,
                b"silu" | b"swish" => true,
                _ => return None,
            },
        };
        let taps = self.extent(weight, 2);
        let one = self.integers(&[1]);
        let state = self.node("Sub", &[&taps, &one]);
        let all = match input(3) {
            Some(past) => {
                let all = self.node("Concat", &[past, x]);
                self.integer("axis", 2);
                all
            }
            None => {
                let [before, after] = [2, 3].map(|n| self.integers(&vec![0; n]));
                let pads = self.node("Concat", &[&before, &state, &after]);
                self.integer("axis", 0);
                self.node("Pad", &[x, &pads])
            }
        };
        let operands: Vec<&str> = [Some(all.as_str()), Some(weight), input(2).map(String::as_str)]
            .into_iter()
            .flatten()
            .collect();
        let y = self.node("Conv", &operands);
        self.integer("group", channels);
        if let Some(to) = node.output.first().filter(|to| !to.is_empty()) {
            match gated {
                true => self.swish(&y, 1.0, to.clone()),
                false => self.node_as("Identity", &[&y], to.clone()),
            }
        }
        if let Some(to) = node.output.get(1).filter(|to| !to.is_empty()) {
            let (end, axis) = (self.extent(&all, 2), self.integers(&[2]));
            let start = self.node("Sub", &[&end, &state]);
            self.node_as("Slice", &[&all, &start, &end, &axis], to.clone());
        }
        Some(())
    }

    /// A tensor's extent along an axis, as a list of one.
    fn extent(&mut self, x: &str, axis: i64) -> String {
        let extent = self.node("Shape", &[x]);
        self.integer("start", axis);
        self.integer("end", axis + 1);
        extent
    }

    /// A shift by fewer bits than the type has is a product; by more, it leaves 0, or -1 of what is
    /// negative and goes to the right. What the type does not hold is refused when tract wraps it.
    fn shift(&mut self, node: &NodeProto, a: &str, b: &str, y: &str) {
        let left = node.attribute.iter().any(|a| a.name == "direction" && a.s == b"LEFT"[..]);
        let width = self.widths.get(a).copied().unwrap_or_default();
        let cast = |writer: &mut Self, x: &str| {
            let x = writer.node("Cast", &[x]);
            writer.integer("to", (DataType::Float as i32).into());
            x
        };
        let (x, n) = (cast(self, a), cast(self, b));
        let [zero, width, two, minus] = [0.0, width, 2.0, -1.0].map(|v| self.scalar(v));
        let (low, high) =
            (self.node("GreaterOrEqual", &[&n, &zero]), self.node("Less", &[&n, &width]));
        let within = self.node("And", &[&low, &high]);
        let n = match left {
            true => n,
            false => self.node("Mul", &[&n, &minus]),
        };
        let power = self.node("Pow", &[&two, &n]);
        let factor = self.node("Where", &[&within, &power, &zero]);
        let product = self.node("Mul", &[&x, &factor]);
        let mut shifted = self.node("Floor", &[&product]);
        if !left {
            let negative = self.node("Less", &[&x, &zero]);
            let sign = self.node("Where", &[&negative, &minus, &zero]);
            shifted = self.node("Where", &[&within, &shifted, &sign]);
        }
        self.node_as("CastLike", &[&shifted, a], y.to_string());
    }

    /// Nothing if the extent or the axis is not known.
    fn products(&mut self, node: &NodeProto, x: &str, axis: &str, y: &str) -> Option<()> {
        let rank = self.shapes.get(x)?.len() as i64;
        let axis = *self.lists.get(axis)?.first()?;
        let axis = if axis < 0 { axis + rank } else { axis };
        let extent = *self.shapes.get(x)?.get(usize::try_from(axis).ok()?)?;
        if !(1..=LONGEST_LIST as i64).contains(&extent) {
            return None;
        }
        let flag = |name: &str| node.attribute.iter().any(|a| a.name == name && a.i == 1);
        let (exclusive, reverse) = (flag("exclusive"), flag("reverse"));
        let along = self.integers(&[axis]);
        let mut parts = Vec::new();
        for k in 0..extent {
            let [start, end] = [k, k + 1].map(|at| self.integers(&[at]));
            parts.push(self.node("Slice", &[x, &start, &end, &along]));
        }
        if reverse {
            parts.reverse();
        }
        if exclusive {
            // Ones of the right type and shape.
            let first = parts[0].clone();
            let same = self.node("Equal", &[&first, &first]);
            parts.insert(0, self.node("CastLike", &[&same, x]));
            parts.pop();
        }
        let mut products: Vec<String> = Vec::new();
        for part in &parts {
            let next = match products.last() {
                Some(before) => {
                    let before = before.clone();
                    self.node("Mul", &[&before, part])
                }
                None => part.clone(),
            };
            products.push(next);
        }
        if reverse {
            products.reverse();
        }
        let operands: Vec<&str> = products.iter().map(String::as_str).collect();
        self.node_as("Concat", &operands, y.to_string());
        self.integer("axis", axis);
        Some(())
    }

    /// Nothing if a shape is not known.
    fn centre(&mut self, node: &NodeProto, x: &str, shape: &str, y: &str) -> Option<()> {
        let (have, want) = (self.shapes.get(x)?.clone(), self.lists.get(shape)?.clone());
        let rank = have.len() as i64;
        let axes = match node.attribute.iter().find(|a| a.name == "axes") {
            Some(axes) => axes.ints.iter().map(|a| if *a < 0 { a + rank } else { *a }).collect(),
            None => (0..rank).collect::<Vec<i64>>(),
        };
        if axes.len() != want.len() {
            return None;
        }
        let (mut starts, mut ends) = (vec![0; have.len()], have.clone());
        let (mut before, mut after) = (vec![0; have.len()], vec![0; have.len()]);
        for (axis, want) in axes.iter().zip(want) {
            let axis = usize::try_from(*axis).ok()?;
            let extent = *have.get(axis)?;
            let (cut, missing) = ((extent - want).max(0), (want - extent).max(0));
            (starts[axis], ends[axis]) = (cut / 2, cut / 2 + want.min(extent));
            (before[axis], after[axis]) = (missing / 2, missing - missing / 2);
        }
        let all = self.integers(&(0..rank).collect::<Vec<i64>>());
        let [starts, ends] = [starts, ends].map(|list| self.integers(&list));
        let cut = self.node("Slice", &[x, &starts, &ends, &all]);
        let pads = self.integers(&[before, after].concat());
        self.node_as("Pad", &[&cut, &pads], y.to_string());
        Some(())
    }

    fn compress(&mut self, node: &NodeProto, x: &str, condition: &str, y: &str) {
        let chosen = self.choices.get(condition).cloned().unwrap_or_default();
        let positions: Vec<i64> =
            (0..).zip(chosen).filter(|(_, c)| *c != 0).map(|(k, _)| k).collect();
        let positions = self.integers(&positions);
        let axis = node.attribute.iter().find(|a| a.name == "axis").map(|a| a.i);
        let x = match axis {
            Some(_) => x.to_string(),
            None => {
                let flat = self.integers(&[-1]);
                self.node("Reshape", &[x, &flat])
            }
        };
        self.node_as("Gather", &[&x, &positions], y.to_string());
        self.integer("axis", axis.unwrap_or(0));
    }

    fn lp_pool(&mut self, node: &NodeProto, x: &str, y: &str) {
        let p = power(node) as f32;
        let kernel = node.attribute.iter().find(|a| a.name == "kernel_shape");
        let count = kernel.map_or(1, |a| a.ints.iter().product()) as f32;
        let absolute = self.node("Abs", &[x]);
        let [power, root, count] = [p, 1.0 / p, count].map(|v| self.scalar(v));
        let powers = self.node("Pow", &[&absolute, &power]);
        let mean = self.node("AveragePool", &[&powers]);
        if let Some(pool) = self.nodes.last_mut() {
            pool.attribute = node.attribute.iter().filter(|a| a.name != "p").cloned().collect();
        }
        self.integer("count_include_pad", 1);
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

    /// Gives the last node an attribute.
    fn integer(&mut self, name: &str, value: i64) {
        self.attribute(integer(name, value));
    }

    /// Gives the last node an attribute.
    fn list(&mut self, name: &str, values: &[i64]) {
        self.attribute(AttributeProto {
            name: name.into(),
            r#type: AttributeType::Ints as i32,
            ints: values.to_vec(),
            ..AttributeProto::default()
        });
    }

    fn attribute(&mut self, attribute: AttributeProto) {
        if let Some(node) = self.nodes.last_mut() {
            node.attribute.push(attribute);
        }
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
