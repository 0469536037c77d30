//! Set-up, witness, prover, and the checker that names what is wrong.
//!
//! | module | idea |
//! |---|---|
//! | [`package`] | what a prover keeps of a model: the graph and its key |
//! | [`prepared`] | a package made ready for many proofs |
//! | [`trees`] | columns, interpolated, extended and committed |
//! | [`memory`] | every memory cell's value, from the reference interpreter |
//! | [`entries`] | the fixed tables' entries, and how often each is used |
//! | [`witness`] | values and evaluations of each chip |
//! | [`paths`] | values of the chips of decision trees |
//! | [`sums`] | lookup and running sums |
//! | [`composition`] | the constraints on the evaluation domain |
//! | [`mod@prove`] | the prover, step by step |
//! | [`check`] | constraints row by row, with names |

pub mod check;
pub mod composition;
pub mod entries;
pub mod error;
pub mod memory;
pub mod package;
pub mod paths;
pub mod prepared;
pub mod prove;
pub mod sums;
pub mod trees;
pub mod witness;

pub use error::ProveError;
pub use package::{setup, Package, SetupOptions};
pub use prepared::Prepared;
pub use prove::{prove, Proven};
