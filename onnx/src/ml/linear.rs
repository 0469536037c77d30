//! LinearClassifier, LinearRegressor, Scaler, Normalizer, Binarizer.

use tract_onnx::pb::{tensor_proto::DataType, NodeProto};

use super::{
    attributes::{Attributes, Labels},
    integer,
    scores::PostTransform,
    unsupported, Rewriter,
};
use crate::error::OnnxError;

impl Rewriter {
    pub(super) fn linear_classifier(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let attributes = Attributes(node);
        let labels = Labels::read(&attributes, "classlabels_ints", "classlabels_strings");
        let (scores, intercepts) =
            (attributes.floats("coefficients"), attributes.floats("intercepts"));
        let rows = intercepts.len();
        let classes = labels.len().max(rows);
        if rows == 0 || scores.is_empty() || !scores.len().is_multiple_of(rows) {
            return Err(unsupported(node, "its coefficients do not fit its intercepts"));
        }
        let transform = PostTransform::read(&attributes)?;
        let x = self.float_input(node)?;
        let single = rows == 1 && classes == 2;
        let (weight, bias): (Vec<f32>, Vec<f32>) = match single {
            // One score decides between two classes.
            true => {
                let both = |list: &[f32]| {
                    list.iter().map(|v| -v).chain(list.iter().copied()).collect::<Vec<f32>>()
                };
                (both(scores), both(intercepts))
            }
            false => (scores.to_vec(), intercepts.to_vec()),
        };
        let raw = self.linear(node, &x, weight, bias)?;
        let scores = match (single, transform) {
            (true, PostTransform::Softmax) => raw.clone(),
            _ => self.transform(node, &raw, transform),
        };
        self.alias(node, &scores, node.output.get(1));
        self.label(node, &raw, &labels)
    }

    pub(super) fn linear_regressor(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let attributes = Attributes(node);
        let targets = usize::try_from(attributes.integer("targets", 1)).unwrap_or(0);
        let weight = attributes.floats("coefficients").to_vec();
        let mut bias = attributes.floats("intercepts").to_vec();
        if bias.is_empty() && targets <= weight.len() {
            bias.resize(targets, 0.0);
        }
        if targets == 0 || bias.len() != targets || !weight.len().is_multiple_of(targets) {
            return Err(unsupported(node, "its coefficients do not fit its targets"));
        }
        let transform = PostTransform::read(&attributes)?;
        let x = self.float_input(node)?;
        let raw = self.linear(node, &x, weight, bias)?;
        let scores = self.transform(node, &raw, transform);
        self.alias(node, &scores, node.output.first());
        Ok(())
    }

    /// `(x - offset) * scale`.
    pub(super) fn scaler(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let attributes = Attributes(node);
        let x = self.float_input(node)?;
        let (offset, scale) = (attributes.floats("offset"), attributes.floats("scale"));
        let mut last = x;
        for (operator, list) in [("Sub", offset), ("Mul", scale)] {
            if !list.is_empty() {
                let constant = self.floats(node, "constant", &[list.len()], list.to_vec())?;
                last = self.node(node, operator, &[&last, &constant], vec![]);
            }
        }
        self.alias(node, &last, node.output.first());
        Ok(())
    }

    /// `x / norm(x)` for each row.
    pub(super) fn normalizer(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let norm = Attributes(node).string("norm", "MAX");
        if let Some(x) = node.input.first().filter(|x| self.distributions.contains(*x)) {
            if norm == "L1" {
                // It adds up to 1 already.
                let x = x.clone();
                self.alias(node, &x, node.output.first());
                return Ok(());
            }
        }
        let x = self.float_input(node)?;
        let axes = |rewriter: &mut Self, operator: &str, input: &str, changed: i64| {
            let keep = integer("keepdims", 1);
            match rewriter.opset < changed {
                true => {
                    let axes = tract_onnx::pb::AttributeProto {
                        name: "axes".into(),
                        ints: vec![1],
                        r#type: tract_onnx::pb::attribute_proto::AttributeType::Ints as i32,
                        ..Default::default()
                    };
                    rewriter.node(node, operator, &[input], vec![keep, axes])
                }
                false => {
                    let axes = rewriter.integers(node, "axes", vec![1]);
                    rewriter.node(node, operator, &[input, &axes], vec![keep])
                }
            }
        };
        let size = match norm.as_str() {
            // Not of the absolute values, as in onnxruntime.
            "MAX" => axes(self, "ReduceMax", &x, 18),
            "L1" => {
                let size = self.node(node, "Abs", &[&x], vec![]);
                axes(self, "ReduceSum", &size, 13)
            }
            "L2" => {
                let square = self.node(node, "Mul", &[&x, &x], vec![]);
                let sum = axes(self, "ReduceSum", &square, 13);
                self.node(node, "Sqrt", &[&sum], vec![])
            }
            other => return Err(unsupported(node, &format!("norm {other}"))),
        };
        let inverse = self.node(node, "Reciprocal", &[&size], vec![]);
        let scaled = self.node(node, "Mul", &[&x, &inverse], vec![]);
        self.alias(node, &scaled, node.output.first());
        Ok(())
    }

    /// 1 where `x > threshold`, else 0.
    pub(super) fn binarizer(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let found = node.attribute.iter().find(|a| a.name == "threshold");
        let threshold = found.map_or(0.0, |a| a.f);
        let x = self.float_input(node)?;
        let threshold = self.floats(node, "threshold", &[1], vec![threshold])?;
        let above = self.node(node, "Greater", &[&x, &threshold], vec![]);
        let to_float = vec![integer("to", DataType::Float as i64)];
        let result = self.node(node, "Cast", &[&above], to_float);
        self.alias(node, &result, node.output.first());
        Ok(())
    }
}
