//! From raw scores to what ai.onnx.ml operators give.

use tract_onnx::pb::{tensor_proto::DataType, NodeProto};

use super::{
    attributes::{Attributes, Labels},
    integer, unsupported, Rewriter,
};
use crate::error::OnnxError;

/// What is done with scores at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PostTransform {
    /// Nothing.
    None,
    /// The logistic function of each score.
    Logistic,
    /// Softmax over the classes.
    Softmax,
}

impl PostTransform {
    pub fn read(attributes: &Attributes<'_>) -> Result<Self, OnnxError> {
        match attributes.string("post_transform", "NONE").as_str() {
            "NONE" => Ok(Self::None),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX" => Ok(Self::Softmax),
            other => Err(unsupported(
                attributes.0,
                &format!("post_transform {other}; NONE, LOGISTIC and SOFTMAX are"),
            )),
        }
    }
}

impl Rewriter {
    /// Applies a post-transform to scores `[N, C]`.
    pub(super) fn transform(
        &mut self,
        node: &NodeProto,
        scores: &str,
        transform: PostTransform,
    ) -> String {
        match transform {
            PostTransform::None => scores.to_string(),
            PostTransform::Logistic => self.node(node, "Sigmoid", &[scores], vec![]),
            PostTransform::Softmax => {
                self.node(node, "Softmax", &[scores], vec![integer("axis", 1)])
            }
        }
    }

    /// The label output: the class of the largest of the raw scores, the first of equal ones.
    pub(super) fn label(
        &mut self,
        node: &NodeProto,
        scores: &str,
        labels: &Labels,
    ) -> Result<(), OnnxError> {
        let attributes = vec![integer("axis", 1), integer("keepdims", 0)];
        let index = self.node(node, "ArgMax", &[scores], attributes);
        let output = node.output.first();
        match labels {
            Labels::Integers(list) => {
                let (first, step) = match list.as_slice() {
                    [first, second, ..] => (*first, second.wrapping_sub(*first)),
                    [first] => (*first, 0),
                    [] => (0, 1),
                };
                let at = |i: i64| first.wrapping_add(step.wrapping_mul(i));
                let regular = list.iter().zip(0i64..).all(|(label, i)| at(i) == *label);
                if !regular {
                    self.notes.push(format!(
                        "a label is given as the class's position in {list:?}, from 0"
                    ));
                    self.alias(node, &index, output);
                    return Ok(());
                }
                if (first, step) == (0, 1) {
                    self.alias(node, &index, output);
                    return Ok(());
                }
                let to_float = vec![integer("to", DataType::Float as i64)];
                let index = self.node(node, "Cast", &[&index], to_float);
                let step = self.floats(node, "step", &[1], vec![step as f32])?;
                let first = self.floats(node, "first", &[1], vec![first as f32])?;
                let scaled = self.node(node, "Mul", &[&index, &step], vec![]);
                let label = self.node(node, "Add", &[&scaled, &first], vec![]);
                self.alias(node, &label, output);
            }
            Labels::Strings(list) => {
                self.notes
                    .push(format!("a label is given as the class's position in {list:?}, from 0"));
                self.alias(node, &index, output);
            }
        }
        Ok(())
    }
}
