//! The verification key of this backend: everything a verifier knows of a model.
//!
//! Bytes: magic `VERISTWK`, which also names the backend, version, then the fields in postcard
//! encoding. The key's fingerprint is the BLAKE3 hash of all bytes; proofs name it and the transcript
//! starts with it.
//!
//! Proofs of this backend hide nothing (see [`WinterfellKey::hides`]).

use crate::bytes::{check_header, header};
use crate::error::{FormatError, VerifyError};
use crate::parameters::{lookups, security, Preset, Security, MINIMUM_BITS};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};
use veristar_air::chips::Chip;
use veristar_air::program::Layout;
use veristar_model::FieldBound;
use winter_math::StarkField;

use crate::field::F;

const MAGIC: &[u8; 8] = b"VERISTWK";
/// Version of the key format.
pub const VERSION: u16 = 1;

/// Limits that every honest key keeps: they bound a verifier's memory and time.
mod limit {
    pub const INSTANCES: usize = 64;
    pub const LOG_SIZE: core::ops::RangeInclusive<u32> = 5..=24;
    pub const WIDTH: core::ops::RangeInclusive<usize> = 1..=1024;
    pub const PUBLIC: usize = 1 << 24;
    pub const CONSTANTS: usize = 1 << 16;
    /// Cells of one row of all trees.
    pub const COLUMNS: usize = 1 << 16;
}

/// What proofs under a key do about secrecy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hiding {
    /// Nothing: a proof shows evaluations of weights, inputs and activations.
    Nothing,
}

/// Which integers a model may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// Those that the stwo backend proves too: accumulators below 2^30.
    Standard,
    /// Accumulators below 2^62: 16-bit weights on 24-bit activations, for example.
    High,
}

impl Precision {
    /// The bound that all integers of the model keep.
    pub const fn bound(self) -> FieldBound {
        match self {
            Precision::Standard => FieldBound::M31,
            Precision::High => crate::BOUND,
        }
    }

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::Standard => "standard",
            Precision::High => "high",
        }
    }
}

/// A verification key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WinterfellKey {
    /// The model's name, for people.
    pub name: String,
    /// Parameters.
    pub preset: Preset,
    /// The bound under which the model was compiled.
    pub precision: Precision,
    /// What is hidden: nothing.
    pub hiding: Hiding,
    /// BLAKE3 hash of the architecture: the graph without its parameters.
    pub architecture: [u8; 32],
    /// Tables, addresses, public tensors.
    pub layout: Layout,
    /// Commitment of the program columns.
    pub program_root: [u8; 32],
    /// Commitment of the weights columns.
    pub weights_root: [u8; 32],
}

impl WinterfellKey {
    /// The key's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = header(MAGIC, VERSION);
        // Serialising plain data to a vector cannot fail.
        bytes.extend(postcard::to_allocvec(self).unwrap_or_default());
        bytes
    }

    /// Reads a key and checks that it is usable.
    ///
    /// # Errors
    /// The bytes are not a key of this version, or sizes are beyond any honest key's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VerifyError> {
        let rest = check_header(bytes, MAGIC, VERSION, "key")?;
        let malformed = |error| FormatError::malformed("key", &error);
        let (key, rest) = postcard::take_from_bytes::<Self>(rest).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(FormatError::Trailing { count: rest.len() }.into());
        }
        key.check()?;
        // One key has one encoding: the fingerprint is of the bytes.
        if key.to_bytes() != bytes {
            return Err(FormatError::malformed("key", &"it has a second encoding").into());
        }
        Ok(key)
    }

    /// BLAKE3 hash of the key's bytes.
    pub fn fingerprint(&self) -> [u8; 32] {
        *blake3::hash(&self.to_bytes()).as_bytes()
    }

    /// Whether proofs hide what is not public: they do not.
    pub const fn hides(&self) -> bool {
        match self.hiding {
            Hiding::Nothing => false,
        }
    }

    /// Bits of security.
    pub fn security(&self) -> Security {
        security(self.preset, &self.layout)
    }

    fn check(&self) -> Result<(), VerifyError> {
        let layout = &self.layout;
        let sound = |condition: bool, reason: &'static str| match condition {
            true => Ok(()),
            false => Err(VerifyError::Key(reason)),
        };
        sound(
            (1..=limit::INSTANCES).contains(&layout.instances.len()),
            "it has no table or too many",
        )?;
        let mut cells = 0usize;
        for instance in &layout.instances {
            sound(
                limit::LOG_SIZE.contains(&instance.log_size),
                "a table's height is out of range",
            )?;
            sound(
                limit::WIDTH.contains(&instance.chip.width()),
                "a table's width is out of range",
            )?;
            sound(instance.reserved >= 1, "a table reserves no row")?;
            sound(instance.reserved < 1 << instance.log_size, "a table has no active row")?;
            let foreign = matches!(instance.chip, Chip::Blind(_) | Chip::Same(_) | Chip::Within(_));
            sound(!foreign, "it has a table of the other backend")?;
            let shape = instance.shape();
            cells = cells.saturating_add(shape.program + shape.cells());
        }
        sound(cells <= limit::COLUMNS, "it has too many columns")?;
        let public: usize = layout.public.iter().map(|t| t.addresses.len()).sum();
        sound(public <= limit::PUBLIC, "it has too many public values")?;
        for tensor in &layout.public {
            let elements = tensor.shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
            let all = elements.and_then(|n| n.checked_mul(layout.batch as usize));
            sound(all == Some(tensor.addresses.len()), "a public tensor's shape does not fit")?;
            let holds = |value: i64| self.precision.bound().holds(value.into());
            let range = tensor.range;
            sound(holds(range.lo) && holds(range.hi), "a public range is too wide")?;
            sound(tensor.scale.is_finite() && tensor.scale > 0.0, "a scale is not positive")?;
        }
        sound(layout.constants.len() <= limit::CONSTANTS, "it has too many constants")?;
        let security = self.security();
        if !security.suffices(self.preset) {
            return Err(VerifyError::Insecure {
                preset: self.preset.name(),
                minimum: MINIMUM_BITS,
                conjectured: security.conjectured,
                proven: security.proven,
            });
        }
        // No multiplicity may reach the characteristic: lookups and reads are all counted here.
        let reads: u64 = layout.constants.iter().map(|c| u64::from(c.reads)).sum();
        let total = lookups(layout).saturating_add(reads);
        sound(total < F::MODULUS, "its lookups reach the field's characteristic")
    }
}
