//! Every way an import, a dataset or a quantisation can fail: one variant each, one line each, and
//! each line says what to do.

use thiserror::Error;
use veristar_model::ModelError;

/// What can go wrong between an ONNX file and a quantised graph.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// A file could not be opened or read.
    #[error("cannot read `{path}`: {reason}; check the path and its permissions")]
    Read {
        /// The path.
        path: String,
        /// The operating system's reason.
        reason: String,
    },
    /// A model file of zero bytes.
    #[error("the model file is empty; export the model to ONNX again")]
    Empty,
    /// Bytes that are no ONNX model.
    #[error("not an ONNX model ({reason}); pass a file written by an ONNX exporter")]
    NotOnnx {
        /// Why decoding failed.
        reason: String,
    },
    /// A dimension that has no value.
    #[error(
        "input `{input}` has a free dimension `{dimension}` at axis {axis}; pass `--shape {input}={example}` with your sizes"
    )]
    FreeDimension {
        /// The model input.
        input: String,
        /// The symbol, or `?`.
        dimension: String,
        /// Its axis.
        axis: usize,
        /// An example value of the option.
        example: String,
    },
    /// A `--shape` that does not fit the model.
    #[error("--shape {name}={got:?} does not fit: {reason}")]
    BadShape {
        /// Input or dimension.
        name: String,
        /// The dimensions given.
        got: Vec<usize>,
        /// What is wrong.
        reason: String,
    },
    /// An operator that has no lowering.
    #[error("node `{node}`: operator {operator} is not supported{}", reason_suffix(.reason))]
    Unsupported {
        /// ONNX node.
        node: String,
        /// ONNX operator.
        operator: String,
        /// Why, if more can be said.
        reason: String,
    },
    /// An element type that has no lowering.
    #[error("`{name}` has element type {dtype}; export the model with 32-bit floats")]
    ElementType {
        /// Input, output or node.
        name: String,
        /// The type.
        dtype: String,
    },
    /// A tensor too large to handle.
    #[error(
        "`{name}` has shape {shape:?}, more than {limit} elements; use a smaller input or batch"
    )]
    TooLarge {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Largest number of elements.
        limit: usize,
    },
    /// tract refused the model (inconsistent shapes, wrong attributes, ...).
    #[error(
        "the model cannot be loaded: {reason}; check it with onnx.checker and export it again"
    )]
    Invalid {
        /// tract's reasons, outermost first.
        reason: String,
    },
    /// The float model failed on an input.
    #[error("the float model cannot run: {reason}; check the input's shape and type")]
    Run {
        /// tract's reasons.
        reason: String,
    },
    /// A panic inside tract, caught at the boundary.
    #[error("the ONNX parser stopped on this model ({reason}); it is damaged or uses a feature tract does not handle")]
    Panic {
        /// The panic's message.
        reason: String,
    },
    /// A dataset that cannot be parsed.
    #[error(
        "`{path}` is no dataset ({reason}); use .npz, .npy, or JSON {{\"input_data\": [[...]]}}"
    )]
    Dataset {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A dataset without rows.
    #[error("`{path}` holds no rows; give at least one sample")]
    NoRows {
        /// The path.
        path: String,
    },
    /// A data array of the wrong shape.
    #[error("array `{name}` has shape {got:?}, expected [rows, {}]", dims(.expected))]
    DataShape {
        /// Array or input.
        name: String,
        /// The shape found.
        got: Vec<usize>,
        /// One sample's shape.
        expected: Vec<usize>,
    },
    /// A data array of a type that holds no numbers.
    #[error("array `{name}` has element type {dtype}; use float32, float64 or an integer type")]
    DataType {
        /// Array.
        name: String,
        /// The type found.
        dtype: String,
    },
    /// A NaN or an infinity in the data.
    #[error("array `{name}`: element {index} is {value}; remove or replace it, only finite numbers can be proven")]
    NotFinite {
        /// Array.
        name: String,
        /// Row-major index.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A model value that is not finite on a calibration row.
    #[error("node `{node}` gives {value} on calibration row {row}; check the calibration data and the model")]
    Calibration {
        /// The node.
        node: String,
        /// The row.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A linear layer that cannot keep the accumulator bound.
    #[error("layer `{layer}`: accumulators reach {bound} with the smallest weights, the limit is {limit}; lower activation_bits")]
    Accumulator {
        /// The layer.
        layer: String,
        /// The bound reached.
        bound: i128,
        /// The limit.
        limit: i64,
    },
    /// High precision where a proof of the weights' ranges is wanted.
    #[error("high precision has no proof of the weights' ranges: leave one of the two out")]
    Unproven,
    /// Options that make no sense.
    #[error("option {option} is {got}, expected {expected}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its value.
        got: i64,
        /// What is allowed.
        expected: &'static str,
    },
    /// The lowered graph does not compute what tract computes: a bug, never a wrong proof.
    #[error("output `{output}`: the imported graph gives {got} where the ONNX model gives {expected}; please report this model")]
    Mismatch {
        /// The output.
        output: String,
        /// Imported value.
        got: f64,
        /// tract's value.
        expected: f64,
    },
    /// The quantised graph was refused, or an input is outside its range.
    #[error(transparent)]
    Model(#[from] ModelError),
}

fn reason_suffix(reason: &str) -> String {
    if reason.is_empty() {
        format!("; supported are: {}", crate::supported::list())
    } else {
        format!(" ({reason})")
    }
}

fn dims(shape: &[usize]) -> String {
    let parts: Vec<String> = shape.iter().map(ToString::to_string).collect();
    parts.join(", ")
}

/// All causes of a tract error on one line.
pub(crate) fn one_line(error: &tract_onnx::prelude::TractError) -> String {
    let text = format!("{error:#}");
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 300 {
        line = line.chars().take(300).collect::<String>() + "...";
    }
    line
}
