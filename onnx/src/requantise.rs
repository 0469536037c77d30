//! Requantisation as quantised ONNX files mean it: real scales, rounding half to even, saturation.
//!
//! `y = clamp(round(x * scale) + zero)`, or `x / scale` instead of the product, in 32-bit floats as
//! onnxruntime computes it (`QuantizeLinear`; the end of `QLinearConv` and `QLinearMatMul`). tract has
//! no such operator for integers with scales of their own, so it is one of ours among tract's.

use std::sync::Arc;

use tract_onnx::{model::ParsingContext, pb::NodeProto, tract_hir::internal::*};

use crate::expr::{from_f32, to_f32};

/// The operator's name in a rewritten graph.
pub const OPERATOR: &str = "VeristarRequantise";

/// Scale, zero point and bounds of one requantisation.
#[derive(Debug, Clone, PartialEq)]
pub struct Requantise {
    /// One factor, or one per index of `axis`.
    pub scale: Arc<Vec<f32>>,
    /// Whether to divide by the scale instead.
    pub divide: bool,
    /// The channels' axis.
    pub axis: usize,
    /// Added after rounding.
    pub zero: i32,
    /// Smallest result.
    pub lo: i32,
    /// Largest result.
    pub hi: i32,
    /// Type of the result.
    pub to: DatumType,
}

impl Eq for Requantise {}

impl Requantise {
    /// Whether all channels have one scale.
    pub fn is_uniform(&self) -> bool {
        self.scale.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Whether it only says that its argument is an integer.
    pub fn is_identity(&self) -> bool {
        self.to == i32::datum_type() && *self.scale == [1.0]
    }

    /// Scale of a channel.
    pub fn scale_of(&self, channel: usize) -> f32 {
        self.scale.get(channel).or(self.scale.first()).copied().unwrap_or(1.0)
    }

    /// An argument times its scale, or divided by it.
    pub fn scaled(&self, channel: usize, x: f32) -> f32 {
        let scale = self.scale_of(channel);
        if self.divide {
            x / scale
        } else {
            x * scale
        }
    }

    /// The result for one argument.
    pub fn value(&self, channel: usize, x: f32) -> i32 {
        let (lo, hi) = ((self.lo - self.zero) as f32, (self.hi - self.zero) as f32);
        // NaN cannot be: arguments are finite and scales are positive.
        self.scaled(channel, x).clamp(lo, hi).round_ties_even() as i32 + self.zero
    }

    /// Results for a whole tensor, row-major.
    pub fn values(&self, shape: &[usize], xs: &[f32]) -> Vec<f32> {
        let inner: usize = shape.iter().skip(self.axis + 1).product();
        let channels = shape.get(self.axis).copied().unwrap_or(1).max(1);
        let channel = |at: usize| at / inner.max(1) % channels;
        xs.iter().enumerate().map(|(at, x)| self.value(channel(at), *x) as f32).collect()
    }
}

impl Op for Requantise {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    op_as_typed_op!();
}

impl EvalOp for Requantise {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let values = self.values(input.shape(), &to_f32(&input)?);
        let result = from_f32(Tensor::from_shape(input.shape(), &values)?, self.to)?;
        Ok(tvec!(result.into_tvalue()))
    }
}

impl TypedOp for Requantise {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.to.fact(inputs[0].shape.clone())))
    }
}

impl Expansion for Requantise {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, self.to)?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
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

/// Reads the operator from a graph that [`crate::qdq`] rewrote.
pub fn read(
    _: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let find = |name: &str| node.attribute.iter().find(|a| a.name == name);
    let integer = |name: &str| find(name).map_or(0, |a| a.i);
    let to = match (integer("bits"), integer("lowest") < 0) {
        (8, true) => i8::datum_type(),
        (8, false) => u8::datum_type(),
        (16, true) => i16::datum_type(),
        (16, false) => u16::datum_type(),
        _ => i32::datum_type(),
    };
    let scale = find("scale").map(|a| a.floats.clone()).unwrap_or_default();
    ensure!(!scale.is_empty(), "a scale is missing");
    ensure!(scale.iter().all(|s| s.is_finite() && *s > 0.0), "a scale is not positive");
    let op = Requantise {
        scale: Arc::new(scale),
        divide: integer("divide") == 1,
        axis: usize::try_from(integer("axis"))?,
        zero: i32::try_from(integer("zero"))?,
        lo: i32::try_from(integer("lowest"))?,
        hi: i32::try_from(integer("highest"))?,
        to,
    };
    ensure!(op.lo <= op.zero && op.zero <= op.hi, "a zero point is out of range");
    Ok((expand(op), vec![]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even_and_saturates() {
        let r = Requantise {
            scale: Arc::new(vec![0.5]),
            divide: false,
            axis: 0,
            zero: 3,
            lo: 0,
            hi: 255,
            to: u8::datum_type(),
        };
        let values: Vec<i32> =
            [-20.0, -7.0, -1.0, 0.0, 1.0, 3.0, 5.0, 1e9].iter().map(|x| r.value(0, *x)).collect();
        assert_eq!(values, [0, 0, 3, 3, 3, 5, 5, 255]);
    }
}
