//! Ways in which a proof cannot be made.

use crate::budget::count_path;
use std::path::PathBuf;
use veristar_air::AirError;
use veristar_model::ModelError;
use veristar_verifier::{FormatError, VerifyError};

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
    /// The package cannot be read.
    #[error("cannot read the model package: {0}; check the file and its disk")]
    Read(std::io::Error),
    /// The package's key is unusable.
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
    /// No random numbers to hide the witness with.
    #[error(
        "the operating system gives no random numbers, without which a proof hides nothing: {0}"
    )]
    Random(String),
    /// A package's count of proofs is not there.
    #[error("`{}` is missing, which counts the proofs made with `{}`: {}", count_path(package).display(), package.display(), Restore(package))]
    CountMissing {
        /// The package.
        package: PathBuf,
    },
    /// A package's count of proofs cannot be read.
    #[error("`{}` is damaged, which counts the proofs made with `{}` ({reason}): {}", count_path(package).display(), package.display(), Restore(package))]
    CountDamaged {
        /// The package.
        package: PathBuf,
        /// What is wrong.
        reason: FormatError,
    },
    /// A count is of another weights commitment.
    #[error("`{}` does not count the proofs made with `{}`, but with another package: {}", count_path(package).display(), package.display(), Restore(package))]
    CountForeign {
        /// The package.
        package: PathBuf,
    },
    /// A count would be started a second time.
    #[error("`{}` counts the proofs of this package already, and is not started again", path.display())]
    CountExists {
        /// The count.
        path: PathBuf,
    },
    /// A count, or its lock, cannot be read or written.
    #[error("cannot use `{}`: {error}; each proof is counted there before it is made, so keep the package in a directory that you can write, on a file system with locks", path.display())]
    CountFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// All proofs have been made but the one for rotation.
    #[error("all {proofs} proofs for which `{}` hides its weights have been made: run `veristar rotate {} -o NEW`, and prove with NEW.vsm", package.display(), package.display())]
    Spent {
        /// The package.
        package: PathBuf,
        /// Those of inferences.
        proofs: u32,
    },
    /// The rotation's proof has been made too.
    #[error("`{}` has been rotated, and its last proof used: prove with the package that `veristar rotate` wrote; if it was stopped before it wrote one, run `veristar rotate {} --lost-count -o NEW`", package.display(), package.display())]
    Rotated {
        /// The package.
        package: PathBuf,
    },
    /// Weight ranges cannot be proven, or are not what a proof says.
    #[error("weight ranges: {reason}")]
    Ranges {
        /// Why.
        reason: String,
    },
    /// The witness breaks a constraint: a defect of this program.
    #[error("internal error: the witness breaks a constraint: {0}; please report it with the model's architecture")]
    Constraint(String),
}

/// What to do without a count.
struct Restore<'a>(&'a PathBuf);

impl core::fmt::Display for Restore<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let package = self.0.display();
        write!(f, "put back the newest one, or make a new weights commitment with `veristar rotate {package} --lost-count -o NEW`")
    }
}
