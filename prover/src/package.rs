//! What a prover keeps of a model: the graph with its weights, the ONNX file it came from, and the
//! verification key. Bytes: magic `VERISTRM`, version, then the fields in postcard encoding.

use crate::commitments::{Commitments, Fixed};
use crate::error::ProveError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tracing::instrument;
use veristar_air::program::Program;
use veristar_air::{compile, Options};
use veristar_model::{Graph, TensorId};
use veristar_security::{reserved_rows, Preset, LOG_LOW};
use veristar_verifier::bytes::{check_header, header, Reader};
use veristar_verifier::{FormatError, Key};

const MAGIC: &[u8; 8] = b"VERISTRM";
/// Version of the package format.
pub const VERSION: u16 = 1;

/// A model, ready to be proven. Private: it holds the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// The quantised graph.
    pub graph: Graph,
    /// The verification key.
    pub key: Key,
    /// The original ONNX file, for comparisons with float inference; may be empty.
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
}

/// Compiles a graph and commits to its program and weights.
///
/// # Errors
/// The graph is not usable, or too large.
#[instrument(skip_all, name = "setup")]
pub fn setup(graph: Graph, options: &SetupOptions) -> Result<Package, ProveError> {
    let program = compile_for(&graph, options.preset, options.batch, &options.public)?;
    let architecture = architecture(&graph);
    let mut key = Key {
        name: graph.name.clone(),
        preset: options.preset,
        hiding: false,
        architecture,
        layout: program.layout.clone(),
        program_root: [0; 32],
        weights_root: [0; 32],
    };
    let commitments = Commitments::new(&key);
    key.program_root = Fixed::program(&program, &commitments).root();
    key.weights_root = Fixed::weights(&program, &commitments).root();
    // The limits of a key are checked where it is read: here too.
    Key::from_bytes(&key.to_bytes())?;
    Ok(Package { graph, key, onnx: Vec::new() })
}

/// BLAKE3 hash of the public part of a graph.
pub fn architecture(graph: &Graph) -> [u8; 32] {
    let bytes = postcard::to_allocvec(&graph.architecture()).unwrap_or_default();
    *blake3::hash(&bytes).as_bytes()
}

/// Compiles with the rows reserved that the preset asks for at the resulting height. A preset may
/// have other parameters for low tables than for tall ones: low ones are tried first.
fn compile_for(
    graph: &Graph,
    preset: Preset,
    batch: usize,
    public: &BTreeSet<TensorId>,
) -> Result<Program, ProveError> {
    let reserved_at = |log_height| reserved_rows(&preset.parameters(log_height));
    let mut reserved = reserved_at(LOG_LOW);
    loop {
        let program = compile(graph, &Options { batch, reserved, public: public.clone() })?;
        let needed = reserved_at(program.layout.log_height());
        // Reserving more rows never makes tables lower, so this ends.
        if needed <= reserved {
            return Ok(program);
        }
        reserved = needed;
    }
}

impl Package {
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
        let program = compile_for(&self.graph, self.key.preset, batch, &public)?;
        match program.layout == self.key.layout {
            true => Ok(program),
            false => Err(ProveError::Mismatch),
        }
    }

    /// The package's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = header(MAGIC, VERSION);
        writer.raw(&postcard::to_allocvec(self).unwrap_or_default());
        writer.0
    }

    /// Reads a package.
    ///
    /// # Errors
    /// The bytes are not a package of this version, or its key is unusable.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProveError> {
        let mut reader = Reader::new(bytes);
        check_header(&mut reader, MAGIC, VERSION, "model package")?;
        let (package, rest) = postcard::take_from_bytes::<Self>(reader.rest())
            .map_err(|_| FormatError::Malformed { section: "model package" })?;
        if !rest.is_empty() {
            return Err(FormatError::Trailing { count: rest.len() }.into());
        }
        Key::from_bytes(&package.key.to_bytes())?;
        Ok(package)
    }
}
