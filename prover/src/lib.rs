//! Makes Veristar proofs: set-up, witness, and the stwo prover on SIMD.
//!
//! | module | idea |
//! |---|---|
//! | [`package`] | what a prover keeps of a model: the graph, its weights, its key (`.vsm`) |
//! | [`budget`] | how many proofs a package has made: a count beside its file |
//! | [`allocator`] | memory that is kept between a proof's phases |
//! | [`commitments`] | columns fixed at set-up, and their trees |
//! | [`recover`] | columns and coefficients from a tree's evaluations, where they are not kept |
//! | [`footprint`] | how much memory all this takes, before it is begun |
//! | [`prepared`] | a package made ready: program and weights committed, for many proofs |
//! | [`memory`] | every memory cell's value, from the reference interpreter |
//! | [`witness`] | the values and evaluations of each chip |
//! | [`randomness`] | random cells from the operating system |
//! | [`masks`] | where they go: what hides values, evaluations and totals |
//! | [`sums`] | lookup and running sums |
//! | [`domain`] | the constraints on the evaluation domain |
//! | [`mod@prove`] | the prover, step by step |
//! | [`ranges`] | that committed weights lie in their declared ranges |
//! | [`rotation`] | a fresh commitment of the same weights |
//! | [`opening`] | composition, openings, low-degree test |
//! | [`check`] | constraints and lookups row by row, with names |

// stwo's SIMD fields are built on it; see .cargo/config.toml.
#![feature(portable_simd)]

pub mod allocator;
mod block;
pub mod budget;
pub mod check;
pub mod commitments;
pub mod domain;
pub mod error;
pub mod footprint;
pub mod masks;
pub mod memory;
pub mod opening;
pub mod package;
pub mod prepared;
pub mod prove;
pub mod randomness;
pub mod ranges;
pub mod recover;
pub mod rotation;
pub mod sums;
pub mod trace;
pub mod witness;

pub use commitments::Keep;
pub use error::ProveError;
pub use footprint::Footprint;
pub use package::{setup, Draft, HidingOption, Package, SetupOptions};
pub use prepared::{AnyPrepared, Prepared};
pub use prove::{prove, prove_for, Proven};
