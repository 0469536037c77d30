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
//! | `ml` | classical models (ai.onnx.ml) in ordinary operators, decision trees |
//! | `lower` | tract's operators to the few of the float graph |
//! | `simplify` | folding into linear layers, closure of element-wise chains into functions |
//! | `float`, `expr` | runs the float graph; one-input functions |
//! | `calibrate` | ranges of all tensors over the data |
//! | [`mod@quantise`] | scales, weights, tables: the integer graph |
//! | [`report`] | error and accuracy against float |
//! | [`supported`] | the operators with a lowering |
//!
//! The lowering is checked, not trusted: on calibration data the float graph must give what tract
//! gives ([`OnnxError::Mismatch`]), and the integer graph must pass `veristar_model::bounds::check`.

mod calibrate;
pub mod dataset;
pub mod error;
mod expr;
mod float;
mod index;
pub mod load;
mod lower;
mod ml;
mod net;
pub mod quantise;
pub mod report;
mod simplify;
pub mod supported;

pub use dataset::Dataset;
pub use error::OnnxError;
pub use load::{FloatModel, LoadOptions, TensorSpec};
pub use lower::DroppedSoftmax;
pub use quantise::{quantise, QuantiseOptions, Quantised};
pub use report::{evaluate, Report};
