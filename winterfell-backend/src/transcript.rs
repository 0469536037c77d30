//! The transcript: Winterfell's coin, and what it absorbs.

use crate::error::VerifyError;
use crate::field::{Cube, F, K};
use alloc::vec::Vec;
use winter_crypto::hashers::Blake3_256;
use winter_crypto::{
    BatchMerkleProof, DefaultRandomCoin, ElementHasher, Hasher, MerkleTree, RandomCoin,
};

/// The hash of commitments and transcript.
pub type Hash = Blake3_256<F>;
/// Its output.
pub type Digest = <Hash as Hasher>::Digest;
/// Commits to rows.
pub type Tree = MerkleTree<Hash>;
/// Opens several leaves of a [`Tree`].
pub type Paths = BatchMerkleProof<Hash>;
/// Winterfell's coin.
pub type Coin = DefaultRandomCoin<Hash>;

/// Separates this protocol's transcripts from all others.
const PROTOCOL: &[u8] = b"veristar winterfell 1";

/// What prover and verifier have said so far.
pub struct Transcript(Coin);

impl Transcript {
    /// Starts with the key, which fixes program, weights, sizes and parameters, and the public
    /// values.
    pub fn new(key: &[u8; 32], public: &[Vec<i64>]) -> Self {
        let mut transcript = Self(Coin::new(&[]));
        transcript.0.reseed(Hash::hash(PROTOCOL));
        transcript.0.reseed(Hash::hash(key));
        let mut bytes = Vec::new();
        for values in public {
            bytes.extend_from_slice(&(values.len() as u64).to_le_bytes());
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        transcript.0.reseed(Hash::hash(&bytes));
        transcript
    }

    /// Absorbs a commitment.
    pub fn commitment(&mut self, digest: Digest) {
        self.0.reseed(digest);
    }

    /// Absorbs field elements.
    pub fn elements(&mut self, elements: &[Cube]) {
        self.0.reseed(Hash::hash_elements(elements));
    }

    /// Draws a challenge.
    ///
    /// # Errors
    /// The hash gave no field element in a thousand tries.
    pub fn draw(&mut self) -> Result<K, VerifyError> {
        self.0.draw::<Cube>().map(K).map_err(|_| VerifyError::Coin)
    }

    /// Draws `count` challenges.
    ///
    /// # Errors
    /// As [`Transcript::draw`].
    pub fn draw_many(&mut self, count: usize) -> Result<Vec<K>, VerifyError> {
        (0..count).map(|_| self.draw()).collect()
    }

    /// Draws query positions below `domain`, sorted and without repetition, after a proof of work.
    /// Takes a power of two `domain` of more than `count` points.
    ///
    /// # Errors
    /// The hash gave too few positions.
    pub fn positions(
        &mut self,
        count: usize,
        domain: usize,
        nonce: u64,
    ) -> Result<Vec<usize>, VerifyError> {
        let mut positions =
            self.0.draw_integers(count, domain, nonce).map_err(|_| VerifyError::Coin)?;
        positions.sort_unstable();
        positions.dedup();
        Ok(positions)
    }

    /// Bits of work that a nonce proves.
    pub fn work(&self, nonce: u64) -> u32 {
        self.0.check_leading_zeros(nonce)
    }

    /// The coin, for Winterfell's own parts.
    pub fn coin(&mut self) -> &mut Coin {
        &mut self.0
    }
}
