//! Keys and proofs as felts, the way the contract on Starknet takes them (`cairo/verifier`).
//!
//! *Packing.* Eight base-field elements go to one felt, first one highest, 31 bits each; a last felt
//! with fewer holds them lowest. These felts are also what Poseidon hashes, in leaves and in the
//! transcript, so the contract hashes them as they are. Extension-field elements are four elements.
//!
//! A key has one list of felts, [`key`], and its hash [`model_id`] names the model. A proof's list,
//! [`proof`], has no lengths: the key and the query positions say how much of each part there is.

use crate::hash::Hash;
use crate::key::Key;
use crate::poseidon::felt::{pack, ELEMENTS, ELEMENT_BITS};
use crate::poseidon::PoseidonMerkleHasher;
use crate::proof::Proof;
use alloc::vec::Vec;
use starknet_crypto::{poseidon_hash, poseidon_hash_many};
pub use starknet_ff::FieldElement;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs_lifted::merkle_hasher::MerkleHasherLifted;
use veristar_air::chips::Chip;
use veristar_air::program::Addresses;

/// The first felt of a key: format and version, as a Cairo short string.
const TAG: &[u8] = b"VERISTAR1";

/// The chips' names, in the order of the numbers that stand for them in a key.
pub const CHIPS: [&str; 14] = [
    "weights",
    "parameters",
    "input",
    "horner",
    "field",
    "unary",
    "binary",
    "maximum",
    "table",
    "blind",
    "tree",
    "nodes",
    "features",
    "requantise",
];

fn number(chip: &Chip) -> u64 {
    let position = CHIPS.iter().position(|name| *name == chip.name());
    position.map_or(u64::MAX, |n| n as u64)
}

fn unsigned(bytes: &[u8]) -> FieldElement {
    let shift = FieldElement::from(256u64);
    bytes.iter().fold(FieldElement::ZERO, |felt, byte| felt * shift + FieldElement::from(*byte))
}

fn signed(value: i64) -> FieldElement {
    let size = FieldElement::from(value.unsigned_abs());
    match value < 0 {
        true => -size,
        false => size,
    }
}

/// A key's felts: tag; BLAKE3 hash of its bytes, in two halves; roots of program and weights; tables (chip,
/// width, log2 rows, reserved rows); constants (address, value, reads); public tensors (smallest
/// value, largest less smallest, then 0, first address, count, or 1, count, addresses). Lists start with
/// their lengths.
pub fn key(key: &Key) -> Vec<FieldElement> {
    let fingerprint = blake3::hash(&key.to_bytes());
    let (high, low) = fingerprint.as_bytes().split_at(16);
    let mut felts: Vec<FieldElement> =
        [TAG, high, low, &key.program_root, &key.weights_root].map(unsigned).into();
    let layout = &key.layout;
    felts.push(layout.instances.len().into());
    for instance in &layout.instances {
        felts.push(number(&instance.chip).into());
        felts.push(instance.chip.width().into());
        felts.push(instance.log_size.into());
        felts.push(instance.reserved.into());
    }
    felts.push(layout.constants.len().into());
    for constant in &layout.constants {
        let value = M31::from(constant.value).0;
        felts.extend([constant.address, value, constant.reads].map(FieldElement::from));
    }
    felts.push(layout.public.len().into());
    for tensor in &layout.public {
        felts.push(signed(tensor.range.lo));
        felts.push(signed(tensor.range.hi - tensor.range.lo));
        match &tensor.addresses {
            Addresses::Run { start, count } => {
                felts.extend([0, *start, *count].map(FieldElement::from));
            }
            Addresses::List(list) => {
                felts.extend([FieldElement::ONE, list.len().into()]);
                felts.extend(list.iter().map(|address| FieldElement::from(*address)));
            }
        }
    }
    felts
}

/// The name of a key's model: Poseidon hash of [`key`]. For a key of that preset it is the fingerprint.
pub fn model_id(of: &Key) -> FieldElement {
    poseidon_hash_many(&key(of))
}

/// The context (`Proof::context`) that a contract makes of some felts: their Poseidon hash.
pub fn context(felts: &[FieldElement]) -> Hash {
    Hash(poseidon_hash_many(felts).to_bytes_be())
}

/// Poseidon hash of some felts.
pub fn hash_of(felts: &[FieldElement]) -> FieldElement {
    poseidon_hash_many(felts)
}

/// Poseidon hash of two felts: not that of a list of them.
pub fn hash_of_two(left: FieldElement, right: FieldElement) -> FieldElement {
    poseidon_hash(left, right)
}

/// A Cairo short string as a felt; the empty one if it is too long.
pub fn short_string(text: &str) -> FieldElement {
    match text.len() < 32 {
        true => unsigned(text.as_bytes()),
        false => FieldElement::ZERO,
    }
}

/// A proof's public values, tensor by tensor.
pub fn public(proof: &Proof) -> Vec<FieldElement> {
    proof.public.iter().flatten().map(|value| signed(i64::from(*value))).collect()
}

/// A proof's felts without its public values, in the order in which the contract reads them; `None` if a
/// hash is no felt, so that no verifier accepts the proof.
pub fn proof(key: &Key, proof: &Proof) -> Option<Vec<FieldElement>> {
    let Sections { transcript, rows, paths, folding, .. } = sections(key, proof)?;
    let openings = rows.into_iter().chain(paths).flatten();
    Some(transcript.into_iter().chain(openings).chain(folding).collect())
}

/// A proof's felts, section by section: a contract that takes them in several transactions takes whole sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sections {
    /// Commitments, totals, values at the out-of-domain point, layers' commitments, last layer, proofs of work.
    pub transcript: Vec<FieldElement>,
    /// For each query position, its row of every tree.
    pub rows: Vec<Vec<FieldElement>>,
    /// For each query position, the leaves of its rows, one a tree; 0 of a tree without columns.
    pub leaves: Vec<Vec<FieldElement>>,
    /// For each tree, its Merkle paths.
    pub paths: Vec<Vec<FieldElement>>,
    /// The layers' evaluations and Merkle paths.
    pub folding: Vec<FieldElement>,
}

/// A proof's felts section by section; `None` if a hash is no felt.
pub fn sections(key: &Key, proof: &Proof) -> Option<Sections> {
    let mut transcript = Vec::new();
    let [values, evaluations, sums, composition] = &proof.commitments;
    transcript.extend([hash(values)?, hash(evaluations)?]);
    transcript.extend(packed(&flat(&proof.claims)));
    transcript.extend([hash(sums)?, hash(composition)?]);
    let samples: Vec<QM31> = proof.samples.iter().flatten().flatten().copied().collect();
    transcript.extend(packed(&flat(&samples)));
    transcript.push(proof.opening_nonce.into());
    for layer in &proof.layers {
        transcript.push(hash(&layer.commitment)?);
    }
    transcript.extend(packed(&flat(&proof.last_layer)));
    transcript.push(proof.nonce.into());
    // Rows as their leaves hash them: lower columns first.
    let sizes = crate::verify::tree_log_sizes(&key.layout, key.layout.log_height());
    let orders: Vec<Vec<usize>> = sizes.iter().map(|sizes| leaf_order(sizes)).collect();
    let queries = proof.queried.iter().flatten().next().map_or(0, Vec::len);
    let (mut rows, mut leaves) = (Vec::new(), Vec::new());
    for query in 0..queries {
        let (mut felts, mut hashes) = (Vec::new(), Vec::new());
        for (columns, order) in proof.queried.iter().zip(&orders) {
            let cell = |column: &usize| columns.get(*column).and_then(|c| c.get(query)).copied();
            let row: Vec<M31> = order.iter().filter_map(cell).collect();
            felts.extend(packed(&row));
            hashes.push(leaf(&row));
        }
        rows.push(felts);
        leaves.push(hashes);
    }
    let paths = proof.paths.iter().map(|path| hashes(path)).collect::<Option<_>>()?;
    let mut folding = Vec::new();
    for layer in &proof.layers {
        folding.extend(packed(&flat(&layer.evaluations)));
        folding.extend(hashes(&layer.path)?);
    }
    Some(Sections { transcript, rows, leaves, paths, folding })
}

/// The leaf of a row; 0 of one without columns.
fn leaf(row: &[M31]) -> FieldElement {
    let mut hasher = PoseidonMerkleHasher::default();
    hasher.update_leaf(row);
    match row {
        [] => FieldElement::ZERO,
        _ => hasher.finalize().0,
    }
}

/// Columns of a tree in the order in which leaves hash them.
fn leaf_order(sizes: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|column| sizes.get(*column));
    order
}

fn hash(hash: &Hash) -> Option<FieldElement> {
    FieldElement::from_bytes_be(&hash.0).ok()
}

fn hashes(path: &[Hash]) -> Option<Vec<FieldElement>> {
    path.iter().map(hash).collect()
}

fn flat(values: &[QM31]) -> Vec<M31> {
    values.iter().flat_map(|value| value.to_m31_array()).collect()
}

fn packed(values: &[M31]) -> Vec<FieldElement> {
    let felt = |chunk: &[M31]| pack(0, chunk.iter().map(|value| value.0), ELEMENT_BITS);
    values.chunks(ELEMENTS).map(felt).collect()
}
