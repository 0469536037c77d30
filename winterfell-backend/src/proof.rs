//! What a proof holds, and its bytes.
//!
//! Bytes: magic `VERISTWP`, which also names the backend, version, then the sections in the order of
//! [`WinterfellProof`]'s fields, little-endian. What the key already says (program and weights roots,
//! numbers of columns, parameters) is not in the proof, so a proof cannot choose it. Every accepted
//! proof has one encoding: elements are canonical, and Merkle paths have exactly the nodes that their
//! positions need (checked by [`mod@crate::verify`], which knows the positions).

use crate::bytes::{check_header, header, Sections};
use crate::columns::{Columns, TREES};
use crate::error::{FormatError, VerifyError};
use crate::field::{Cube, F};
use crate::key::WinterfellKey;
use crate::transcript::Digest;
use crate::verify::hex;
use alloc::vec::Vec;
use winter_math::FieldElement;
use winter_utils::{ByteWriter, Serializable};

const MAGIC: &[u8; 8] = b"VERISTWP";
/// Version of the proof format.
pub const VERSION: u16 = 1;

/// Hashes that complete the Merkle paths of some leaves: a list for each pair of leaves.
pub type Nodes = Vec<Vec<Digest>>;

/// Trees with columns over `F`, and over `K`.
const HALF: usize = TREES / 2;

/// A proof.
#[derive(Clone, Debug)]
pub struct WinterfellProof {
    /// Fingerprint of the key it was made for.
    pub key: [u8; 32],
    /// Values of the key's public tensors, in the key's order.
    pub public: Vec<Vec<i64>>,
    /// Each table's total.
    pub claims: Vec<Cube>,
    /// Commitments of the values, evaluations, sums and composition trees.
    pub commitments: [Digest; 4],
    /// For each tree, its columns at the out-of-domain point.
    pub here: [Vec<Cube>; TREES],
    /// For each tree, those columns that are opened there, at the row before.
    pub before: [Vec<Cube>; TREES],
    /// Commitments of the low-degree test: its layers, then the remainder.
    pub layer_commitments: Vec<Digest>,
    /// Proof of work before the queries are drawn.
    pub nonce: u64,
    /// Program, weights and values at the query positions, row by row.
    pub base: [Vec<F>; HALF],
    /// Evaluations, sums and composition at the query positions, row by row.
    pub extended: [Vec<Cube>; HALF],
    /// For each tree, what completes the Merkle paths of its rows.
    pub paths: [Nodes; TREES],
    /// The low-degree test's layers.
    pub layers: Vec<Layer>,
    /// Coefficients of the last layer's polynomial, the highest first.
    pub remainder: Vec<Cube>,
}

/// A layer of the low-degree test.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// Its values at the folded positions: cosets, one after another.
    pub values: Vec<Cube>,
    /// What completes their Merkle paths.
    pub paths: Nodes,
}

/// Sizes of the low-degree test under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FriShape {
    /// Layers before the remainder.
    pub layers: usize,
    /// Values folded into one.
    pub folding: usize,
    /// log2 of the evaluation domain.
    pub log_domain: u32,
    /// Coefficients of the remainder.
    pub remainder: usize,
}

impl FriShape {
    /// For a key.
    pub fn new(key: &WinterfellKey) -> Self {
        let fri = key.preset.options().to_fri_options();
        let log_height = key.layout.log_height();
        let log_domain = log_height + key.preset.blowup().ilog2();
        let (layers, folding) = (fri.num_fri_layers(1 << log_domain), fri.folding_factor());
        let folded = layers as u32 * folding.ilog2();
        Self { layers, folding, log_domain, remainder: 1 << log_height.saturating_sub(folded) }
    }

    /// Depth of layer `i`'s tree.
    pub fn depth(&self, i: usize) -> u8 {
        let folded = (i as u32 + 1) * self.folding.ilog2();
        self.log_domain.saturating_sub(folded) as u8
    }
}

impl WinterfellProof {
    /// The proof's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = header(MAGIC, VERSION);
        w.write_bytes(&self.key);
        for value in self.public.iter().flatten() {
            w.write_bytes(&value.to_le_bytes());
        }
        w.write_many(&self.claims);
        w.write_many(self.commitments);
        self.here.iter().chain(&self.before).for_each(|values| w.write_many(values));
        w.write_many(&self.layer_commitments);
        w.write_u64(self.nonce);
        let [.., composition] = &self.extended;
        w.write_u16((composition.len() / crate::columns::COMPOSITION_COLUMNS) as u16);
        self.base.iter().for_each(|rows| w.write_many(rows));
        self.extended.iter().for_each(|rows| w.write_many(rows));
        self.paths.iter().for_each(|paths| write_paths(&mut w, paths));
        for layer in &self.layers {
            w.write_u16(layer.values.len() as u16);
            w.write_many(&layer.values);
            write_paths(&mut w, &layer.paths);
        }
        w.write_many(&self.remainder);
        w
    }

    /// The fingerprint of the key that a proof's bytes name.
    ///
    /// # Errors
    /// The bytes are not a proof of this version.
    pub fn key_of(bytes: &[u8]) -> Result<[u8; 32], FormatError> {
        let rest = check_header(bytes, MAGIC, VERSION, "proof")?;
        let truncated = FormatError::Truncated { section: "key" };
        rest.first_chunk().copied().ok_or(truncated)
    }

    /// Reads a proof and checks that it names this key.
    ///
    /// # Errors
    /// Those of [`WinterfellProof::from_bytes`]; [`VerifyError::OtherKey`] before them, because another
    /// key's proof has other sizes and would look damaged.
    pub fn for_key(bytes: &[u8], key: &WinterfellKey) -> Result<Self, VerifyError> {
        let (got, expected) = (Self::key_of(bytes)?, key.fingerprint());
        if got != expected {
            return Err(VerifyError::OtherKey { expected: hex(&expected), got: hex(&got) });
        }
        Ok(Self::from_bytes(bytes, key)?)
    }

    /// Bytes of each section of `total`; what is in none of the large ones comes last.
    pub fn sections(&self, total: usize) -> Vec<(&'static str, usize)> {
        let cells = |rows: &[Vec<Cube>]| Cube::ELEMENT_BYTES * rows.iter().map(Vec::len).sum::<usize>();
        let nodes = |paths: &Nodes| paths.iter().map(|nodes| 1 + 32 * nodes.len()).sum::<usize>();
        let base = F::ELEMENT_BYTES * self.base.iter().map(Vec::len).sum::<usize>();
        let layers = self.layers.iter();
        let layers = layers.map(|l| Cube::ELEMENT_BYTES * l.values.len() + nodes(&l.paths));
        let remainder = Cube::ELEMENT_BYTES * self.remainder.len();
        let mut sections = Vec::from([
            ("public values", 8 * self.public.iter().map(Vec::len).sum::<usize>()),
            ("totals", Cube::ELEMENT_BYTES * self.claims.len()),
            ("commitments", 32 * (self.commitments.len() + self.layer_commitments.len())),
            ("out-of-domain values", cells(&self.here) + cells(&self.before)),
            ("opened values", base + cells(&self.extended)),
            ("Merkle paths", self.paths.iter().map(nodes).sum()),
            ("low-degree test", layers.sum::<usize>() + remainder),
        ]);
        let known: usize = sections.iter().map(|(_, bytes)| bytes).sum();
        sections.push(("header and proof of work", total.saturating_sub(known)));
        sections
    }

    /// Reads a proof for a key, which fixes all lengths but those that depend on the positions.
    ///
    /// # Errors
    /// The bytes are not a proof of this version and of the key's sizes.
    pub fn from_bytes(bytes: &[u8], key: &WinterfellKey) -> Result<Self, FormatError> {
        let columns = Columns::new(&key.layout);
        let fri = FriShape::new(key);
        let queries = key.preset.options().num_queries();
        let mut r = Sections::new(check_header(bytes, MAGIC, VERSION, "proof")?);
        let element = F::ELEMENT_BYTES;
        let cube = Cube::ELEMENT_BYTES;

        let named: Vec<u8> = r.section("key").items(32, 1)?;
        let key_named = <[u8; 32]>::try_from(named)
            .map_err(|_| FormatError::Truncated { section: "key" })?;
        r.section("public values");
        let mut public = Vec::new();
        for tensor in &key.layout.public {
            let values: Vec<u64> = r.items(tensor.addresses.len(), element)?;
            public.push(values.into_iter().map(|value| value as i64).collect());
        }
        let claims = r.section("totals").items(columns.tables.len(), cube)?;
        r.section("commitments");
        let commitments = [r.item()?, r.item()?, r.item()?, r.item()?];
        r.section("out-of-domain values");
        let mut here: [Vec<Cube>; TREES] = Default::default();
        for (values, count) in here.iter_mut().zip(columns.counts) {
            *values = r.items(count, cube)?;
        }
        let mut before: [Vec<Cube>; TREES] = Default::default();
        for (values, opened) in before.iter_mut().zip(&columns.before) {
            *values = r.items(opened.len(), cube)?;
        }
        let layer_commitments = r.section("low-degree test").items(fri.layers + 1, 32)?;
        let nonce = r.section("proof of work").item()?;
        let opened = usize::from(r.section("opened values").item::<u16>()?);
        if opened == 0 || opened > queries {
            return Err(FormatError::malformed("opened values", &"their number is impossible"));
        }
        let mut base: [Vec<F>; HALF] = Default::default();
        let mut extended: [Vec<Cube>; HALF] = Default::default();
        let mut counts = columns.counts.into_iter().map(|count| count * opened);
        for (rows, count) in base.iter_mut().zip(counts.by_ref()) {
            *rows = r.items(count, element)?;
        }
        // `zip` asks its first part first, so nothing of `counts` is lost between the loops.
        for (rows, count) in extended.iter_mut().zip(counts) {
            *rows = r.items(count, cube)?;
        }
        r.section("Merkle paths");
        let mut paths: [Nodes; TREES] = Default::default();
        for (paths, count) in paths.iter_mut().zip(columns.counts) {
            *paths = read_paths(&mut r, fri.log_domain as u8, queries)?;
            if count == 0 && !paths.is_empty() {
                return Err(FormatError::malformed("Merkle paths", &"an empty tree has some"));
            }
        }
        r.section("low-degree test");
        let mut layers = Vec::new();
        for i in 0..fri.layers {
            let values = r.list(queries * fri.folding, cube)?;
            layers.push(Layer { values, paths: read_paths(&mut r, fri.depth(i), queries)? });
        }
        let remainder = r.items(fri.remainder, cube)?;
        r.end()?;
        Ok(Self {
            key: key_named,
            public,
            claims,
            commitments,
            here,
            before,
            layer_commitments,
            nonce,
            base,
            extended,
            paths,
            layers,
            remainder,
        })
    }
}

fn write_paths(w: &mut Vec<u8>, paths: &Nodes) {
    w.write_u16(paths.len() as u16);
    for nodes in paths {
        w.write_u8(nodes.len() as u8);
        nodes.iter().for_each(|node| node.write_into(w));
    }
}

/// Reads paths of at most `queries` leaves in a tree of a depth that the key fixes.
fn read_paths(r: &mut Sections<'_>, depth: u8, queries: usize) -> Result<Nodes, FormatError> {
    let count = usize::from(r.item::<u16>()?);
    if count > queries {
        return Err(FormatError::malformed("Merkle paths", &"there are too many"));
    }
    let mut nodes = Vec::new();
    for _ in 0..count {
        let length = r.item::<u8>()?;
        if length > depth {
            return Err(FormatError::malformed("Merkle paths", &"one is too long"));
        }
        nodes.push(r.items(usize::from(length), 32)?);
    }
    Ok(nodes)
}
