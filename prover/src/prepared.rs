//! A package made ready for many proofs: program and weights committed, twiddles computed.

use crate::commitments::{Commitments, Fixed};
use crate::error::ProveError;
use crate::package::Package;
use crate::prove::{prove_for, Proven};
use crate::randomness::Randomness;
use crate::sums::TableColumns;
use crate::witness::uses::Directory;
use stwo::core::channel::MerkleChannel;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use tracing::instrument;
use veristar_air::program::{Layout, Program};
use veristar_security::HashFunction;
use veristar_verifier::hash::{Hash, HashBytes};

/// A package ready for proofs. `MC` is the transcript: the one that verifiers use, but in tests that fix
/// its challenges.
pub struct Prepared<MC: MerkleChannel = Blake2sMerkleChannel>
where
    SimdBackend: BackendForChannel<MC>,
{
    /// The package.
    pub package: Package,
    /// The compiled program.
    pub program: Program,
    /// The key's fingerprint.
    pub fingerprint: [u8; 32],
    /// Shared by all commitments.
    pub commitments: Commitments,
    /// Where table entries are.
    pub directory: Directory,
    pub(crate) fixed_program: Fixed<MC>,
    pub(crate) fixed_weights: Fixed<MC>,
}

impl Prepared {
    /// Compiles the package and commits to its program and weights.
    ///
    /// # Errors
    /// The result is not what the package's key says.
    pub fn new(package: Package) -> Result<Self, ProveError> {
        Self::hashed(package)
    }
}

impl<MC: MerkleChannel<H: HashBytes>> Prepared<MC>
where
    SimdBackend: BackendForChannel<MC>,
{
    /// [`Prepared::new`] for any transcript: `MC` must be the one of the package's preset.
    ///
    /// # Errors
    /// As there.
    pub fn hashed(package: Package) -> Result<Self, ProveError> {
        let randomness = package.weights_randomness();
        let weights_root = package.key.weights_root;
        let prepared = Self::recommitted(package, randomness)?;
        match prepared.package.key.weights_root == weights_root {
            true => Ok(prepared),
            false => Err(ProveError::Mismatch),
        }
    }

    /// Commits to the package's weights with given random cells; the key's weights root follows.
    ///
    /// # Errors
    /// The package does not compile to its key.
    #[doc(hidden)]
    #[instrument(skip_all, name = "prepare")]
    pub fn recommitted(mut package: Package, weights: Randomness) -> Result<Self, ProveError> {
        let program = package.program()?;
        let commitments = Commitments::new(&package.key);
        let fixed_program = Fixed::program(&program, &commitments);
        let fixed_weights = Fixed::weights(&program, &commitments, weights);
        if fixed_program.root() != package.key.program_root {
            return Err(ProveError::Mismatch);
        }
        package.key.weights_root = fixed_weights.root();
        let functions: Vec<_> =
            program.functions.iter().map(|id| &package.graph.tables[*id]).collect();
        let directory = Directory::new(&program, &functions);
        Ok(Self {
            fingerprint: package.key.fingerprint(),
            directory,
            commitments,
            fixed_program,
            fixed_weights,
            program,
            package,
        })
    }

    /// What the verifier knows.
    pub fn layout(&self) -> &Layout {
        &self.package.key.layout
    }

    /// A table's columns on the trace domain: committed once, and of one witness.
    pub(crate) fn columns<'a>(
        &'a self,
        table: usize,
        values: &'a [Vec<BaseColumn>],
        evaluations: &'a [Vec<BaseColumn>],
    ) -> TableColumns<'a> {
        let instances = &self.layout().instances;
        let indices = self.layout().program_columns().indices;
        let first: usize = instances[..table].iter().map(|i| i.shape().weights).sum();
        let weights = instances[table].shape().weights;
        TableColumns {
            program: indices[table].iter().map(|i| &self.fixed_program.columns[*i]).collect(),
            weights: self.fixed_weights.columns[first..first + weights].iter().collect(),
            values: values[table].iter().collect(),
            evaluations: evaluations[table].iter().collect(),
        }
    }
}

/// A package ready for proofs, with the hash function of its preset.
pub enum AnyPrepared {
    /// For native and browser verifiers.
    Blake2s(Prepared),
    /// For the contract on Starknet.
    Poseidon252(Prepared<Poseidon252MerkleChannel>),
}

impl AnyPrepared {
    /// Compiles the package and commits to its program and weights.
    ///
    /// # Errors
    /// The result is not what the package's key says.
    pub fn new(package: Package) -> Result<Self, ProveError> {
        Ok(match package.key.preset.hash() {
            HashFunction::Blake2s => Self::Blake2s(Prepared::hashed(package)?),
            HashFunction::Poseidon252 => Self::Poseidon252(Prepared::hashed(package)?),
        })
    }

    /// The package.
    pub fn package(&self) -> &Package {
        match self {
            Self::Blake2s(prepared) => &prepared.package,
            Self::Poseidon252(prepared) => &prepared.package,
        }
    }

    /// [`prove_for`].
    ///
    /// # Errors
    /// As there.
    pub fn prove_for(
        &self,
        inputs: &[Vec<Vec<i64>>],
        context: Option<Hash>,
    ) -> Result<Proven, ProveError> {
        match self {
            Self::Blake2s(prepared) => prove_for(prepared, inputs, context),
            Self::Poseidon252(prepared) => prove_for(prepared, inputs, context),
        }
    }
}
