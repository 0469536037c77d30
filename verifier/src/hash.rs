//! Hashes as bytes: what keys and proofs hold, whichever function made them.
//!
//! A key's preset says which hash function its trees and its transcript use; a proof cannot choose.

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
#[cfg(not(target_arch = "wasm32"))]
impl HashBytes for stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleHasher {
    fn to_bytes(hash: Self::Hash) -> Hash {
        Hash(hash.to_bytes_be())
    }
    fn from_bytes(bytes: &Hash) -> Option<Self::Hash> {
        Self::Hash::from_bytes_be(&bytes.0).ok()
    }
    fn of_no_column() -> Self::Hash {
        Self::Hash::ZERO
    }
}
