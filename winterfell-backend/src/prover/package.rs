//! What a prover keeps of a model: the graph with its weights, and the key. Bytes: magic `VERISTWM`,
//! version, then the fields in postcard encoding.

use super::error::ProveError;
use super::trees::{program_columns, weights_columns, Shared};
use crate::bytes::{check_header, header};
use crate::columns::Columns;
use crate::error::FormatError;
use crate::key::{Hiding, Precision, WinterfellKey};
use crate::parameters::Preset;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use veristar_air::program::Program;
use veristar_air::{compile_in, Options, Reserved};
use veristar_model::{Graph, TensorId};

const MAGIC: &[u8; 8] = b"VERISTWM";
/// Version of the package format. 2 keeps the ONNX file.
pub const VERSION: u16 = 2;

/// A model, ready to be proven. Private: it holds the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// The quantised graph.
    pub graph: Graph,
    /// The verification key.
    pub key: WinterfellKey,
    /// What users should know of the outputs, such as a softmax that was left out.
    pub notes: Vec<String>,
    /// The ONNX file that the graph was made from, if any: no proof needs it.
    pub onnx: Vec<u8>,
}

/// What a set-up may choose.
#[derive(Clone, Debug)]
pub struct SetupOptions {
    /// Parameters.
    pub preset: Preset,
    /// Which integers the model may use.
    pub precision: Precision,
    /// Inferences in one proof.
    pub batch: usize,
    /// Public tensors among the graph's inputs and outputs.
    pub public: BTreeSet<TensorId>,
}

/// Compiles a graph and commits to its program and weights.
///
/// # Errors
/// The graph is not usable, or too large.
pub fn setup(graph: Graph, options: &SetupOptions) -> Result<Package, ProveError> {
    let program = compile_for(&graph, options.precision, options.batch, options.public.clone())?;
    let architecture = postcard::to_allocvec(&graph.architecture()).unwrap_or_default();
    let mut key = WinterfellKey {
        name: graph.name.clone(),
        preset: options.preset,
        precision: options.precision,
        hiding: Hiding::Nothing,
        architecture: *blake3::hash(&architecture).as_bytes(),
        layout: program.layout.clone(),
        program_root: [0; 32],
        weights_root: [0; 32],
    };
    let columns = Columns::new(&key.layout);
    let shared = Shared::new(&columns, key.preset);
    key.program_root = shared.commit(program_columns(&program, &columns)).root_bytes();
    key.weights_root = shared.commit(weights_columns(&program, &columns)).root_bytes();
    // The limits of a key are checked where it is read: here too.
    WinterfellKey::from_bytes(&key.to_bytes())?;
    Ok(Package { graph, key, notes: Vec::new(), onnx: Vec::new() })
}

/// Compiles without rows for hiding: this backend hides nothing.
fn compile_for(
    graph: &Graph,
    precision: Precision,
    batch: usize,
    public: BTreeSet<TensorId>,
) -> Result<Program, ProveError> {
    let options = Options { batch, reserved: Reserved::NONE, public };
    Ok(compile_in(graph, &options, precision.bound())?)
}

impl Package {
    /// Compiles the graph again and checks that it is the key's.
    ///
    /// # Errors
    /// The graph does not compile, or not to the key.
    pub fn program(&self) -> Result<Program, ProveError> {
        let layout = &self.key.layout;
        let is_public = |id: &TensorId, input: bool| {
            let tensor = self.graph.tensors.get(*id);
            let named =
                |name: &str| layout.public.iter().any(|t| t.input == input && t.name == name);
            tensor.is_some_and(|tensor| named(&tensor.name))
        };
        let inputs = self.graph.inputs.iter().filter(|id| is_public(id, true));
        let outputs = self.graph.outputs.iter().filter(|id| is_public(id, false));
        let public = inputs.chain(outputs).copied().collect();
        let program = compile_for(&self.graph, self.key.precision, layout.batch as usize, public)?;
        match program.layout == *layout {
            true => Ok(program),
            false => Err(ProveError::Mismatch),
        }
    }

    /// The package's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = header(MAGIC, VERSION);
        // Serialising plain data to a vector cannot fail.
        bytes.extend(postcard::to_allocvec(self).unwrap_or_default());
        bytes
    }

    /// Reads a package.
    ///
    /// # Errors
    /// The bytes are not a package of this version, or its key is unusable.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProveError> {
        let rest = check_header(bytes, MAGIC, VERSION, "model package")?;
        let (package, rest) = postcard::take_from_bytes::<Self>(rest)
            .map_err(|error| FormatError::malformed("model package", &error))?;
        if !rest.is_empty() {
            return Err(FormatError::Trailing { count: rest.len() }.into());
        }
        WinterfellKey::from_bytes(&package.key.to_bytes())?;
        Ok(package)
    }
}
