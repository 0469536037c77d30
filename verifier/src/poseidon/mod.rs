//! Poseidon over Starknet's field, for the trees and the transcript of the preset `starknet`.
//!
//! stwo has both, and the prover uses its own; but not on wasm, and browsers check these proofs too. So the
//! verifier has this implementation, on every target. What is hashed, and in which order, must be as stwo
//! hashes it: `tests/poseidon.rs` compares the two on random data. The permutation is `starknet-crypto`'s.
//!
//! | module | idea |
//! |---|---|
//! | [`felt`] | several small numbers in a field element |
//! | [`channel`] | the transcript |
//! | [`merkle`] | leaves and inner nodes of trees |

pub mod channel;
pub mod felt;
pub mod merkle;

pub use channel::PoseidonChannel;
pub use merkle::{Felt, PoseidonMerkleChannel, PoseidonMerkleHasher};
