//! ONNX import, calibration and quantisation: the only crate that touches tract.
//!
//! ```text
//! bytes --tract--> typed graph --lower--> float graph --simplify--> float graph
//!                                             | calibrate on data
//!                                             v
//!                                     veristar_model::Graph + Report
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`load`] | [`FloatModel`]: an ONNX file, run by tract and lowered to the float graph |
//! | [`dataset`] | [`Dataset`]: calibration and test data from `.npz`, `.npy` and JSON |
//! | `proto` | what the rewrites of the ONNX graph share |
//! | `rewrite` | repairs of the ONNX graph before tract reads it |
//! | `qdq`, `requantise`, `integral` | already quantised files: their operators, scales, and integers |
//! | `control` | loops, written out before tract reads them |
//! | `expand` | operators written as others before tract reads them |
//! | `ml` | classical models (ai.onnx.ml) in ordinary operators, decision trees |
//! | `lower` | tract's operators to the few of the float graph |
//! | `simplify` | folding into linear layers, closure of element-wise chains into functions |
//! | `float`, `expr` | runs the float graph; one-input functions |
//! | `smooth` | outliers of activations, moved into weights |
//! | `precision` | bits of each tensor; masks before a softmax |
//! | `calibrate` | ranges of all tensors over the data: min-max, percentiles, least squared error |
//! | [`mod@quantise`] | scales, weights, tables: the integer graph |
//! | [`attribution`] | which layer costs most precision |
//! | [`report`] | error and accuracy against float |
//! | [`supported`] | the operators with a lowering |
//!
//! The lowering is checked, not trusted: on calibration data the float graph must give what tract
//! gives ([`OnnxError::Mismatch`]), and the integer graph must pass `veristar_model::bounds::check`.

pub mod attribution;
mod calibrate;
mod control;
pub mod dataset;
pub mod error;
mod expand;
mod expr;
mod float;
mod index;
mod integral;
pub mod load;
mod lower;
mod ml;
mod net;
mod precision;
mod proto;
mod qdq;
pub mod quantise;
pub mod report;
mod requantise;
mod rewrite;
mod simplify;
mod smooth;
pub mod supported;

pub use dataset::Dataset;
pub use error::OnnxError;
pub use load::{FloatModel, LoadOptions, TensorSpec};
pub use lower::DroppedSoftmax;
pub use quantise::{quantise, CalibrationMethod, Precision, QuantiseOptions, Quantised};
pub use report::{evaluate, evaluate_in, Report};
