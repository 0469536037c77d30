//! Loops in the ONNX graph, written out before tract reads it (tract has no `Loop`).
//!
//! A step's nodes are copied for every step: their values are renamed, the body's inputs become the values
//! that the step before gave, and what a step adds to a list is joined at the end. This needs a number of
//! steps that the file fixes, and a condition that stays true. (`If` and `Scan` are lowered from tract.)

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{tensor_proto::DataType, GraphProto, NodeProto, TensorProto};

use crate::{
    error::OnnxError,
    proto::{integer, integers, node_name, unsupported},
};

/// Most nodes that loops may become.
const MOST_NODES: usize = 1 << 16;

/// Writes out every loop, from the outermost to the innermost.
///
/// # Errors
/// [`OnnxError::Unsupported`] for a loop whose steps are not known.
pub fn unroll(graph: &mut GraphProto) -> Result<(), OnnxError> {
    while let Some(at) = graph.node.iter().position(|node| node.op_type == "Loop") {
        let node = graph.node[at].clone();
        let unrolled = Loop::new(graph, &node).and_then(|body| {
            let size = body.body.node.len().saturating_mul(body.steps);
            if size.saturating_add(graph.node.len()) > MOST_NODES {
                return Err("unrolled, it has more than 2^16 nodes");
            }
            Ok(body.written_out(&node, &mut graph.initializer))
        });
        let nodes = unrolled.map_err(|reason| unsupported(&node, reason))?;
        graph.node.splice(at..=at, nodes);
    }
    Ok(())
}

/// A loop with a known number of steps.
struct Loop {
    body: GraphProto,
    steps: usize,
    /// Values carried from step to step.
    states: usize,
}

impl Loop {
    fn new(graph: &GraphProto, node: &NodeProto) -> Result<Self, &'static str> {
        let body = node.attribute.iter().find(|a| a.name == "body").and_then(|a| a.g.clone());
        let body = body.ok_or("it has no body")?;
        let input =
            |k: usize| node.input.get(k).map(String::as_str).filter(|name| !name.is_empty());
        let states = node.input.len().saturating_sub(2);
        if body.input.len() != states + 2 || body.output.len() < states + 1 {
            return Err("its body does not take and give what the loop does");
        }
        if let Some(condition) = input(1) {
            if constant(graph, condition) != Some(1) {
                return Err("its condition depends on the data, so it cannot be unrolled");
            }
        }
        if !stays_true(&body) {
            return Err("its condition depends on the data, so it cannot be unrolled");
        }
        let steps = input(0).ok_or("it has no number of steps, so it cannot be unrolled")?;
        let steps = constant(graph, steps)
            .ok_or("its number of steps depends on the data, so it cannot be unrolled")?;
        let steps = usize::try_from(steps).ok().filter(|steps| *steps > 0);
        let steps = steps.ok_or("it has no step")?;
        Ok(Self { body, steps, states })
    }

    fn written_out(&self, node: &NodeProto, constants: &mut Vec<TensorProto>) -> Vec<NodeProto> {
        let base = node.output.iter().find(|o| !o.is_empty()).map_or("loop", String::as_str);
        let of_body = |name: &str| format!("{base}.body.{name}");
        let mut fixed: HashMap<String, String> = HashMap::new();
        for tensor in &self.body.initializer {
            let name = of_body(&tensor.name);
            fixed.insert(tensor.name.clone(), name.clone());
            constants.push(TensorProto { name, ..tensor.clone() });
        }
        let yes = of_body("condition");
        constants.push(TensorProto {
            name: yes.clone(),
            data_type: DataType::Bool as i32,
            int32_data: vec![1],
            ..TensorProto::default()
        });
        let mut states: Vec<String> = node.input.iter().skip(2).cloned().collect();
        let lists = self.body.output.len() - 1 - self.states;
        let mut parts: Vec<Vec<String>> = vec![Vec::new(); lists];
        let mut nodes = Vec::new();
        for step in 0..self.steps {
            let mut names = fixed.clone();
            let number = of_body(&format!("step{step}"));
            constants.push(TensorProto {
                name: number.clone(),
                data_type: DataType::Int64 as i32,
                int64_data: vec![step as i64],
                ..TensorProto::default()
            });
            let given = [number, yes.clone()].into_iter().chain(states.iter().cloned());
            names.extend(self.body.input.iter().map(|i| i.name.clone()).zip(given));
            for inner in &self.body.node {
                let written = inner.output.iter().filter(|o| !o.is_empty());
                names.extend(written.map(|o| (o.clone(), format!("{base}.{step}.{o}"))));
            }
            for inner in &self.body.node {
                let mut copy = renamed(inner, &names);
                copy.name = format!("{base}.{step}.{}", node_name(inner));
                nodes.push(copy);
            }
            let value = |k: usize| {
                let name = &self.body.output[k].name;
                names.get(name).unwrap_or(name).clone()
            };
            states = (1..=self.states).map(value).collect();
            for (k, parts) in parts.iter_mut().enumerate() {
                parts.push(value(1 + self.states + k));
            }
        }
        let results = node.output.iter().enumerate().filter(|(_, name)| !name.is_empty());
        for (k, result) in results {
            match k.checked_sub(self.states) {
                None => nodes.push(plain("Identity", vec![states[k].clone()], result.clone())),
                Some(list) => nodes.extend(stacked(&parts[list], result, constants)),
            }
        }
        nodes
    }
}

fn plain(operator: &str, input: Vec<String>, output: String) -> NodeProto {
    let name = output.clone();
    NodeProto {
        op_type: operator.into(),
        name,
        input,
        output: vec![output],
        ..NodeProto::default()
    }
}

/// Tensors along a new first axis.
fn stacked(parts: &[String], result: &str, constants: &mut Vec<TensorProto>) -> Vec<NodeProto> {
    let axes = format!("{result}.axes");
    constants.push(TensorProto {
        name: axes.clone(),
        dims: vec![1],
        data_type: DataType::Int64 as i32,
        int64_data: vec![0],
        ..TensorProto::default()
    });
    let names: Vec<String> = (0..parts.len()).map(|k| format!("{result}.part{k}")).collect();
    let rows = parts.iter().zip(&names);
    let mut nodes: Vec<NodeProto> = rows
        .map(|(part, name)| plain("Unsqueeze", vec![part.clone(), axes.clone()], name.clone()))
        .collect();
    let mut joined = plain("Concat", names, result.into());
    joined.attribute.push(integer("axis", 0));
    nodes.push(joined);
    nodes
}

/// A node with other names for the values it reads and writes, also where graphs inside it read them.
fn renamed(node: &NodeProto, names: &HashMap<String, String>) -> NodeProto {
    let mut node = node.clone();
    let new = |name: &mut String| {
        if let Some(other) = names.get(name) {
            name.clone_from(other);
        }
    };
    node.input.iter_mut().chain(&mut node.output).for_each(new);
    for graph in node.attribute.iter_mut().filter_map(|a| a.g.as_mut()) {
        let own: HashSet<&String> = graph
            .node
            .iter()
            .flat_map(|inner| &inner.output)
            .chain(graph.input.iter().map(|i| &i.name))
            .chain(graph.initializer.iter().map(|t| &t.name))
            .collect();
        let outer: HashMap<String, String> = names
            .iter()
            .filter(|(name, _)| !own.contains(name))
            .map(|(name, other)| (name.clone(), other.clone()))
            .collect();
        graph.node = graph.node.iter().map(|inner| renamed(inner, &outer)).collect();
        for output in &mut graph.output {
            if let Some(other) = outer.get(&output.name) {
                output.name.clone_from(other);
            }
        }
    }
    node
}

/// Whether a body's condition is the one it was given, or true.
fn stays_true(body: &GraphProto) -> bool {
    let mut name = body.output[0].name.as_str();
    // Through identities: a longer chain than there are nodes would be a cycle.
    for _ in 0..=body.node.len() {
        if name == body.input[1].name {
            return true;
        }
        let writer = body.node.iter().find(|node| node.output.iter().any(|o| o == name));
        match writer {
            Some(node) if node.op_type == "Identity" && node.input.len() == 1 => {
                name = &node.input[0];
            }
            _ => break,
        }
    }
    constant(body, name) == Some(1)
}

/// The one integer or truth value of an initializer or a `Constant`.
fn constant(graph: &GraphProto, name: &str) -> Option<i64> {
    if let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.name == name) {
        return scalar(tensor);
    }
    let node = graph.node.iter().find(|node| node.output.iter().any(|o| o == name))?;
    match node.op_type.as_str() {
        "Identity" if node.input.len() == 1 && node.input[0] != name => {
            graph.initializer.iter().find(|t| t.name == node.input[0]).and_then(scalar)
        }
        "Constant" => node.attribute.iter().find_map(|a| match a.name.as_str() {
            "value" => a.t.as_ref().and_then(scalar),
            "value_int" => Some(a.i),
            _ => None,
        }),
        _ => None,
    }
}

fn scalar(tensor: &TensorProto) -> Option<i64> {
    if tensor.dims.iter().any(|d| *d != 1) {
        return None;
    }
    match integers(tensor)?.as_slice() {
        [value] => Some(*value),
        _ => None,
    }
}
