//! Ways in which bytes are unusable, and in which a proof is refused.

use alloc::string::String;
use stwo::core::verifier::VerificationError;

/// Bytes that are no key or proof of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not this kind of file at all.
    #[error("this is not a Veristar {expected} file")]
    Magic {
        /// The kind wanted.
        expected: &'static str,
    },
    /// Another version of the format.
    #[error("{kind} format version {got} is not supported (this program reads version {expected}): make the file again, or use the program's version that made it")]
    Version {
        /// The kind of file.
        kind: &'static str,
        /// Supported.
        expected: u16,
        /// Found.
        got: u16,
    },
    /// Cut short.
    #[error("the file ends too early (while reading {section})")]
    Truncated {
        /// Where.
        section: &'static str,
    },
    /// More bytes than belong to it.
    #[error("the file has {count} bytes too many")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A value that no honest writer produces.
    #[error("{section} is malformed")]
    Malformed {
        /// Where.
        section: &'static str,
    },
}

impl FormatError {
    /// The variant's name, for programs that cannot match on it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "wrong-kind",
            Self::Version { .. } => "version",
            Self::Truncated { .. } => "truncated",
            Self::Trailing { .. } => "trailing",
            Self::Malformed { .. } => "malformed",
        }
    }
}

/// Why a proof is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// The proof's bytes are no proof under this key.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The proof names another key.
    #[error("the proof was made for another key (it names {got}, this key is {expected})")]
    OtherKey {
        /// This key's fingerprint.
        expected: String,
        /// The one in the proof.
        got: String,
    },
    /// The key cannot be used.
    #[error("the key is unusable: {0}")]
    Key(&'static str),
    /// Proofs under the key would be weaker than the minimum.
    #[error(transparent)]
    Insecure(#[from] veristar_security::Insecure),
    /// The out-of-domain point is one at which values cannot be opened (probability 2^-60).
    #[error("the out-of-domain point is degenerate: prove again")]
    Point,
    /// A public value is outside its tensor's range.
    #[error("public value {value} of '{tensor}' is outside its range {lo}..={hi}")]
    PublicRange {
        /// The tensor.
        tensor: String,
        /// The value.
        value: i32,
        /// Smallest allowed.
        lo: i64,
        /// Largest allowed.
        hi: i64,
    },
    /// The tables' totals and the public values do not cancel.
    #[error("the tables' totals do not match the public values")]
    Totals,
    /// A rotation's proof is about another commitment.
    #[error("the proof is not about the new key's weights")]
    Weights,
    /// The constraints do not hold at the out-of-domain point.
    #[error("the constraints do not hold at the out-of-domain point")]
    Constraints,
    /// Too little proof of work.
    #[error("the proof of work is missing")]
    ProofOfWork,
    /// Opened values do not belong to the commitments.
    #[error("opened values do not belong to the commitment of tree {tree}")]
    Opening {
        /// Index of the tree.
        tree: usize,
    },
    /// The low-degree test fails.
    #[error("the low-degree test fails: {0}")]
    LowDegree(String),
    /// The number of opened values is wrong.
    #[error("the proof opens a wrong number of values")]
    Shape,
}

impl VerifyError {
    /// The variant's name, for programs that cannot match on it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format(error) => error.code(),
            Self::OtherKey { .. } => "other-key",
            Self::Key(_) => "unusable-key",
            Self::Insecure(_) => "insecure",
            Self::Point => "degenerate-point",
            Self::PublicRange { .. } => "public-range",
            Self::Totals => "totals",
            Self::Weights => "other-weights",
            Self::Constraints => "constraints",
            Self::ProofOfWork => "proof-of-work",
            Self::Opening { .. } => "opening",
            Self::LowDegree(_) => "low-degree",
            Self::Shape => "shape",
        }
    }
}

impl From<VerificationError> for VerifyError {
    fn from(error: VerificationError) -> Self {
        use alloc::string::ToString;
        match error {
            VerificationError::OodsNotMatching => Self::Constraints,
            VerificationError::ProofOfWork => Self::ProofOfWork,
            VerificationError::InvalidStructure(_) => Self::Shape,
            VerificationError::Merkle(_) => Self::Opening { tree: 0 },
            VerificationError::Fri(error) => Self::LowDegree(error.to_string()),
        }
    }
}
