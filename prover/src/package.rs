//! What a prover keeps of a model: the graph with its weights, the ONNX file it came from, and the
//! verification key. Bytes: magic `VERISTRM`, version, a length in eight bytes (little-endian), that many bytes
//! with all but the ONNX file in postcard encoding, then the ONNX file to the end: whoever proves need not
//! read it.

use crate::commitments::{Commitments, Fixed, Keep};
use crate::error::ProveError;
use crate::footprint::committing;
use crate::randomness::{seed, Randomness};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::Read;
use std::num::NonZeroU32;
use stwo::core::channel::MerkleChannel;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use tracing::instrument;
use veristar_air::program::{Instance, Program, Table};
use veristar_air::{compile, Options, Reserved};
use veristar_model::{Graph, TensorId};
use veristar_security::{HashFunction, Hiding, Preset, LOG_LOW};
use veristar_verifier::bytes::{check_header, header, Reader};
use veristar_verifier::hash::HashBytes;
use veristar_verifier::{FormatError, Key};

const MAGIC: &[u8; 8] = b"VERISTRM";
/// Version of the package format.
pub const VERSION: u16 = 2;

/// A model, ready to be proven. Private: it holds the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// The quantised graph.
    pub graph: Graph,
    /// The verification key.
    pub key: Key,
    /// Where the random cells of the weights commitment come from; `None` if nothing is hidden.
    pub weights_seed: Option<[u8; 32]>,
    /// What users should know of the outputs, such as a softmax that was left out.
    pub notes: Vec<String>,
    /// The original ONNX file, for comparisons with float inference; may be empty.
    #[serde(skip)]
    pub onnx: Vec<u8>,
}

/// What a set-up may choose.
#[derive(Clone, Debug)]
pub struct SetupOptions {
    /// Parameters.
    pub preset: Preset,
    /// Inferences in one proof.
    pub batch: usize,
    /// Public tensors among the graph's inputs and outputs.
    pub public: BTreeSet<TensorId>,
    /// What is hidden.
    pub hiding: HidingOption,
}

/// Whether proofs hide what is not public, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HidingOption {
    /// They do not: for public models and inputs. Proofs are a little smaller and quicker.
    None,
    /// They do, for as many proofs as fit in tables of the size that the model needs anyway, and for
    /// 32 at least.
    Fitting,
    /// They do, for this many proofs.
    Proofs(NonZeroU32),
}

/// Compiles a graph and commits to its program and weights.
///
/// # Errors
/// The graph is not usable, or too large.
#[instrument(skip_all, name = "setup")]
pub fn setup(graph: Graph, options: &SetupOptions) -> Result<Package, ProveError> {
    Draft::new(graph, options)?.commit()
}

/// A graph that is compiled, and nothing committed yet: from here on it is known how large all is.
pub struct Draft {
    graph: Graph,
    program: Program,
    /// The key, without its roots.
    key: Key,
}

impl Draft {
    /// Compiles a graph.
    ///
    /// # Errors
    /// The graph is not usable, or too large.
    pub fn new(graph: Graph, options: &SetupOptions) -> Result<Self, ProveError> {
        let compiled =
            |proofs| compile_for(&graph, options.preset, options.batch, &options.public, proofs);
        let (proofs, program) = match options.hiding {
            HidingOption::None => (0, compiled(0)?),
            HidingOption::Proofs(n) => (n.get(), compiled(n.get())?),
            HidingOption::Fitting => {
                let program = compiled(LEAST_PROOFS)?;
                let proofs = fitting_proofs(&program, options.preset, LEAST_PROOFS);
                (proofs, compiled(proofs)?)
            }
        };
        let key = Key {
            name: graph.name.clone(),
            preset: options.preset,
            proofs,
            architecture: architecture(&graph),
            layout: program.layout.clone(),
            program_root: [0; 32],
            weights_root: [0; 32],
        };
        Ok(Self { graph, program, key })
    }

    /// Bytes that [`Draft::commit`] takes, besides those taken already.
    pub fn committing(&self) -> u64 {
        committing(&self.key)
    }

    /// Commits to the program and to the weights.
    ///
    /// # Errors
    /// There is no randomness to hide with, or the key is too large.
    pub fn commit(self) -> Result<Package, ProveError> {
        let Self { graph, program, mut key } = self;
        let weights_seed = match key.hides() {
            false => None,
            true => Some(seed()?),
        };
        // Only the roots are asked for.
        let commitments = Commitments::keeping(&key, Keep::Least);
        let randomness = weights_seed.map_or_else(Randomness::none, Randomness::from_seed);
        let roots = match key.preset.hash() {
            HashFunction::Blake2s => roots::<Blake2sMerkleChannel>,
            HashFunction::Poseidon252 => roots::<Poseidon252MerkleChannel>,
        };
        (key.program_root, key.weights_root) = roots(&program, &commitments, randomness);
        let (notes, onnx) = (Vec::new(), Vec::new());
        let package = Package { graph, key, weights_seed, notes, onnx };
        // The limits of a key are checked where it is read: here too.
        Key::from_bytes(&package.key.to_bytes())?;
        Ok(package)
    }
}

/// Commitments of the program and of the weights.
fn roots<MC: MerkleChannel<H: HashBytes>>(
    program: &Program,
    commitments: &Commitments,
    randomness: Randomness,
) -> ([u8; 32], [u8; 32])
where
    SimdBackend: BackendForChannel<MC>,
{
    // One after the other: neither tree is needed any longer than for its root.
    let program_root = Fixed::<MC>::program(program, commitments).root();
    (program_root, Fixed::<MC>::weights(program, commitments, randomness).root())
}

/// BLAKE3 hash of the public part of a graph.
pub fn architecture(graph: &Graph) -> [u8; 32] {
    let bytes = postcard::to_allocvec(&graph.architecture()).unwrap_or_default();
    *blake3::hash(&bytes).as_bytes()
}

/// Compiles for a number of proofs (0: none are hidden), with the rows reserved that the preset asks
/// for at the resulting height. A preset may have other parameters for low tables than for tall
/// ones: low ones are tried first.
fn compile_for(
    graph: &Graph,
    preset: Preset,
    batch: usize,
    public: &BTreeSet<TensorId>,
    proofs: u32,
) -> Result<Program, ProveError> {
    let reserved_at = |log_height| match proofs {
        0 => Reserved::NONE,
        _ => {
            let hiding = Hiding::new(&preset.parameters(log_height));
            Reserved {
                rows: hiding.reserved(),
                weights: hiding.reserved_weights(proofs as usize),
                blind: Some(hiding.log_blind()),
            }
        }
    };
    let mut reserved = reserved_at(LOG_LOW);
    loop {
        let program = compile(graph, &Options { batch, reserved, public: public.clone() })?;
        let needed = reserved_at(program.layout.log_height());
        // Reserving more rows never makes tables lower, so this ends.
        if needed.rows <= reserved.rows && needed.weights <= reserved.weights {
            return Ok(program);
        }
        reserved = needed;
    }
}

/// For how many proofs the rows are enough that a program's weights do not need; at least `least`.
fn fitting_proofs(program: &Program, preset: Preset, least: u32) -> u32 {
    let hiding = Hiding::new(&preset.parameters(program.layout.log_height()));
    let tables = program.layout.instances.iter().zip(&program.tables);
    let room = |(instance, table): (&Instance, &Table)| {
        let free = (1usize << instance.log_size) - table.used;
        let proofs = hiding.proofs(free.saturating_sub(hiding.zero_rows()));
        instance.chip.holds_weights().then_some(proofs)
    };
    let fitting = tables.filter_map(room).min();
    fitting.map_or(UNLIMITED, |proofs| (proofs as u32).clamp(least, UNLIMITED))
}

/// Proofs of a model without weights: nothing is opened twice.
const UNLIMITED: u32 = u32::MAX;
/// Proofs for which weights are hidden at least, if the caller does not say.
const LEAST_PROOFS: u32 = 32;

impl Package {
    /// The random cells of the weights commitment, always the same.
    pub fn weights_randomness(&self) -> Randomness {
        self.weights_seed.map_or_else(Randomness::none, Randomness::from_seed)
    }

    /// Compiles the graph again and checks that it is the key's.
    ///
    /// # Errors
    /// The graph does not compile, or not to the key.
    #[instrument(skip_all, name = "compile")]
    pub fn program(&self) -> Result<Program, ProveError> {
        let names: Vec<(&str, bool)> =
            self.key.layout.public.iter().map(|t| (t.name.as_str(), t.input)).collect();
        let tensors = |ids: &[TensorId], input: bool| -> Vec<TensorId> {
            let is_public = |id: &TensorId| {
                let tensor = self.graph.tensors.get(*id);
                tensor.is_some_and(|t| names.contains(&(t.name.as_str(), input)))
            };
            ids.iter().copied().filter(is_public).collect()
        };
        let mut public: BTreeSet<TensorId> =
            tensors(&self.graph.inputs, true).into_iter().collect();
        public.extend(tensors(&self.graph.outputs, false));
        let batch = self.key.layout.batch as usize;
        let program = compile_for(&self.graph, self.key.preset, batch, &public, self.key.proofs)?;
        match program.layout == self.key.layout {
            true => Ok(program),
            false => Err(ProveError::Mismatch),
        }
    }

    /// The package's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let proving = postcard::to_allocvec(self).unwrap_or_default();
        let mut writer = header(MAGIC, VERSION);
        writer.raw(&(proving.len() as u64).to_le_bytes());
        writer.raw(&proving);
        writer.raw(&self.onnx);
        writer.0
    }

    /// Reads a package.
    ///
    /// # Errors
    /// The bytes are not a package of this version, or its key is unusable.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, ProveError> {
        let mut package = Self::for_proving(&mut bytes)?;
        package.onnx = bytes.to_vec();
        Ok(package)
    }

    /// Reads a package up to its ONNX file, which proofs do not need and which may be as large as all
    /// weights: [`Package::onnx`] stays empty.
    ///
    /// # Errors
    /// As [`Package::from_bytes`], or the source cannot be read.
    pub fn for_proving(source: &mut impl Read) -> Result<Self, ProveError> {
        let malformed = || FormatError::Malformed { section: "model package" };
        let head = read_up_to(source, HEADER)?;
        let mut reader = Reader::new(&head);
        check_header(&mut reader, MAGIC, VERSION, "model package")?;
        let length: [u8; 8] = reader.rest().try_into().map_err(|_| malformed())?;
        let length = u64::from_le_bytes(length);
        let bytes = read_up_to(source, length)?;
        if bytes.len() as u64 != length {
            return Err(malformed().into());
        }
        let (package, rest) = postcard::take_from_bytes::<Self>(&bytes).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(FormatError::Trailing { count: rest.len() }.into());
        }
        Key::from_bytes(&package.key.to_bytes())?;
        Ok(package)
    }
}

/// Bytes of magic, version and length.
const HEADER: u64 = 8 + 2 + 8;

/// The next bytes, fewer where the source ends.
fn read_up_to(source: &mut impl Read, length: u64) -> Result<Vec<u8>, ProveError> {
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes).map_err(ProveError::Read)?;
    Ok(bytes)
}
