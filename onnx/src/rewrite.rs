//! Repairs of the ONNX graph before tract reads it: what tract gets wrong or does not take.

use tract_onnx::pb::{
    tensor_proto::DataType, type_proto::Value, AttributeProto, GraphProto, NodeProto, TensorProto,
};

/// Half and double floats become 32-bit floats: quantisation decides about precision, not the file.
pub fn narrow(graph: &mut GraphProto) {
    for info in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
        if let Some(Value::TensorType(t)) = info.r#type.as_mut().and_then(|t| t.value.as_mut()) {
            t.elem_type = float(t.elem_type);
        }
    }
    graph.initializer.iter_mut().for_each(narrow_tensor);
    for node in &mut graph.node {
        let casts = matches!(node.op_type.as_str(), "Cast");
        for attribute in &mut node.attribute {
            if casts && attribute.name == "to" {
                attribute.i = float(attribute.i as i32).into();
            }
            if matches!(attribute.name.as_str(), "dtype" | "stash_type" | "softmax_precision") {
                attribute.i = float(attribute.i as i32).into();
            }
            if let Some(tensor) = attribute.t.as_mut() {
                narrow_tensor(tensor);
            }
            if let Some(inner) = attribute.g.as_mut() {
                narrow(inner);
            }
        }
    }
}

fn float(code: i32) -> i32 {
    match DataType::try_from(code) {
        Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Double) => DataType::Float as i32,
        _ => code,
    }
}

fn narrow_tensor(tensor: &mut TensorProto) {
    let raw = std::mem::take(&mut tensor.raw_data);
    let ints = std::mem::take(&mut tensor.int32_data);
    let pairs = || raw.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
    let words: Vec<u16> =
        if raw.is_empty() { ints.iter().map(|v| *v as u16).collect() } else { pairs().collect() };
    let external = !tensor.external_data.is_empty();
    tensor.float_data = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float16) if !external => words.into_iter().map(half).collect(),
        Ok(DataType::Bfloat16) if !external => {
            words.into_iter().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()
        }
        Ok(DataType::Double) if !external && raw.is_empty() => {
            std::mem::take(&mut tensor.double_data).into_iter().map(|v| v as f32).collect()
        }
        Ok(DataType::Double) if !external => {
            raw.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()
        }
        _ => {
            (tensor.raw_data, tensor.int32_data) = (raw, ints);
            return;
        }
    };
    tensor.data_type = DataType::Float as i32;
}

/// IEEE half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3ff) / 1024.0;
    sign * match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

/// tract runs recurrent layers of direction `reverse` forwards: their input and output are turned
/// round instead.
pub fn unreverse(graph: &mut GraphProto) {
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let recurrent = matches!(node.op_type.as_str(), "LSTM" | "GRU" | "RNN");
        let reverse = |a: &&mut AttributeProto| a.name == "direction" && a.s == b"reverse"[..];
        let Some(direction) = node.attribute.iter_mut().find(reverse).filter(|_| recurrent) else {
            nodes.push(node);
            continue;
        };
        direction.s = b"forward"[..].into();
        let layout = node.attribute.iter().any(|a| a.name == "layout" && a.i == 1);
        let axis = i64::from(layout);
        let base = node.output.iter().find(|o| !o.is_empty()).cloned().unwrap_or_default();
        let mut constant = |name: &str, value: i64| {
            let name = format!("{base}.reverse.{name}");
            graph.initializer.push(TensorProto {
                name: name.clone(),
                dims: vec![1],
                data_type: DataType::Int64 as i32,
                int64_data: vec![value],
                ..TensorProto::default()
            });
            name
        };
        let parameters = [
            constant("starts", -1),
            constant("ends", i64::from(i32::MIN)),
            constant("axes", axis),
            constant("steps", -1),
        ];
        let slice = |from: &str, to: &str| NodeProto {
            name: to.to_string(),
            op_type: "Slice".into(),
            input: [from.to_string()].into_iter().chain(parameters.clone()).collect(),
            output: vec![to.to_string()],
            ..NodeProto::default()
        };
        let turned = format!("{base}.reverse.input");
        nodes.push(slice(&node.input[0], &turned));
        node.input[0] = turned;
        let mut after = None;
        if let Some(y) = node.output.first_mut().filter(|y| !y.is_empty()) {
            let inner = format!("{y}.forward");
            after = Some(slice(&inner, y));
            *y = inner;
        }
        nodes.push(node);
        nodes.extend(after);
    }
    graph.node = nodes;
}
