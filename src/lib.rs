//! Veristar proves that a committed machine-learning model, run on an input, gave an output.
//!
//! This crate only gathers the parts; the program `veristar` is built from the same package.
//!
//! | module | idea |
//! |---|---|
//! | [`onnx`] | ONNX file and data to a quantised integer graph |
//! | [`model`] | the integer graph and its reference interpreter: what a proof is about |
//! | [`air`] | the graph as constraints, free of any proof system |
//! | [`prover`] | set-up and proofs |
//! | [`verifier`] | keys, proofs and their verification; no std, no panic |
//! | [`winterfell`] | a second prover and verifier, over a field of 64 bits; it hides nothing |
//! | [`security`] | presets, and bits of security for each error source |
//!
//! From an ONNX file to a verified proof:
//!
//! ```
//! use veristar::onnx::{quantise, report::quantise_inputs, Dataset, FloatModel, QuantiseOptions};
//! use veristar::prover::{prove, setup, HidingOption, Prepared, SetupOptions};
//! use veristar::verifier::{verify, Key, Proof};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Who owns the model: calibrate, quantise, commit. The key is published.
//! let model = FloatModel::load("tests/fixtures/credit_risk.onnx")?;
//! let data = Dataset::load("tests/fixtures/credit_risk.calibration.npz", &model)?;
//! let graph = quantise(&model, &data, &QuantiseOptions::default())?.graph;
//! let public = graph.outputs.iter().copied().collect();
//! let options = SetupOptions {
//!     preset: veristar::security::Preset::Fast,
//!     batch: 1,
//!     public,
//!     hiding: HidingOption::Fitting,
//! };
//! let package = setup(graph, &options)?;
//! let key = package.key.to_bytes();
//!
//! // Who runs the model: one proof for one input.
//! let prepared = Prepared::new(package)?;
//! let input = quantise_inputs(&prepared.package.graph, &data.rows[0]);
//! let proof = prove(&prepared, &[input])?.proof.to_bytes();
//!
//! // Who wants to know: needs the key and the proof, nothing else.
//! let key = Key::from_bytes(&key)?;
//! let verified = verify(&key, &Proof::from_bytes(&proof, &key)?)?;
//! let (tensor, integers) = &verified.public[0];
//! let risk = (f64::from(integers[0]) - tensor.zero_point as f64) * tensor.scale;
//! assert!((0.0..=1.0).contains(&risk));
//! # Ok(())
//! # }
//! ```
//!
//! Proofs hide weights and what is not public, for [`verifier::Key::proofs`] proofs with one key: a
//! program that makes more of them, or keeps a package in a file, counts them with
//! [`prover::budget`]; [`prover::rotation`] commits to the weights anew. `SECURITY.md` says what
//! hiding means, and what it does not.

pub use veristar_air as air;
pub use veristar_model as model;
pub use veristar_onnx as onnx;
pub use veristar_prover as prover;
pub use veristar_security as security;
pub use veristar_verifier as verifier;
pub use veristar_winterfell as winterfell;
