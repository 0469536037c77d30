//! The preset `starknet` (`security/src/parameters.rs`): the only parameters that are accepted.

/// log2 of the blow-up factor.
pub const LOG_BLOWUP: u32 = 4;
/// Queries of the low-degree test.
pub const QUERIES: u32 = 20;
/// Bits of work before queries are drawn.
pub const POW_BITS: felt252 = 16;
/// `2^POW_BITS`.
pub const POW_DIVISOR: NonZero<u128> = 0x10000;
/// Bits of work before the challenge that combines the openings.
pub const OPENING_POW_BITS: felt252 = 8;
/// `2^OPENING_POW_BITS`.
pub const OPENING_POW_DIVISOR: NonZero<u128> = 0x100;
/// log2 of the folding factor between layers.
pub const FOLD_STEP: u32 = 3;
/// log2 of the last layer's coefficients.
pub const LOG_LAST_LAYER: u32 = 4;
