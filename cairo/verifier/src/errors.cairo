//! Why a key or a proof is refused: what a transaction reverts with.

/// The key's felts are no key of this version.
pub const KEY: felt252 = 'veristar: key';
/// A key within the format, but beyond the limits that every honest key keeps.
pub const KEY_LIMITS: felt252 = 'veristar: key limits';
/// There are more or fewer public values than the key has.
pub const PUBLIC_COUNT: felt252 = 'veristar: public count';
/// A public value is outside its tensor's range.
pub const PUBLIC_RANGE: felt252 = 'veristar: public range';
/// The proof ends too early.
pub const TRUNCATED: felt252 = 'veristar: truncated';
/// The proof has felts that do not belong to it.
pub const TRAILING: felt252 = 'veristar: trailing';
/// A felt holds no packed field elements, or one that is not reduced.
pub const PACKING: felt252 = 'veristar: packing';
/// The tables' totals and the public values do not cancel.
pub const TOTALS: felt252 = 'veristar: totals';
/// The out-of-domain point is one at which values cannot be opened.
pub const POINT: felt252 = 'veristar: point';
/// The constraints do not hold at the out-of-domain point.
pub const CONSTRAINTS: felt252 = 'veristar: constraints';
/// A proof of work is missing.
pub const WORK: felt252 = 'veristar: proof of work';
/// Opened values do not belong to a commitment.
pub const OPENING: felt252 = 'veristar: opening';
/// Opened values do not belong to a layer of the low-degree test.
pub const LAYER: felt252 = 'veristar: layer';
/// The last layer is not what the others fold to.
pub const LAST_LAYER: felt252 = 'veristar: last layer';
/// Leaves that are brought again are others than before.
pub const LEAVES: felt252 = 'veristar: other leaves';
/// An integer is beyond what the code before it guarantees. Not reachable.
pub const BOUND: felt252 = 'veristar: bound';
