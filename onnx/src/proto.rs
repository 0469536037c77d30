//! What the rewrites of the ONNX graph share: messages about nodes, attributes, constants of integers.

use tract_onnx::pb::{
    attribute_proto::AttributeType, tensor_proto::DataType, AttributeProto, NodeProto, TensorProto,
};

use crate::error::OnnxError;

/// A node's name, or that of what it writes.
pub fn node_name(node: &NodeProto) -> String {
    if node.name.is_empty() {
        node.output.first().cloned().unwrap_or_default()
    } else {
        node.name.clone()
    }
}

/// The refusal of a node.
pub fn unsupported(node: &NodeProto, reason: &str) -> OnnxError {
    OnnxError::Unsupported {
        node: node_name(node),
        operator: node.op_type.clone(),
        reason: reason.into(),
    }
}

/// An attribute that holds an integer.
pub fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i: value,
        r#type: AttributeType::Int as i32,
        ..AttributeProto::default()
    }
}

/// Integers or truth values of a constant, if it holds such.
pub fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    let raw = &tensor.raw_data;
    Some(match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int64 if raw.is_empty() => tensor.int64_data.clone(),
        DataType::Int64 => raw.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        DataType::Int32 if raw.is_empty() => {
            tensor.int32_data.iter().map(|v| (*v).into()).collect()
        }
        DataType::Int32 => {
            raw.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()
        }
        DataType::Bool if raw.is_empty() => {
            tensor.int32_data.iter().map(|v| i64::from(*v != 0)).collect()
        }
        DataType::Bool => raw.iter().map(|v| i64::from(*v != 0)).collect(),
        _ => return None,
    })
}
