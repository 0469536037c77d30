//! From the float graph and calibration data to the integer graph.
//!
//! All activation scales are powers of two and all zero points 0: a tensor with *exponent* `e` holds
//! `q` for the real value `q * 2^-e`. With A = [`QuantiseOptions::activation_bits`], the exponent is
//! the largest that keeps the calibrated values within +-2^A. Arguments of tables may reach +-2^(A+1),
//! twice the calibrated range; results saturate at +-2^A; arguments beyond are refused by the
//! interpreter, never wrapped. Calibration by percentiles or errors makes some grids finer than that
//! (`clip`): then results saturate within the calibrated range.
//!
//! | file | idea |
//! |---|---|
//! | `scale` | one exponent per tensor; views share their inputs' |
//! | `clip` | which tensors may be clamped within what calibration saw |
//! | `readers` | what reads a tensor: one function alone, a requantisation, the user |
//! | `emit` | builds the graph: grids, requantisation, fused functions |
//! | `table` | functions as tables, shared |
//! | `linear` | integer weights under the accumulator bound; constants per channel |
//! | `fine` | tensors of 24 bits, for a field that holds their sums |
//! | `thresholds` | real scales by integers |
//! | `exact` | sums of quantised files, requantised by the files' own scales |
//! | `combine` | sums and products of two tensors |
//! | `pooling` | windows, reductions, divisions by counts |
//! | `trees` | records of decision trees, thresholds and leaves in integers |
//! | `view` | element moves, inputs, constants |

mod clip;
mod combine;
mod emit;
mod exact;
mod fine;
mod line;
mod linear;
mod pooling;
mod readers;
mod scale;
mod table;
mod thresholds;
mod trees;
mod view;

pub use crate::calibrate::method::CalibrationMethod;
#[cfg(test)]
pub(crate) use scale::exponent;
use veristar_model::{bounds, FieldBound, Graph};

use crate::{
    calibrate::{calibrate, cross_check, Seen},
    dataset::Dataset,
    error::OnnxError,
    load::FloatModel,
    net::{Net, Op},
    report::{evaluate_in, Report},
};

/// Largest absolute accumulator the quantiser allows itself: half of what the field holds.
pub(crate) const ACCUMULATOR_LIMIT: i64 = 1 << 29;

/// Which integers a graph may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Sums that 31 bits hold.
    Standard,
    /// Sums that 64 bits hold: activations of 24 bits, weights of 22, where the operation allows.
    High,
}

impl Precision {
    /// The field whose bound the graph keeps.
    pub const fn field(self) -> FieldBound {
        match self {
            Self::Standard => FieldBound::M31,
            Self::High => FieldBound::F64,
        }
    }
}

/// How to quantise.
#[derive(Debug, Clone)]
pub struct QuantiseOptions {
    /// Which integers the graph may have.
    pub precision: Precision,
    /// A: activations lie within +-2^A. 4 to 16.
    pub activation_bits: u32,
    /// Largest shift after a linear layer: extra bits of weight precision. 0 to 16.
    pub max_shift: u32,
    /// Weights lie within +-2^weight_bits. 2 to 20.
    pub weight_bits: u32,
    /// Whether no accumulator may overflow with *any* weights in their declared ranges, so that a proof
    /// of the ranges is a proof of the bound. Costs some bits of precision in wide layers.
    pub any_weights: bool,
    /// Calibrated ranges are multiplied by this. At least 1.
    pub margin: f64,
    /// How the ranges of activations follow from what calibration saw.
    pub calibration: CalibrationMethod,
}

impl Default for QuantiseOptions {
    fn default() -> Self {
        Self {
            precision: Precision::Standard,
            activation_bits: 12,
            max_shift: 12,
            weight_bits: 15,
            any_weights: false,
            margin: 1.0,
            calibration: CalibrationMethod::MinMax,
        }
    }
}

/// A quantised model and how far it is from float.
#[derive(Debug, Clone)]
pub struct Quantised {
    /// The integer graph; its ranges are propagated and its bounds checked.
    pub graph: Graph,
    /// Errors over the calibration rows.
    pub report: Report,
    /// Of high precision: how many layers there are, and which keep the bits of standard precision.
    pub coarse: Option<(usize, Vec<String>)>,
}

/// Calibrates on `data` and quantises.
///
/// # Errors
/// [`OnnxError`]: bad options, data the model cannot run on, a layer that cannot keep the bound.
pub fn quantise(
    model: &FloatModel,
    data: &Dataset,
    options: &QuantiseOptions,
) -> Result<Quantised, OnnxError> {
    check_options(options)?;
    if data.is_empty() {
        return Err(OnnxError::NoRows { path: "calibration data".into() });
    }
    let exact: Vec<bool> = (0..model.inputs().len())
        .map(|k| data.rows.iter().all(|r| r[k].iter().all(|v| v.fract() == 0.0)))
        .collect();
    let whole = model;
    let separated;
    let model = match options.precision {
        Precision::Standard => whole,
        Precision::High => {
            separated = whole.changed(|net| fine::separate(net, &exact));
            &separated
        }
    };
    let calibration = {
        let _span = tracing::info_span!("calibrate", rows = data.len()).entered();
        cross_check(model, data)?;
        calibrate(model, data, !options.calibration.is_min_max())?
    };
    refuse_undefined(model.net(), &calibration.seen)?;
    let _span = tracing::info_span!("quantise").entered();
    let mut graph = emit::emit(model.net(), &calibration, &exact, options)?;
    refuse_rounded(model, &graph)?;
    graph.name = model.name().to_string();
    if options.any_weights {
        bounds::propagate_declared(&mut graph)?;
        bounds::check_declared(&graph)?;
    } else {
        bounds::propagate(&mut graph)?;
    }
    let field = options.precision.field();
    bounds::check_in(&graph, field)?;
    let report = evaluate_in(whole, &graph, data, field)?;
    if let Some(refused) = &report.refused {
        return Err(OnnxError::Run { reason: refused.first.clone() });
    }
    let coarse = match options.precision {
        Precision::Standard => None,
        Precision::High => Some(fine::coarse(model.net(), &exact)),
    };
    Ok(Quantised { graph, report, coarse })
}

/// Functions that no table follows: next to a pole, one step of the argument changes the result by more
/// than any tolerance; beyond an integer type, what a cast gives is not defined, and nothing wraps here.
fn refuse_undefined(net: &Net, seen: &[Seen]) -> Result<(), OnnxError> {
    for node in &net.nodes {
        let (Op::Function(f), [x]) = (&node.op, node.inputs.as_slice()) else { continue };
        let Seen { lo, hi, masked } = seen[*x];
        if masked || lo > hi {
            continue;
        }
        let reason = match (f.meets_pole(lo, hi), f.leaves_type(lo, hi)) {
            (true, _) => "a pole of the tangent lies between calibrated arguments",
            (_, true) => "a calibrated value lies outside of the integer type it is cast to",
            _ => continue,
        };
        return Err(OnnxError::Unsupported {
            node: node.name.clone(),
            operator: node.operator.clone(),
            reason: reason.into(),
        });
    }
    Ok(())
}

/// Outputs of integers are exact, or refused: a coarser grid would be some other integers.
fn refuse_rounded(model: &FloatModel, graph: &Graph) -> Result<(), OnnxError> {
    for (spec, id) in model.outputs().iter().zip(&graph.outputs) {
        let floats = spec.dtype.starts_with('F') || spec.dtype.starts_with("BF");
        if !floats && graph.tensors[*id].scale > 1.0 {
            let node = graph.nodes.iter().find(|node| node.output == *id);
            return Err(OnnxError::Unsupported {
                node: node.map_or_else(|| spec.name.clone(), |node| node.name.clone()),
                operator: format!("with the output `{}`", spec.name),
                reason: "its integers have more bits than are kept exact".into(),
            });
        }
    }
    Ok(())
}

fn check_options(options: &QuantiseOptions) -> Result<(), OnnxError> {
    let range = |option, got: u32, allowed: std::ops::RangeInclusive<u32>, expected| {
        if allowed.contains(&got) {
            Ok(())
        } else {
            Err(OnnxError::Option { option, got: i64::from(got), expected })
        }
    };
    if options.any_weights && options.precision == Precision::High {
        return Err(OnnxError::Unproven);
    }
    range("activation_bits", options.activation_bits, 4..=16, "4 to 16")?;
    range("max_shift", options.max_shift, 0..=16, "0 to 16")?;
    range("weight_bits", options.weight_bits, 2..=20, "2 to 20")?;
    if !(1.0..=1024.0).contains(&options.margin) {
        let got = options.margin as i64;
        return Err(OnnxError::Option { option: "margin", got, expected: "1 to 1024" });
    }
    if let (false, CalibrationMethod::Percentile(percent)) =
        (options.calibration.is_valid(), options.calibration)
    {
        let (option, got) = ("calibration percentile", percent as i64);
        return Err(OnnxError::Option { option, got, expected: "50 to 100" });
    }
    Ok(())
}
