//! The verification key: everything a verifier knows of a model.
//!
//! Bytes: magic `VERISTRK`, version, then the fields in postcard encoding. The key's fingerprint is
//! a hash of all bytes; proofs name it and the transcript starts with it, so a proof is
//! bound to roots, sizes, addresses and parameters at once.

use crate::bytes::{check_header, header, Reader};
use crate::component::COMPOSITION_COLUMNS;
use crate::error::{FormatError, VerifyError};
use crate::starknet;
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};
use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;
use veristar_air::chips::{Chip, Constraints};
use veristar_air::logup::Relation;
use veristar_air::program::Layout;
use veristar_air::survey::survey;
use veristar_security::{
    accept, account, Account, HashFunction, Hiding, Parameters, Preset, Sizes,
};

const MAGIC: &[u8; 8] = b"VERISTRK";
/// Version of the key format.
pub const VERSION: u16 = 1;

/// Limits that every honest key keeps: they bound a verifier's memory and time.
mod limit {
    pub const INSTANCES: usize = 64;
    pub const LOG_SIZE: core::ops::RangeInclusive<u32> = 5..=24;
    pub const WIDTH: core::ops::RangeInclusive<usize> = 1..=1024;
    pub const PUBLIC: usize = 1 << 24;
    pub const CONSTANTS: usize = 1 << 16;
}

/// A verification key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The model's name, for people.
    pub name: String,
    /// Parameters.
    pub preset: Preset,
    /// For how many proofs the weights commitment hides; 0 if proofs hide nothing.
    pub proofs: u32,
    /// BLAKE3 hash of the architecture: the graph without its parameters.
    pub architecture: [u8; 32],
    /// Tables, addresses, public tensors.
    pub layout: Layout,
    /// Commitment of the program columns.
    pub program_root: [u8; 32],
    /// Commitment of the weights columns.
    pub weights_root: [u8; 32],
}

impl Key {
    /// The key's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = header(MAGIC, VERSION);
        // Serialising plain data to a vector cannot fail.
        writer.raw(&postcard::to_allocvec(self).unwrap_or_default());
        writer.0
    }

    /// Reads a key and checks that it is usable.
    ///
    /// # Errors
    /// The bytes are not a key of this version, or sizes are beyond any honest key's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VerifyError> {
        let mut reader = Reader::new(bytes);
        check_header(&mut reader, MAGIC, VERSION, "key")?;
        let malformed = FormatError::Malformed { section: "key" };
        let (key, rest) =
            postcard::take_from_bytes::<Self>(reader.rest()).map_err(|_| malformed.clone())?;
        if !rest.is_empty() {
            return Err(FormatError::Trailing { count: rest.len() }.into());
        }
        key.check()?;
        // One key has one encoding: the fingerprint is of the bytes.
        if key.to_bytes() != bytes {
            return Err(malformed.into());
        }
        Ok(key)
    }

    /// What names the key: the BLAKE3 hash of its bytes, or for a contract on Starknet the Poseidon hash
    /// of what the contract takes, which holds that one.
    pub fn fingerprint(&self) -> [u8; 32] {
        match self.preset.hash() {
            HashFunction::Blake2s => *blake3::hash(&self.to_bytes()).as_bytes(),
            HashFunction::Poseidon252 => starknet::model_id(self).to_bytes_be(),
        }
    }

    /// Parameters of the proofs.
    pub fn parameters(&self) -> Parameters {
        self.preset.parameters(self.layout.log_height())
    }

    /// Sizes on which bits of security depend.
    pub fn sizes(&self) -> Sizes {
        let tables = self.layout.instances.iter().map(|i| (survey(&i.chip), 1u64 << i.log_size));
        let public = self.layout.public.iter().map(|t| t.addresses.len() as u64);
        let own = public.sum::<u64>() + self.layout.constants.len() as u64;
        let mut sizes = Sizes {
            log_height: self.layout.log_height(),
            columns: self.layout.program_columns().log_sizes.len() as u64
                + COMPOSITION_COLUMNS as u64,
            constraints: 0,
            lookups: own,
            lookup_degree: own * Relation::Memory.degree() as u64,
            degree_in_t_r: 0,
        };
        for ((survey, rows), instance) in tables.zip(&self.layout.instances) {
            let shape = survey.shape;
            // A column that is also opened at the row before counts three times: stwo adds a
            // sample for the period of a lower table.
            let before = |flags: &[bool]| flags.iter().filter(|f| **f).count() as u64;
            let opened = (shape.weights + shape.values) as u64
                + 4 * (shape.evaluations + shape.sums()) as u64
                + 2 * before(&survey.values_before)
                + 8 * (before(&survey.evaluations_before) + before(&survey.sums_before));
            sizes.columns += opened;
            sizes.constraints += survey.names.len() as u64;
            sizes.lookups += rows * shape.lookups as u64;
            sizes.lookup_degree += rows * survey.lookup_degree as u64;
            // Positions are exponents of t, outputs of r: a compiled program has no more of them
            // than elements evaluated and weights placed.
            if let Chip::Horner(_) | Chip::Requantise(_) | Chip::Weights(_) = instance.chip {
                sizes.degree_in_t_r += rows * instance.chip.width() as u64;
            }
        }
        sizes
    }

    /// Whether proofs hide what is not public, up to [`Self::proofs`] of them.
    pub const fn hides(&self) -> bool {
        self.proofs > 0
    }

    /// Whether tables have the rows, and the layout the `blind` table, that hiding needs.
    fn has_masks(&self) -> bool {
        let hiding = Hiding::new(&self.parameters());
        let weights = hiding.reserved_weights(self.proofs as usize);
        let needed = |chip: &Chip| match chip.holds_weights() {
            true => weights,
            false => hiding.reserved(),
        };
        let height = self.layout.log_height();
        let tables = &self.layout.instances;
        let blind = tables.iter().any(|i| matches!(i.chip, Chip::Blind(_)) && i.log_size == height);
        blind
            && height >= hiding.log_blind()
            && tables.iter().all(|i| i.reserved as usize >= needed(&i.chip))
    }

    /// Bits of security, source by source.
    pub fn security(&self) -> Account {
        account(&self.parameters(), &self.sizes())
    }

    /// The commitment scheme's configuration.
    pub fn config(&self) -> PcsConfig {
        let p = self.parameters();
        PcsConfig {
            pow_bits: p.pow_bits,
            fri_config: FriConfig::new(p.log_last_layer, p.log_blowup, p.queries, p.fold_step),
            lifting_log_size: Some(self.layout.log_height() + p.log_blowup),
        }
    }

    fn check(&self) -> Result<(), VerifyError> {
        let layout = &self.layout;
        let parameters = self.parameters();
        let sound = |condition: bool, reason: &'static str| match condition {
            true => Ok(()),
            false => Err(VerifyError::Key(reason)),
        };
        sound(
            (1..=limit::INSTANCES).contains(&layout.instances.len()),
            "it has no table or too many",
        )?;
        let mut lookups = 0u64;
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
            let rows = 1u64 << instance.log_size;
            lookups = lookups.saturating_add(rows * instance.chip.shape().lookups as u64);
        }
        sound(!self.hides() || self.has_masks(), "it lacks what hides its proofs")?;
        let height = layout.log_height();
        let fri_ends = parameters.log_last_layer + parameters.fold_step;
        sound(height > fri_ends, "its tables are too low")?;
        let public: usize = layout.public.iter().map(|t| t.addresses.len()).sum();
        sound(public <= limit::PUBLIC, "it has too many public values")?;
        for tensor in &layout.public {
            let elements = tensor.shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
            let all = elements.and_then(|n| n.checked_mul(layout.batch as usize));
            sound(all == Some(tensor.addresses.len()), "a public tensor's shape does not fit")?;
            let half = 1i64 << 30;
            sound(-half < tensor.range.lo && tensor.range.hi < half, "a public range is too wide")?;
            sound(tensor.scale.is_finite() && tensor.scale > 0.0, "a scale is not positive")?;
        }
        sound(layout.constants.len() <= limit::CONSTANTS, "it has too many constants")?;
        accept(self.preset, &self.sizes())?;
        // No multiplicity may reach the characteristic: lookups and reads are all counted here.
        let reads: u64 = layout.constants.iter().map(|c| u64::from(c.reads)).sum();
        let total = lookups.saturating_add(reads).saturating_add(public as u64);
        sound(total < (1 << 31) - 1, "its lookups reach the field's characteristic")
    }
}
