//! Ways in which a proof cannot be made.

use crate::error::{FormatError, VerifyError};
use veristar_air::AirError;
use veristar_model::ModelError;

/// Why set-up or proving failed.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The model, or the input, is not usable.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model cannot be compiled.
    #[error(transparent)]
    Air(#[from] AirError),
    /// The package's bytes are unusable.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The package's key is unusable, or no challenge could be drawn.
    #[error(transparent)]
    Key(#[from] VerifyError),
    /// A wrong number of inferences.
    #[error("this key proves {expected} inference(s) at once, {got} were given: set up again with `--batch {got}`, or give {expected}")]
    Batch {
        /// The key's.
        expected: usize,
        /// Given.
        got: usize,
    },
    /// The package does not compile to its own key.
    #[error("the package does not match its key: it was made by another version, or changed; run `veristar setup` again")]
    Mismatch,
    /// A looked-up value is in no table: a defect of this program.
    #[error("internal error: the fixed tables have no entry for {argument}; please report it with the model's architecture")]
    Entry {
        /// What was looked up.
        argument: i64,
    },
    /// The witness breaks a constraint: a defect of this program.
    #[error("internal error: the witness breaks a constraint: {0}; please report it with the model's architecture")]
    Constraint(String),
}
