//! TreeEnsembleClassifier and TreeEnsembleRegressor: an operator that gives what each tree gives, and a
//! linear layer that adds it up.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use tract_hir::internal::*;
use tract_onnx::{
    model::ParsingContext,
    pb::{AttributeProto, NodeProto},
    Onnx,
};

use super::{
    attributes::{Attributes, Labels},
    ensemble::{parse, Ensemble, Parsed},
    integer,
    scores::PostTransform,
    unsupported, Rewriter,
};
use crate::{error::OnnxError, net::MAX_ELEMENTS};

/// Name of the operator: it has a tree operator's attributes, and its only output is `[N, T * V]`.
const OPERATOR: &str = "VeristarTrees";

impl Rewriter {
    /// What the trees give, one number each (or one for each class).
    fn trees(&mut self, node: &NodeProto) -> Result<String, OnnxError> {
        let x = self.float_input(node)?;
        let keep = |a: &&AttributeProto| a.name != "post_transform";
        let attributes = node.attribute.iter().filter(keep).cloned().collect();
        Ok(self.node(node, OPERATOR, &[&x], attributes))
    }

    /// Sums `sign * values + constant`: a row for each score.
    fn sum(
        &mut self,
        node: &NodeProto,
        values: &str,
        parsed: &Parsed,
        rows: &[Row],
        factor: f32,
    ) -> Result<String, OnnxError> {
        if rows.len().saturating_mul(parsed.targets.len()) > MAX_ELEMENTS {
            return Err(unsupported(node, "it has too many scores for its trees"));
        }
        let weight = rows.iter().flat_map(|row| {
            let of = |shares: &Vec<(usize, f32)>| -> f32 {
                let mine = shares.iter().filter(|(target, _)| *target == row.score);
                mine.map(|(_, w)| w * row.sign * factor).sum()
            };
            parsed.targets.iter().map(of).collect::<Vec<f32>>()
        });
        let bias = rows.iter().map(|row| {
            let constant = parsed.constants.get(&row.score).copied().unwrap_or(0.0);
            (constant * f64::from(row.sign * factor)) as f32 + row.constant
        });
        let (weight, bias) = (weight.collect(), bias.collect());
        self.linear(node, values, weight, bias)
    }

    pub(super) fn tree_classifier(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let attributes = Attributes(node);
        let parsed = parse(node, "class")?;
        let labels = Labels::read(&attributes, "classlabels_int64s", "classlabels_strings");
        let classes = labels.len();
        if classes < 2 || parsed.used.last().is_some_and(|last| *last >= classes) {
            return Err(unsupported(
                node,
                &format!("{classes} class labels do not fit its leaves"),
            ));
        }
        let transform = PostTransform::read(&attributes)?;
        let base = attributes.floats("base_values");
        // With as many constants as classes onnxruntime leaves the standard where there are two.
        let fits = match classes {
            2 => base.len() <= 1,
            _ => base.is_empty() || base.len() == classes,
        };
        if !fits || (base.len() == 1 && parsed.used.first().is_some_and(|score| *score != 0)) {
            return Err(unsupported(node, &format!("{} base_values", base.len())));
        }
        let values = self.trees(node)?;
        let one = |score: usize, sign: f32, constant: f32| Row { score, sign, constant };
        let base_of = |class: usize| base.get(class).copied().unwrap_or(0.0);
        let one_score = classes == 2 && parsed.used.iter().all(|score| *score == 0);
        let rows: Vec<Row> = match one_score {
            // One score, of the second class although its number is 0.
            true => {
                let whole = match transform {
                    PostTransform::Logistic => 0.0,
                    _ if parsed.all_positive => 1.0,
                    _ => 0.0,
                };
                vec![one(0, -1.0, whole - base_of(0)), one(0, 1.0, base_of(0))]
            }
            false => (0..classes).map(|class| one(class, 1.0, base_of(class))).collect(),
        };
        let raw = self.sum(node, &values, &parsed, &rows, 1.0)?;
        let scores = match (one_score, transform) {
            (true, PostTransform::Softmax) => raw.clone(),
            _ => self.transform(node, &raw, transform),
        };
        self.alias(node, &scores, node.output.get(1));
        self.label(node, &raw, &labels)
    }

    pub(super) fn tree_regressor(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let attributes = Attributes(node);
        let parsed = parse(node, "target")?;
        let targets = usize::try_from(attributes.integer("n_targets", 1)).unwrap_or(0);
        if !(1..=1 << 16).contains(&targets) || parsed.used.last().is_some_and(|t| *t >= targets) {
            return Err(unsupported(node, &format!("{targets} targets do not fit its leaves")));
        }
        let transform = PostTransform::read(&attributes)?;
        let base = attributes.floats("base_values");
        let aggregate = attributes.string("aggregate_function", "SUM");
        let values = self.trees(node)?;
        let base_of = |score: usize| base.get(score).copied().unwrap_or(0.0);
        let row = |score: usize| Row { score, sign: 1.0, constant: base_of(score) };
        let rows: Vec<Row> = (0..targets).map(row).collect();
        let raw = match aggregate.as_str() {
            "SUM" => self.sum(node, &values, &parsed, &rows, 1.0)?,
            "AVERAGE" => {
                let factor = 1.0 / parsed.ensemble.roots.len() as f32;
                self.sum(node, &values, &parsed, &rows, factor)?
            }
            "MIN" | "MAX" if targets == 1 && parsed.ensemble.values == 1 => {
                let operator = if aggregate == "MIN" { "ReduceMin" } else { "ReduceMax" };
                let axes = match self.opset < 18 {
                    true => AttributeProto {
                        name: "axes".into(),
                        ints: vec![1],
                        r#type: tract_onnx::pb::attribute_proto::AttributeType::Ints as i32,
                        ..AttributeProto::default()
                    },
                    false => integer("keepdims", 1),
                };
                let chosen = match self.opset < 18 {
                    true => self.node(node, operator, &[&values], vec![axes]),
                    false => {
                        let list = self.integers(node, "axes", vec![1]);
                        self.node(node, operator, &[&values, &list], vec![axes])
                    }
                };
                let base = self.floats(node, "base", &[1], vec![base_of(0)])?;
                self.node(node, "Add", &[&chosen, &base], vec![])
            }
            other => return Err(unsupported(node, &format!("aggregate_function {other}"))),
        };
        let scores = self.transform(node, &raw, transform);
        self.alias(node, &scores, node.output.first());
        Ok(())
    }
}

/// A score: `sign * (its sum over the trees) + constant`.
struct Row {
    score: usize,
    sign: f32,
    constant: f32,
}

/// Tells tract about the operator.
pub fn register(onnx: &mut Onnx) {
    onnx.op_register.insert(OPERATOR, build);
}

fn build(
    _: &ParsingContext<'_>,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let classes = node.attribute.iter().any(|a| a.name == "class_ids");
    let parsed = parse(node, if classes { "class" } else { "target" })
        .map_err(|error| format_err!("{error}"))?;
    Ok((expand(TreesOp(Arc::new(parsed.ensemble))), vec![]))
}

/// Decision trees as tract runs them.
#[derive(Debug, Clone)]
pub struct TreesOp(pub Arc<Ensemble>);

// tract compares operators to join equal ones: here only what is one object is equal.
impl PartialEq for TreesOp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TreesOp {}

impl Hash for TreesOp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Expansion for TreesOp {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].rank, 2)?;
        s.equals(&outputs[0].rank, 2)?;
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        let width = (self.0.roots.len() * self.0.values).to_dim();
        s.equals(&outputs[0].shape[1], width)?;
        Ok(())
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for TreesOp {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    op_as_typed_op!();
}

impl EvalOp for TreesOp {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let width = input.shape().last().copied().unwrap_or(1).max(1);
        let x = crate::expr::to_f32(&input)?;
        let values: Vec<f32> = x.chunks(width).flat_map(|row| self.0.eval(row)).collect();
        let shape = [x.len() / width, self.0.roots.len() * self.0.values];
        Ok(tvec!(Tensor::from_shape(&shape, &values)?.into_tvalue()))
    }
}

impl TypedOp for TreesOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let width = inputs[0].shape.get(1).and_then(|d| d.to_usize().ok()).unwrap_or(0);
        ensure!(inputs[0].rank() == 2, "trees take rows of features, [N, F]");
        ensure!(
            self.0.features() <= width,
            "its trees ask for feature {} of {width}",
            self.0.features().saturating_sub(1)
        );
        let count = self.0.roots.len() * self.0.values;
        Ok(tvec!(f32::fact([inputs[0].shape[0].clone(), count.into()])))
    }

    as_op!();
}
