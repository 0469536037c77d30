//! Builds small ONNX models in memory.

#![allow(dead_code)]

use prost::Message;
use tract_onnx::pb;
use veristar_onnx::{
    dataset::Dataset, quantise, FloatModel, LoadOptions, QuantiseOptions, Quantised,
};

/// A graph under construction; the last node's output is the model's.
#[derive(Default)]
pub struct Build {
    pub graph: pb::GraphProto,
}

/// A tensor's name, shape (0 stands for a free dimension) and element type.
pub fn value_info(name: &str, dims: &[i64], elem: i32) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{dimension::Value, Dimension};
    let dim = dims
        .iter()
        .map(|d| Dimension {
            value: Some(match *d {
                0 => Value::DimParam("free".into()),
                d => Value::DimValue(d),
            }),
            ..Default::default()
        })
        .collect();
    let tensor =
        pb::type_proto::Tensor { elem_type: elem, shape: Some(pb::TensorShapeProto { dim }) };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A graph inside a node.
pub fn graph_attribute(name: &str, graph: pb::GraphProto) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: pb::attribute_proto::AttributeType::Graph as i32,
        g: Some(graph),
        ..Default::default()
    }
}

impl Build {
    /// A float input; extent 0 stands for a free dimension.
    pub fn input(self, name: &str, dims: &[i64]) -> Self {
        self.typed_input(name, dims, pb::tensor_proto::DataType::Float as i32)
    }

    pub fn typed_input(mut self, name: &str, dims: &[i64], elem: i32) -> Self {
        self.graph.input.push(value_info(name, dims, elem));
        self
    }

    pub fn weight(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: pb::tensor_proto::DataType::Float as i32,
            float_data: values.to_vec(),
            ..Default::default()
        });
        self
    }

    pub fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            dims: vec![values.len() as i64],
            data_type: pb::tensor_proto::DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..Default::default()
        });
        self
    }

    pub fn scalar(self, name: &str, value: f32) -> Self {
        self.weight(name, &[], &[value])
    }

    /// `attributes`: integer lists; a list of one is an integer if the name is in singular form.
    pub fn node(
        mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, &[i64])],
    ) -> Self {
        use pb::attribute_proto::AttributeType;
        let lists = ["kernel_shape", "strides", "pads", "dilations", "perm", "axes", "split"];
        let attribute = attributes
            .iter()
            .map(|(name, ints)| {
                let list = lists.contains(name);
                pb::AttributeProto {
                    name: (*name).into(),
                    r#type: if list { AttributeType::Ints } else { AttributeType::Int } as i32,
                    ints: if list { ints.to_vec() } else { vec![] },
                    i: if list { 0 } else { ints[0] },
                    ..Default::default()
                }
            })
            .collect();
        self.graph.node.push(pb::NodeProto {
            op_type: op.into(),
            name: format!("{op}_{output}"),
            input: inputs.iter().map(|s| (*s).into()).collect(),
            output: vec![output.into()],
            attribute,
            ..Default::default()
        });
        self
    }

    pub fn bytes(mut self) -> Vec<u8> {
        let last = self.graph.node.last().map(|n| n.output[0].clone()).unwrap_or_default();
        self.graph.output.push(pb::ValueInfoProto { name: last, ..Default::default() });
        self.graph.name = "test".into();
        let model = pb::ModelProto {
            ir_version: 8,
            opset_import: vec![pb::OperatorSetIdProto { version: 13, ..Default::default() }],
            graph: Some(self.graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }

    pub fn load(self) -> FloatModel {
        FloatModel::from_bytes(&self.bytes(), &LoadOptions::default()).unwrap()
    }
}

/// Reproducible values in -1 to 1.
pub fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect()
}

/// Samples in -`scale` to `scale` for every input.
pub fn samples(model: &FloatModel, rows: usize, scale: f32) -> Dataset {
    let rows = (0..rows)
        .map(|row| {
            model
                .inputs()
                .iter()
                .enumerate()
                .map(|(k, spec)| {
                    let count = spec.shape.iter().product();
                    let seed = (row * 7 + k + 1) as u32;
                    values(count, seed).into_iter().map(|v| v * scale).collect()
                })
                .collect()
        })
        .collect();
    Dataset { rows, labels: None }
}

/// Quantises, and checks that every output is within `tolerance` of its largest value.
pub fn check(model: &FloatModel, scale: f32, tolerance: f64) -> Quantised {
    let data = samples(model, 8, scale);
    let quantised = quantise(model, &data, &QuantiseOptions::default()).unwrap();
    for output in &quantised.report.outputs {
        assert!(output.max_abs <= tolerance * output.max_value, "{output:?}");
    }
    quantised
}
