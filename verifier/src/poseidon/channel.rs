//! The transcript: a digest that absorbs messages, and a counter of what was drawn since.
//!
//! Absorbing hashes the digest with the message, and the hash is the new digest. Drawing permutes the digest
//! and the counter with 3 in the capacity, where hashes start with 0 (many elements) or 2 (two), so no drawn number is a digest.

use super::felt::{halves, pack, unpack, with_length};
use super::felt::{ELEMENTS, ELEMENT_BITS, WORDS, WORD_BITS};
use alloc::vec::Vec;
use starknet_crypto::{poseidon_hash, poseidon_hash_many, poseidon_permute_comp};
use starknet_ff::FieldElement;
use stwo::core::channel::Channel;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

/// Hashed before a proof of work's nonce, so that its hashes are no others'.
const WORK_PREFIX: u32 = 0x1234_5678;

/// The transcript.
#[derive(Clone, Debug, Default)]
pub struct PoseidonChannel {
    digest: FieldElement,
    /// Elements drawn since the digest changed.
    drawn: u32,
}

impl PoseidonChannel {
    /// What was absorbed, in one element.
    pub const fn digest(&self) -> FieldElement {
        self.digest
    }

    /// Absorbs one element.
    pub fn mix_felt(&mut self, felt: FieldElement) {
        *self = Self { digest: poseidon_hash(self.digest, felt), drawn: 0 };
    }

    /// Absorbs any number of elements.
    fn mix(&mut self, felts: impl Iterator<Item = FieldElement>) {
        let felts: Vec<_> = core::iter::once(self.digest).chain(felts).collect();
        *self = Self { digest: poseidon_hash_many(&felts), drawn: 0 };
    }

    fn draw(&mut self) -> FieldElement {
        let mut state = [self.digest, self.drawn.into(), FieldElement::THREE];
        poseidon_permute_comp(&mut state);
        self.drawn += 1;
        let [drawn, ..] = state;
        drawn
    }

    /// Eight base-field elements, as two of the extension field. A limb of 31 ones is zero: the characteristic.
    fn draw_pair(&mut self) -> [QM31; 2] {
        let mut limbs = unpack(self.draw(), ELEMENT_BITS).map(|limb| M31::reduce(limb.into()));
        let mut limb = || limbs.next().unwrap_or_default();
        let mut element = || QM31::from_m31_array([limb(), limb(), limb(), limb()]);
        [element(), element()]
    }
}

impl Channel for PoseidonChannel {
    const BYTES_PER_HASH: usize = 31;

    fn verify_pow_nonce(&self, n_bits: u32, nonce: u64) -> bool {
        let prefix = poseidon_hash_many(&[WORK_PREFIX.into(), self.digest, n_bits.into()]);
        let (_, low) = halves(poseidon_hash(prefix, nonce.into()));
        low.trailing_zeros() >= n_bits
    }

    /// Seven words a felt, first one highest; a shorter last felt is filled with zeros and says how many words it has.
    fn mix_u32s(&mut self, data: &[u32]) {
        self.mix(data.chunks(WORDS).map(|words| {
            let zeros = core::iter::repeat_n(0, WORDS - words.len());
            let felt = pack(0, words.iter().copied().chain(zeros), WORD_BITS);
            match words.len() {
                WORDS => felt,
                fewer => with_length(felt, fewer),
            }
        }));
    }

    /// Two elements a felt, under a leading one, which tells one element from two.
    fn mix_felts(&mut self, felts: &[QM31]) {
        self.mix(felts.chunks(ELEMENTS / 4).map(|pair| {
            let limbs = pair.iter().flat_map(|element| element.to_m31_array());
            pack(1, limbs.map(|limb| limb.0), ELEMENT_BITS)
        }));
    }

    fn mix_u64(&mut self, value: u64) {
        self.mix_felt(value.into());
    }

    /// Half of what is drawn: the rest is never used.
    fn draw_secure_felt(&mut self) -> QM31 {
        let [element, _] = self.draw_pair();
        element
    }

    fn draw_secure_felts(&mut self, n_felts: usize) -> Vec<QM31> {
        core::iter::repeat_with(|| self.draw_pair()).flatten().take(n_felts).collect()
    }

    /// Seven words.
    fn draw_u32s(&mut self) -> Vec<u32> {
        unpack(self.draw(), WORD_BITS).take(WORDS).collect()
    }
}
