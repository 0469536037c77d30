//! What a proof holds, and its bytes.
//!
//! Bytes: magic `VERISTRP`, version, then the sections in the order of [`Proof`]'s fields, all
//! little-endian and fixed-width. What the key already says (program and weights roots, numbers of
//! columns, parameters) is not in the proof, so a proof cannot choose it.

use crate::bytes::{check_header, header, Reader, Writer};
use crate::component::{COMPOSITION_COLUMNS, TREES};
use crate::error::FormatError;
use crate::hash::{Hash, HashBytes};
use crate::key::Key;
use alloc::vec::Vec;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fri::{FriLayerProof, FriProof};
use stwo::core::pcs::TreeVec;
use stwo::core::poly::line::LinePoly;
use stwo::core::vcs_lifted::verifier::MerkleDecommitmentLifted;

const MAGIC: &[u8; 8] = b"VERISTRP";
/// Version of the proof format.
pub const VERSION: u16 = 1;

/// The composition polynomial at the point, from its halves' coordinates:
/// `left + pi^(log_degree - 1)(x) * right`, where `pi` doubles a point of the circle.
pub fn composition_at(
    samples: &[Vec<Vec<QM31>>],
    point: CirclePoint<QM31>,
    log_degree: u32,
) -> Option<QM31> {
    let columns = samples.last()?;
    let value = |i: usize| columns.get(i).and_then(|c| c.first()).copied();
    let left = QM31::from_partial_evals([value(0)?, value(1)?, value(2)?, value(3)?]);
    let right = QM31::from_partial_evals([value(4)?, value(5)?, value(6)?, value(7)?]);
    Some(left + point.repeated_double(log_degree.checked_sub(1)?).x * right)
}

/// A proof.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Fingerprint of the key it was made for.
    pub key: [u8; 32],
    /// Values of the key's public tensors, in the key's order.
    pub public: Vec<Vec<i32>>,
    /// Each table's total.
    pub claims: Vec<QM31>,
    /// Commitments of the values, evaluations, sums and composition trees.
    pub commitments: [Hash; 4],
    /// For each tree and column, its values at the out-of-domain points.
    pub samples: Vec<Vec<Vec<QM31>>>,
    /// For each tree and column, its values at the query positions.
    pub queried: Vec<Vec<Vec<M31>>>,
    /// For each tree, the hashes that complete its Merkle paths.
    pub paths: Vec<Vec<Hash>>,
    /// Proof of work before the lookups' challenges, where the key's parameters ask for one.
    pub lookup_nonce: Option<u64>,
    /// Proof of work before the openings are combined.
    pub opening_nonce: u64,
    /// Proof of work before the queries are drawn.
    pub nonce: u64,
    /// FRI layers: the first, then the inner ones.
    pub layers: Vec<Layer>,
    /// Coefficients of the last FRI layer.
    pub last_layer: Vec<QM31>,
    /// What the proof is made for: the transcript absorbs it, so that a proof for one purpose is none
    /// for another. Last in the bytes, and left out if there is none.
    pub context: Option<Hash>,
}

/// A FRI layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its commitment.
    pub commitment: Hash,
    /// Evaluations that the verifier cannot compute.
    pub evaluations: Vec<QM31>,
    /// Hashes that complete its Merkle paths.
    pub path: Vec<Hash>,
}

/// A Merkle path as stwo's verifier takes it; `None` if a hash is none.
pub(crate) fn decommitment<H: HashBytes>(path: &[Hash]) -> Option<MerkleDecommitmentLifted<H>> {
    let hash_witness = path.iter().map(H::from_bytes).collect::<Option<_>>()?;
    Some(MerkleDecommitmentLifted { hash_witness })
}

/// Numbers of samples of each column of each tree, as the key fixes them.
pub fn sample_counts(key: &Key) -> Vec<Vec<usize>> {
    let none = alloc::sync::Arc::new(crate::challenges::Challenges::none());
    let claims = alloc::vec![QM31::default(); key.layout.instances.len()];
    let tables = crate::component::components(&key.layout, &none, &claims);
    let mut counts: Vec<Vec<usize>> = alloc::vec![Vec::new(); TREES];
    for table in &tables {
        for (tree, before) in counts.iter_mut().zip(table.before()) {
            tree.extend(before.iter().map(|b| 1 + usize::from(*b)));
        }
    }
    if let Some(program) = counts.first_mut() {
        *program = alloc::vec![1; key.layout.program_columns().log_sizes.len()];
    }
    counts.push(alloc::vec![1; COMPOSITION_COLUMNS]);
    counts
}

impl Proof {
    /// The proof's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = header(MAGIC, VERSION);
        w.raw(&self.key);
        for value in self.public.iter().flatten() {
            w.raw(&value.to_le_bytes());
        }
        for claim in &self.claims {
            w.qm31(*claim);
        }
        for commitment in &self.commitments {
            w.hash(commitment);
        }
        for sample in self.samples.iter().flatten().flatten() {
            w.qm31(*sample);
        }
        let opened = self.queried.iter().flatten().next().map_or(0, Vec::len);
        w.u32(opened as u32);
        for value in self.queried.iter().flatten().flatten() {
            w.u32(value.0);
        }
        for path in &self.paths {
            w.list(path, |w, hash| w.hash(hash));
        }
        if let Some(nonce) = self.lookup_nonce {
            w.u64(nonce);
        }
        w.u64(self.opening_nonce);
        w.u64(self.nonce);
        w.list(&self.layers, |w: &mut Writer, layer| {
            w.hash(&layer.commitment);
            w.list(&layer.evaluations, |w, value| w.qm31(*value));
            w.list(&layer.path, |w, hash| w.hash(hash));
        });
        for value in &self.last_layer {
            w.qm31(*value);
        }
        if let Some(context) = &self.context {
            w.hash(context);
        }
        w.0
    }

    /// The fingerprint of the key that a proof's bytes name.
    ///
    /// # Errors
    /// The bytes are not a proof of this version.
    pub fn key_of(bytes: &[u8]) -> Result<[u8; 32], FormatError> {
        let mut r = Reader::new(bytes);
        check_header(&mut r, MAGIC, VERSION, "proof")?;
        r.array()
    }

    /// Reads a proof made for `key`.
    ///
    /// # Errors
    /// The bytes are not a proof of this version, or of other sizes than the key's proofs.
    pub fn from_bytes(bytes: &[u8], key: &Key) -> Result<Self, FormatError> {
        let mut r = Reader::new(bytes);
        check_header(&mut r, MAGIC, VERSION, "proof")?;
        let named = r.array()?;
        r.section("public values");
        let mut public = Vec::new();
        for tensor in &key.layout.public {
            let value = |r: &mut Reader<'_>| Ok(i32::from_le_bytes(r.array()?));
            public.push(r.items(tensor.addresses.len(), 4, value)?);
        }
        r.section("totals");
        let claims = r.items(key.layout.instances.len(), 16, Reader::qm31)?;
        r.section("commitments");
        let commitments = [r.hash()?, r.hash()?, r.hash()?, r.hash()?];
        r.section("out-of-domain values");
        let counts = sample_counts(key);
        let mut samples = Vec::new();
        for tree in &counts {
            let columns = tree.iter().map(|count| r.items(*count, 16, Reader::qm31));
            samples.push(columns.collect::<Result<Vec<_>, _>>()?);
        }
        r.section("opened values");
        let opened = r.u32()? as usize;
        if opened > key.parameters().queries {
            return Err(r.malformed());
        }
        let mut queried = Vec::new();
        for tree in &counts {
            let columns = tree.iter().map(|_| r.items(opened, 4, Reader::m31));
            queried.push(columns.collect::<Result<Vec<_>, _>>()?);
        }
        r.section("Merkle paths");
        let paths = counts.iter().map(|_| r.list(32, Reader::hash)).collect::<Result<_, _>>()?;
        r.section("proof of work");
        let lookup_nonce = match key.parameters().lookup_pow_bits {
            0 => None,
            _ => Some(r.u64()?),
        };
        let opening_nonce = r.u64()?;
        let nonce = r.u64()?;
        r.section("low-degree test");
        let layers = r.list(40, |r| {
            Ok(Layer {
                commitment: r.hash()?,
                evaluations: r.list(16, Reader::qm31)?,
                path: r.list(32, Reader::hash)?,
            })
        })?;
        let coefficients = 1usize << key.parameters().log_last_layer;
        let last_layer = r.items(coefficients, 16, Reader::qm31)?;
        r.section("context");
        let context = match r.rest() {
            [] => None,
            _ => Some(r.hash()?),
        };
        r.end()?;
        let key = named;
        Ok(Self {
            key,
            public,
            claims,
            commitments,
            samples,
            queried,
            paths,
            lookup_nonce,
            opening_nonce,
            nonce,
            layers,
            last_layer,
            context,
        })
    }

    /// The low-degree part, from stwo's.
    pub fn layers_of<H: HashBytes>(fri: FriProof<H>) -> (Vec<Layer>, Vec<QM31>) {
        let layer = |layer: FriLayerProof<H>| Layer {
            commitment: H::to_bytes(layer.commitment),
            evaluations: layer.fri_witness,
            path: layer.decommitment.hash_witness.into_iter().map(H::to_bytes).collect(),
        };
        let layers = core::iter::once(fri.first_layer).chain(fri.inner_layers).map(layer).collect();
        (layers, fri.last_layer_poly.to_vec())
    }

    /// The low-degree part, as stwo's verifier takes it; `None` unless the last layer has
    /// `coefficients` coefficients (stwo asserts a power of two) and all hashes are hashes.
    pub(crate) fn fri<H: HashBytes>(&self, coefficients: usize) -> Option<FriProof<H>> {
        if self.last_layer.len() != coefficients {
            return None;
        }
        let layer = |layer: &Layer| {
            Some(FriLayerProof {
                fri_witness: layer.evaluations.clone(),
                decommitment: decommitment(&layer.path)?,
                commitment: H::from_bytes(&layer.commitment)?,
            })
        };
        let (first, inner) = self.layers.split_first()?;
        Some(FriProof {
            first_layer: layer(first)?,
            inner_layers: inner.iter().map(layer).collect::<Option<_>>()?,
            last_layer_poly: LinePoly::new(self.last_layer.clone()),
        })
    }

    /// The opened values of all trees.
    pub(crate) fn opened(&self) -> TreeVec<Vec<Vec<M31>>> {
        TreeVec::new(self.queried.clone())
    }
}
