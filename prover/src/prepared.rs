//! A package made ready for many proofs: program and weights committed, twiddles computed.

use crate::commitments::{Commitments, Fixed, Keep};
use crate::error::ProveError;
use crate::package::Package;
use crate::prove::{prove_for, Proven};
use crate::randomness::Randomness;
use crate::recover::Recovered;
use crate::sums::TableColumns;
use crate::trace::Evaluation;
use crate::witness::uses::Directory;
use stwo::core::channel::MerkleChannel;
use stwo::core::pcs::TreeVec;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use tracing::instrument;
use veristar_air::chips::{Chip, Shape};
use veristar_air::program::{Layout, Program};
use veristar_security::HashFunction;
use veristar_verifier::component::{EVALUATIONS, PROGRAM, VALUES, WEIGHTS};
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
        Self::keeping(package, Keep::All)
    }

    /// [`Prepared::hashed`] that keeps less in memory.
    ///
    /// # Errors
    /// As there.
    pub fn keeping(package: Package, keep: Keep) -> Result<Self, ProveError> {
        let randomness = package.weights_randomness();
        let weights_root = package.key.weights_root;
        let prepared = Self::committed(package, randomness, keep)?;
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
    pub fn recommitted(package: Package, weights: Randomness) -> Result<Self, ProveError> {
        Self::committed(package, weights, Keep::All)
    }

    #[instrument(skip_all, name = "prepare")]
    fn committed(
        mut package: Package,
        weights: Randomness,
        keep: Keep,
    ) -> Result<Self, ProveError> {
        let mut program = package.program()?;
        let commitments = Commitments::keeping(&package.key, keep);
        let fixed_program = Fixed::program(&program, &commitments);
        let fixed_weights = Fixed::weights(&program, &commitments, weights);
        if fixed_program.root() != package.key.program_root {
            return Err(ProveError::Mismatch);
        }
        package.key.weights_root = fixed_weights.root();
        let functions: Vec<_> =
            program.functions.iter().map(|id| &package.graph.tables[*id]).collect();
        let directory = Directory::new(&program, &functions);
        if keep == Keep::Least {
            let tables = program.layout.instances.iter().zip(&mut program.tables);
            // The graph has them too, and the witness does not look at them.
            for (_, table) in tables.filter(|(i, _)| matches!(i.chip, Chip::Weights(_))) {
                table.weights = Vec::new();
            }
        }
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
        let own = first..first + instances[table].shape().weights;
        let program = self.fixed_program.columns(&self.commitments);
        TableColumns {
            program: indices[table].iter().map(|i| &program[*i]).collect(),
            weights: self.fixed_weights.columns(&self.commitments)[own].iter().collect(),
            values: values[table].iter().collect(),
            evaluations: evaluations[table].iter().collect(),
        }
    }
}

impl<MC: MerkleChannel<H: HashBytes>> Prepared<MC>
where
    SimdBackend: BackendForChannel<MC>,
{
    /// The same as [`Prepared::columns`], recovered from what is committed of all trees so far.
    pub(crate) fn recover(&self, table: usize, committed: &TreeVec<Vec<&Evaluation>>) -> Recovered {
        let instances = &self.layout().instances;
        let program = self.layout().program_columns().indices;
        let recovery = self.commitments.recovery([instances[table].log_size]);
        let columns = |tree: usize, count: fn(&Shape) -> usize| {
            let first: usize = instances[..table].iter().map(|i| count(&i.shape())).sum();
            let own = first..first + count(&instances[table].shape());
            recovery.columns(&committed[tree][own])
        };
        let program: Vec<&Evaluation> =
            program[table].iter().map(|i| committed[PROGRAM][*i]).collect();
        Recovered {
            program: recovery.columns(&program),
            weights: columns(WEIGHTS, |shape| shape.weights),
            values: columns(VALUES, |shape| shape.values),
            evaluations: columns(EVALUATIONS, |shape| 4 * shape.evaluations),
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
        Self::keeping(package, Keep::All)
    }

    /// [`AnyPrepared::new`] that keeps less in memory.
    ///
    /// # Errors
    /// As there.
    pub fn keeping(package: Package, keep: Keep) -> Result<Self, ProveError> {
        Ok(match package.key.preset.hash() {
            HashFunction::Blake2s => Self::Blake2s(Prepared::keeping(package, keep)?),
            HashFunction::Poseidon252 => Self::Poseidon252(Prepared::keeping(package, keep)?),
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
