//! Trees: a leaf is the hash of its row, eight base-field elements a felt; a node that of its two children.

use super::channel::PoseidonChannel;
use super::felt::{pack, with_length, ELEMENTS, ELEMENT_BITS};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use starknet_crypto::{poseidon_hash, poseidon_hash_many};
use starknet_ff::FieldElement;
use stwo::core::channel::MerkleChannel;
use stwo::core::fields::m31::M31;
use stwo::core::vcs::hash::Hash;
use stwo::core::vcs_lifted::merkle_hasher::MerkleHasherLifted;

/// A hash. A type of its own, because on wasm stwo does not say that a field element is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Felt(pub FieldElement);

impl fmt::Display for Felt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Hash for Felt {}

/// A leaf being hashed: its row so far.
#[derive(Clone, Debug, Default)]
pub struct PoseidonMerkleHasher {
    row: Vec<M31>,
}

/// A felt of a row. The last one may hold fewer elements; then it says how many.
fn block(elements: &[M31]) -> FieldElement {
    let felt = pack(0, elements.iter().map(|element| element.0), ELEMENT_BITS);
    match elements.len() {
        ELEMENTS => felt,
        fewer => with_length(felt, fewer),
    }
}

impl MerkleHasherLifted for PoseidonMerkleHasher {
    type Hash = Felt;

    fn hash_children((left, right): (Felt, Felt)) -> Felt {
        Felt(poseidon_hash(left.0, right.0))
    }

    fn update_leaf(&mut self, column_values: &[M31]) {
        self.row.extend_from_slice(column_values);
    }

    fn finalize(self) -> Felt {
        let blocks: Vec<FieldElement> = self.row.chunks(ELEMENTS).map(block).collect();
        Felt(poseidon_hash_many(&blocks))
    }
}

/// The transcript together with the trees whose roots it absorbs.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoseidonMerkleChannel;

impl MerkleChannel for PoseidonMerkleChannel {
    type C = PoseidonChannel;
    type H = PoseidonMerkleHasher;

    fn mix_root(channel: &mut PoseidonChannel, root: Felt) {
        channel.mix_felt(root.0);
    }
}
