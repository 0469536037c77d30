//! Hashes as bytes: what keys and proofs hold, whichever function made them.
//!
//! A key's preset says which hash function its trees and its transcript use; a proof cannot choose.

use crate::poseidon::{Felt, PoseidonMerkleHasher};
use starknet_ff::FieldElement;
use stwo::core::vcs::blake2_hash::Blake2sHash;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
use stwo::core::vcs_lifted::merkle_hasher::MerkleHasherLifted;

/// A hash, as 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

/// A Merkle hasher whose hashes are 32 bytes, some of which may be no hash.
pub trait HashBytes: MerkleHasherLifted {
    /// A hash's bytes.
    fn to_bytes(hash: Self::Hash) -> Hash;
    /// The hash with these bytes; `None` if there is none.
    fn from_bytes(bytes: &Hash) -> Option<Self::Hash>;
    /// The root of a tree without columns, as stwo commits it.
    fn of_no_column() -> Self::Hash;
}

impl HashBytes for Blake2sMerkleHasher {
    fn to_bytes(hash: Blake2sHash) -> Hash {
        Hash(hash.0)
    }
    fn from_bytes(bytes: &Hash) -> Option<Blake2sHash> {
        Some(Blake2sHash(bytes.0))
    }
    fn of_no_column() -> Blake2sHash {
        Self::default().finalize()
    }
}

/// Field elements, big-endian; one has only one encoding.
impl HashBytes for PoseidonMerkleHasher {
    fn to_bytes(hash: Felt) -> Hash {
        Hash(hash.0.to_bytes_be())
    }
    fn from_bytes(bytes: &Hash) -> Option<Felt> {
        FieldElement::from_bytes_be(&bytes.0).ok().map(Felt)
    }
    fn of_no_column() -> Felt {
        Felt(FieldElement::ZERO)
    }
}

/// stwo's hasher of the same trees, which the prover commits with. stwo has none on wasm.
#[cfg(not(target_arch = "wasm32"))]
impl HashBytes for stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleHasher {
    fn to_bytes(hash: Self::Hash) -> Hash {
        PoseidonMerkleHasher::to_bytes(Felt(hash))
    }
    fn from_bytes(bytes: &Hash) -> Option<Self::Hash> {
        PoseidonMerkleHasher::from_bytes(bytes).map(|felt| felt.0)
    }
    fn of_no_column() -> Self::Hash {
        PoseidonMerkleHasher::of_no_column().0
    }
}
