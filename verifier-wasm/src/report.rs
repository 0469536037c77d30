//! What a key, a proof and a verdict say, as plain data.
//!
//! Field names are the ones that JavaScript sees. Whole numbers that may be large are `f64`, because a
//! JavaScript number is one.

use serde::Serialize;
use veristar_air::program::{Layout, PublicTensor};
use veristar_security::{Account, Bits};
use veristar_verifier::verify::hex;
#[cfg(feature = "winterfell")]
use veristar_verifier::winterfell;
use veristar_verifier::{Key, VerifyError};

/// A public integer. Those of the Winterfell backend have up to 62 bits, of which a JavaScript number
/// holds 53.
#[cfg(not(feature = "winterfell"))]
pub type Integer = i32;
/// A public integer. Those of the Winterfell backend have up to 62 bits, of which a JavaScript number
/// holds 53.
#[cfg(feature = "winterfell")]
pub type Integer = f64;

/// Why bytes are unusable or a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The kind of failure, for programs: [`VerifyError::code`].
    pub code: &'static str,
    /// One line for people: what the native verifier prints.
    pub message: String,
    /// What was expected, where two fingerprints differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
}

impl From<VerifyError> for Reason {
    fn from(error: VerifyError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        let (expected, got) = match error {
            VerifyError::OtherKey { expected, got } => (Some(expected), Some(got)),
            _ => (None, None),
        };
        Self { code, message, expected, got }
    }
}

#[cfg(feature = "winterfell")]
impl From<winterfell::VerifyError> for Reason {
    fn from(error: winterfell::VerifyError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        let (expected, got) = match error {
            winterfell::VerifyError::OtherKey { expected, got } => (Some(expected), Some(got)),
            _ => (None, None),
        };
        Self { code, message, expected, got }
    }
}

#[cfg(feature = "winterfell")]
impl Reason {
    /// A proof of one backend under a key of the other.
    pub fn other_backend() -> Self {
        let message =
            "key and proof belong to different backends: use the key from the proof's own set-up";
        Self { code: "other-backend", message: message.into(), expected: None, got: None }
    }
}

/// A public tensor, as its key describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tensor {
    /// Name in the ONNX file.
    pub name: String,
    /// Extents of one inference.
    pub shape: Vec<usize>,
    /// Real value of one step.
    pub scale: f64,
    /// The integer of real zero.
    #[serde(rename = "zeroPoint")]
    pub zero_point: f64,
    /// Smallest real value that it can have.
    pub min: f64,
    /// Largest real value that it can have.
    pub max: f64,
}

/// A public tensor with the values that a proof gives it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Values {
    /// What it is.
    #[serde(flatten)]
    pub tensor: Tensor,
    /// Real values, inference by inference, row-major.
    pub values: Vec<f64>,
    /// The integers that the proof is about.
    pub integers: Vec<Integer>,
}

impl Tensor {
    fn new(tensor: &PublicTensor) -> Self {
        let real = |integer| dequantise(tensor, integer);
        Self {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            scale: tensor.scale,
            zero_point: tensor.zero_point as f64,
            min: real(tensor.range.lo),
            max: real(tensor.range.hi),
        }
    }
}

impl Values {
    fn new<T: Copy + Into<i64>>(tensor: &PublicTensor, integers: &[T]) -> Self {
        let real = |integer: &T| dequantise(tensor, (*integer).into());
        let values = integers.iter().map(real).collect();
        // Exact without the feature: all are 32-bit integers then.
        let integers = integers.iter().map(|integer| (*integer).into() as Integer).collect();
        Self { tensor: Tensor::new(tensor), values, integers }
    }
}

/// Differences of a hostile key's integers may leave `i64`; those of an honest one are exact.
fn dequantise(tensor: &PublicTensor, integer: i64) -> f64 {
    integer.saturating_sub(tensor.zero_point) as f64 * tensor.scale
}

/// What proofs under a key do not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hidden {
    /// Whether the weights are not shown.
    pub weights: bool,
    /// Whether no input is shown.
    pub inputs: bool,
    /// Whether no output is shown.
    pub outputs: bool,
    /// Whether proofs are made so that they do not leak what they do not show.
    #[serde(rename = "zeroKnowledge")]
    pub zero_knowledge: bool,
    /// For how many proofs that is argued.
    pub proofs: u32,
}

impl Hidden {
    fn new(layout: &Layout, zero_knowledge: bool, proofs: u32) -> Self {
        let shown = |input: bool| layout.public.iter().any(|t| t.input == input);
        Self { weights: true, inputs: !shown(true), outputs: !shown(false), zero_knowledge, proofs }
    }
}

/// Bits of one source of error in every regime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The step of the protocol.
    pub name: &'static str,
    /// Bits by conjecture.
    pub conjectured: u32,
    /// Bits by conjecture, corrected for what random words attain.
    #[serde(rename = "randomWords")]
    pub random_words: u32,
    /// Bits proven, up to half the minimum distance.
    #[serde(rename = "uniqueDecoding")]
    pub unique_decoding: u32,
    /// Bits proven, up to the Johnson bound.
    pub johnson: u32,
}

/// Bits of security of a key's proofs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Security {
    /// By conjecture: this one decides what is accepted.
    pub conjectured: u32,
    /// By conjecture, corrected for what random words attain.
    #[serde(rename = "randomWords")]
    pub random_words: u32,
    /// By proven theorems.
    pub proven: u32,
    /// The sources of error, in the order of the protocol.
    pub sources: Vec<Source>,
}

impl Security {
    fn new(account: &Account) -> Self {
        let bits = |bits: &Bits, i: usize| bits.sources.get(i).map_or(0, |source| source.1);
        let source = |(i, (name, conjectured)): (usize, &(&'static str, u32))| Source {
            name,
            conjectured: *conjectured,
            random_words: bits(&account.random_words, i),
            unique_decoding: bits(&account.unique_decoding, i),
            johnson: bits(&account.johnson, i),
        };
        Self {
            conjectured: account.conjectured.total,
            random_words: account.random_words.total,
            proven: account.unique_decoding.total.max(account.johnson.total),
            sources: account.conjectured.sources.iter().enumerate().map(source).collect(),
        }
    }
}

#[cfg(feature = "winterfell")]
impl From<&winterfell::Security> for Security {
    /// Its own estimate has one number for each source; it corrects nothing for random words, so what is
    /// proven stands there.
    fn from(security: &winterfell::Security) -> Self {
        let source = |(name, bits): &(&'static str, u32)| Source {
            name,
            conjectured: *bits,
            random_words: *bits,
            unique_decoding: *bits,
            johnson: *bits,
        };
        let test = Source {
            name: "low-degree test and constraints",
            conjectured: security.conjectured,
            random_words: security.proven,
            unique_decoding: security.unique_decoding,
            johnson: security.list_decoding,
        };
        let sources = security.sources.iter().map(source).chain([test]).collect();
        Self {
            conjectured: security.conjectured,
            random_words: security.proven,
            proven: security.proven,
            sources,
        }
    }
}

/// What a key says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyReport {
    /// The model's name, as whoever made the key wrote it.
    pub name: String,
    /// What names the key ([`Key::fingerprint`]), hexadecimal.
    pub fingerprint: String,
    /// BLAKE3 hash of the architecture, hexadecimal.
    pub architecture: String,
    /// Commitment of the program, hexadecimal.
    #[serde(rename = "programRoot")]
    pub program_root: String,
    /// Commitment of the weights, hexadecimal.
    #[serde(rename = "weightsRoot")]
    pub weights_root: String,
    /// Name of the preset.
    pub preset: &'static str,
    /// Inferences in one proof.
    pub batch: u32,
    /// Inputs that proofs show.
    #[serde(rename = "publicInputs")]
    pub public_inputs: Vec<Tensor>,
    /// Outputs that proofs show.
    pub outputs: Vec<Tensor>,
    /// What proofs do not show.
    pub hidden: Hidden,
    /// Bits of security.
    pub security: Security,
}

/// Public inputs or outputs.
fn tensors(layout: &Layout, input: bool) -> Vec<Tensor> {
    layout.public.iter().filter(|t| t.input == input).map(Tensor::new).collect()
}

impl KeyReport {
    /// Of a key.
    pub fn new(key: &Key) -> Self {
        Self {
            name: key.name.clone(),
            fingerprint: hex(&key.fingerprint()),
            architecture: hex(&key.architecture),
            program_root: hex(&key.program_root),
            weights_root: hex(&key.weights_root),
            preset: key.preset.name(),
            batch: key.layout.batch,
            public_inputs: tensors(&key.layout, true),
            outputs: tensors(&key.layout, false),
            hidden: Hidden::new(&key.layout, key.hides(), key.proofs),
            security: Security::new(&key.security()),
        }
    }

    /// Of a key of the Winterfell backend.
    #[cfg(feature = "winterfell")]
    pub fn of_winterfell(key: &winterfell::WinterfellKey) -> Self {
        Self {
            name: key.name.clone(),
            fingerprint: hex(&key.fingerprint()),
            architecture: hex(&key.architecture),
            program_root: hex(&key.program_root),
            weights_root: hex(&key.weights_root),
            preset: key.preset.name(),
            batch: key.layout.batch,
            public_inputs: tensors(&key.layout, true),
            outputs: tensors(&key.layout, false),
            hidden: Hidden::new(&key.layout, key.hides(), 0),
            security: (&key.security()).into(),
        }
    }
}

/// The public values of a proof, proven or only claimed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Claims {
    /// Inputs that the proof shows.
    #[serde(rename = "publicInputs")]
    pub public_inputs: Vec<Values>,
    /// Outputs that the proof shows.
    pub outputs: Vec<Values>,
}

impl Claims {
    /// Of a key's public tensors, in its order.
    pub fn new<T: Copy + Into<i64>>(layout: &Layout, integers: &[Vec<T>]) -> Self {
        let of = |input: bool| {
            let tensors = layout.public.iter().zip(integers);
            tensors.filter(|(t, _)| t.input == input).map(|(t, v)| Values::new(t, v)).collect()
        };
        Self { public_inputs: of(true), outputs: of(false) }
    }
}

/// Whether a proof holds under a key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether it holds.
    pub valid: bool,
    /// Why it does not.
    pub reason: Option<Reason>,
    /// What is proven: nothing unless the proof holds.
    #[serde(flatten)]
    pub claims: Claims,
    /// Fingerprint of the key it was checked under.
    pub fingerprint: String,
    /// Bits of security of the key's proofs.
    pub security: Security,
}

impl Verdict {
    /// From what was proven, or why it was not.
    pub fn new(key: &Key, outcome: Result<Claims, Reason>) -> Self {
        Self::of(&key.fingerprint(), Security::new(&key.security()), outcome)
    }

    /// Under a key of the Winterfell backend.
    #[cfg(feature = "winterfell")]
    pub fn of_winterfell(key: &winterfell::WinterfellKey, outcome: Result<Claims, Reason>) -> Self {
        Self::of(&key.fingerprint(), (&key.security()).into(), outcome)
    }

    fn of(fingerprint: &[u8], security: Security, outcome: Result<Claims, Reason>) -> Self {
        let (claims, reason) = match outcome {
            Ok(claims) => (claims, None),
            Err(reason) => (Claims::default(), Some(reason)),
        };
        Self { valid: reason.is_none(), reason, claims, fingerprint: hex(fingerprint), security }
    }
}

impl Inspection {
    /// Of a proof, with what was read of it if its key is at hand.
    pub fn proof(made_for: &[u8], read: Option<Result<Claims, Reason>>) -> Self {
        let (claims, reason) = match read {
            Some(Ok(claims)) => (Some(claims), None),
            Some(Err(reason)) => (None, Some(reason)),
            None => (None, None),
        };
        Self::Proof { made_for: hex(made_for), claims, reason }
    }
}

/// What a file is, as far as can be told without checking it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Inspection {
    /// A key.
    Key {
        /// Its content.
        key: Box<KeyReport>,
    },
    /// A proof.
    Proof {
        /// Fingerprint of the key that it names.
        #[serde(rename = "madeFor")]
        made_for: String,
        /// What it claims, if its key is at hand. Unproven.
        claims: Option<Claims>,
        /// Why it cannot be read further, if its key is at hand.
        reason: Option<Reason>,
    },
    /// A model package, which holds weights and is for whoever makes proofs.
    Package,
    /// A proof of the weights' ranges, which the command line checks.
    Ranges,
    /// A key or proof that cannot be used.
    Unusable {
        /// `key` or `proof`.
        of: &'static str,
        /// Why not.
        reason: Reason,
    },
    /// Nothing of Veristar's.
    Foreign,
}
