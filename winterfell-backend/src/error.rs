//! Ways in which bytes are unusable, and in which a proof is refused.

use alloc::string::String;
use winter_utils::DeserializationError;

/// Bytes that are no key or proof of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not this kind of file at all.
    #[error("this is not a Veristar {expected} file of the Winterfell backend")]
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
    #[error("{section} is malformed: {reason}")]
    Malformed {
        /// Where.
        section: &'static str,
        /// Why.
        reason: String,
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

    /// What Winterfell's reader says of a section.
    pub(crate) fn of(section: &'static str, error: DeserializationError) -> Self {
        match error {
            DeserializationError::UnexpectedEOF => Self::Truncated { section },
            error => Self::malformed(section, &error),
        }
    }

    pub(crate) fn malformed(section: &'static str, reason: &dyn core::fmt::Display) -> Self {
        Self::Malformed { section, reason: alloc::format!("{reason}") }
    }
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The bytes are no key, or no proof under this key.
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
    /// Proofs under the key would be weaker than its preset promises.
    #[error("preset '{preset}' gives {conjectured} conjectured and {proven} proven bits for these sizes, {minimum} are required")]
    Insecure {
        /// The preset.
        preset: &'static str,
        /// Bits required.
        minimum: u32,
        /// Conjectured bits.
        conjectured: u32,
        /// Proven bits.
        proven: u32,
    },
    /// The hash gave no challenge (probability below 2^-1000).
    #[error("no challenge could be drawn from the transcript")]
    Coin,
    /// The out-of-domain point is in the domain (probability below 2^-150).
    #[error("the out-of-domain point is degenerate: prove again")]
    Point,
    /// A public value is outside its tensor's range.
    #[error("public value {value} of '{tensor}' is outside its range {lo}..={hi}")]
    PublicRange {
        /// The tensor.
        tensor: String,
        /// The value.
        value: i64,
        /// Smallest allowed.
        lo: i64,
        /// Largest allowed.
        hi: i64,
    },
    /// The tables' totals and the public values do not cancel.
    #[error("the tables' totals do not match the public values")]
    Totals,
    /// The constraints do not hold at the out-of-domain point.
    #[error("the constraints do not hold at the out-of-domain point")]
    Constraints,
    /// Too little proof of work.
    #[error("the proof of work is missing")]
    ProofOfWork,
    /// Opened values do not belong to the commitments.
    #[error("opened values do not belong to the commitment of the {tree} tree")]
    Opening {
        /// The tree.
        tree: &'static str,
    },
    /// The low-degree test fails.
    #[error("the low-degree test fails: {0}")]
    LowDegree(String),
    /// The number of opened values is wrong.
    #[error("the proof opens a wrong number of values")]
    Shape,
}

impl VerifyError {
    /// The variant's name, for programs that cannot match on it: as the other backend's.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format(error) => error.code(),
            Self::OtherKey { .. } => "other-key",
            Self::Key(_) => "unusable-key",
            Self::Insecure { .. } => "insecure",
            Self::Coin => "no-challenge",
            Self::Point => "degenerate-point",
            Self::PublicRange { .. } => "public-range",
            Self::Totals => "totals",
            Self::Constraints => "constraints",
            Self::ProofOfWork => "proof-of-work",
            Self::Opening { .. } => "opening",
            Self::LowDegree(_) => "low-degree",
            Self::Shape => "shape",
        }
    }
}
