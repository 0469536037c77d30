//! Presets: the only parameters a verifier accepts.

use serde::{Deserialize, Serialize};

/// Parameters of the polynomial commitment and of FRI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// log2 of the blow-up factor (inverse rate).
    pub log_blowup: u32,
    /// FRI queries.
    pub queries: usize,
    /// Bits of proof of work before the queries are drawn.
    pub pow_bits: u32,
    /// Bits of proof of work before the lookups' challenges; 0 for none.
    pub lookup_pow_bits: u32,
    /// Bits of proof of work before the challenge that combines the openings.
    pub opening_pow_bits: u32,
    /// log2 of the folding factor between FRI layers.
    pub fold_step: u32,
    /// log2 of the number of coefficients of the last FRI layer.
    pub log_last_layer: u32,
}

/// A named set of parameters. A key names its preset; a proof brings none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Preset {
    /// Quick to prove: blow-up 2, or 4 where tables are low enough for the proof's length, not
    /// the proving time, to be what is felt.
    Fast,
    /// Short proofs: blow-up 32.
    Compact,
    /// Proofs for a contract on Starknet: few openings, hashed by Poseidon, and as much work as a
    /// prover can do through that hash in a fraction of a second (docs/src/starknet.md).
    Starknet,
}

/// What hashes trees and transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFunction {
    /// Blake2s, 256 bits.
    Blake2s,
    /// Poseidon over Starknet's field, 251 bits.
    Poseidon252,
}

/// Tables of at most `2^LOG_LOW` rows count as low.
pub const LOG_LOW: u32 = 13;

impl Preset {
    /// Every preset.
    pub const ALL: [Preset; 3] = [Preset::Fast, Preset::Compact, Preset::Starknet];

    /// Those whose proofs are hashed by Blake2s: for native and browser verifiers.
    pub const BLAKE2S: [Preset; 2] = [Preset::Fast, Preset::Compact];

    /// Its parameters when the tallest table has `2^log_height` rows.
    pub const fn parameters(self, log_height: u32) -> Parameters {
        let (log_blowup, queries, pow_bits, opening_pow_bits) = match self {
            Preset::Fast if log_height <= LOG_LOW => (2, 41, 16, 12),
            Preset::Fast => (1, 83, 16, 12),
            Preset::Compact => (5, 16, 18, 16),
            Preset::Starknet => (4, 20, 16, 8),
        };
        // A contract takes low tables only, which need none.
        let lookup_pow_bits = match self {
            Preset::Fast | Preset::Compact if log_height > LOG_LOW => 10,
            _ => 0,
        };
        Parameters {
            lookup_pow_bits,
            log_blowup,
            queries,
            pow_bits,
            opening_pow_bits,
            fold_step: 3,
            log_last_layer: 4,
        }
    }

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Preset::Fast => "fast",
            Preset::Compact => "compact",
            Preset::Starknet => "starknet",
        }
    }

    /// What hashes trees and transcript.
    pub const fn hash(self) -> HashFunction {
        match self {
            Preset::Fast | Preset::Compact => HashFunction::Blake2s,
            Preset::Starknet => HashFunction::Poseidon252,
        }
    }
}
