//! A package made ready for many proofs: program and weights committed, twiddles computed.

use crate::error::ProveError;
use crate::package::Package;
use crate::sums::TableColumns;
use crate::trace::{m31, Evaluation, Placement};
use crate::witness::uses::Directory;
use rayon::prelude::*;
use std::collections::BTreeMap;
use stwo::core::fields::m31::M31;
use stwo::core::pcs::PcsConfig;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo::prover::CommitmentTreeProver;
use tracing::instrument;
use veristar_air::logup::{ACTIVE, EDGE, SHARED};
use veristar_air::program::{Layout, Program};
use veristar_verifier::Key;

/// A committed tree.
pub type Tree = CommitmentTreeProver<SimdBackend, Blake2sMerkleChannel>;

/// What commitments of one key share.
pub struct Commitments {
    /// The commitment scheme's configuration.
    pub config: PcsConfig,
    /// Twiddles for the largest domain.
    pub twiddles: TwiddleTree<SimdBackend>,
    /// Buffers reused between proofs.
    pub pool: BaseColumnPool<SimdBackend>,
    /// Where rows are stored, by log2 of the rows.
    pub placements: BTreeMap<u32, Placement>,
}

impl Commitments {
    /// For a key's sizes and parameters.
    pub fn new(key: &Key) -> Self {
        let config = key.config();
        let log_domain = key.layout.log_height() + config.fri_config.log_blowup_factor;
        let domain = CanonicCoset::new(log_domain).circle_domain();
        let reserved = key.layout.reserved as usize;
        let sizes = key.layout.instances.iter().map(|i| i.log_size);
        Self {
            config,
            twiddles: SimdBackend::precompute_twiddles(domain.half_coset),
            pool: BaseColumnPool::new(),
            placements: sizes.map(|log| (log, Placement::new(log, reserved))).collect(),
        }
    }

    fn tree(&self, columns: Vec<Evaluation>) -> Tree {
        let polynomials = SimdBackend::interpolate_columns(columns, &self.twiddles);
        CommitmentTreeProver::new(
            polynomials,
            self.config.fri_config.log_blowup_factor,
            &self.twiddles,
            true,
            self.config.lifting_log_size,
            &self.pool,
        )
    }
}

/// The program tree's columns on the trace domain, in the order of [`Layout::program_columns`].
fn program_columns(program: &Program, commitments: &Commitments) -> Vec<(u32, BaseColumn)> {
    let layout = &program.layout;
    let columns = layout.program_columns();
    let mut result: Vec<Option<(u32, BaseColumn)>> =
        columns.log_sizes.iter().map(|_| None).collect();
    for ((instance, table), indices) in
        layout.instances.iter().zip(&program.tables).zip(&columns.indices)
    {
        let log_size = instance.log_size;
        let placement = &commitments.placements[&log_size];
        let reserved = placement.first_active();
        for (own, index) in indices.iter().enumerate() {
            if result[*index].is_some() {
                continue;
            }
            let column = match own {
                ACTIVE => placement.column(&vec![M31::from(1); placement.rows() - reserved]),
                EDGE => {
                    let mut column = placement.column(&[]);
                    let cells = column.as_mut_slice();
                    for row in [reserved - 1, placement.rows() - 1] {
                        cells[placement.of(row)] = M31::from(1);
                    }
                    column
                }
                _ => {
                    let cells: Vec<M31> = table.program[own].iter().map(|v| m31(*v)).collect();
                    placement.column(&cells)
                }
            };
            result[*index] = Some((log_size, column));
        }
    }
    debug_assert!(SHARED == 2 && result.iter().all(Option::is_some));
    result.into_iter().flatten().collect()
}

fn weights_columns(program: &Program, commitments: &Commitments) -> Vec<(u32, BaseColumn)> {
    let tables = program.layout.instances.iter().zip(&program.tables);
    let columns: Vec<(u32, &Vec<i32>)> = tables
        .flat_map(|(instance, table)| table.weights.iter().map(|c| (instance.log_size, c)))
        .collect();
    columns
        .into_par_iter()
        .map(|(log_size, column)| {
            let cells: Vec<M31> = column.iter().map(|v| m31(*v)).collect();
            (log_size, commitments.placements[&log_size].column(&cells))
        })
        .collect()
}

fn evaluations(columns: &[(u32, BaseColumn)], commitments: &Commitments) -> Vec<Evaluation> {
    let place = |(log_size, column): &(u32, BaseColumn)| {
        commitments.placements[log_size].evaluation(column.clone())
    };
    columns.iter().map(place).collect()
}

/// Commits to the program columns.
pub fn commit_program(program: &Program, commitments: &Commitments) -> Tree {
    commitments.tree(evaluations(&program_columns(program, commitments), commitments))
}

/// Commits to the weights columns.
pub fn commit_weights(program: &Program, commitments: &Commitments) -> Tree {
    commitments.tree(evaluations(&weights_columns(program, commitments), commitments))
}

/// A package ready for proofs.
pub struct Prepared {
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
    /// Program columns on the trace domain.
    pub(crate) program_columns: Vec<BaseColumn>,
    /// Weights columns on the trace domain.
    pub(crate) weights_columns: Vec<BaseColumn>,
    pub(crate) program_tree: Tree,
    pub(crate) weights_tree: Tree,
}

impl Prepared {
    /// Compiles the package and commits to its program and weights.
    ///
    /// # Errors
    /// The result is not what the package's key says.
    #[instrument(skip_all, name = "prepare")]
    pub fn new(package: Package) -> Result<Self, ProveError> {
        let program = package.program()?;
        let commitments = Commitments::new(&package.key);
        let program_columns = program_columns(&program, &commitments);
        let weights_columns = weights_columns(&program, &commitments);
        let program_tree = commitments.tree(evaluations(&program_columns, &commitments));
        let weights_tree = commitments.tree(evaluations(&weights_columns, &commitments));
        if program_tree.commitment.root().0 != package.key.program_root
            || weights_tree.commitment.root().0 != package.key.weights_root
        {
            return Err(ProveError::Mismatch);
        }
        let functions: Vec<_> =
            program.functions.iter().map(|id| &package.graph.tables[*id]).collect();
        let directory = Directory::new(&program, &functions);
        let columns = |columns: Vec<(u32, BaseColumn)>| columns.into_iter().map(|c| c.1).collect();
        Ok(Self {
            fingerprint: package.key.fingerprint(),
            directory,
            commitments,
            program_columns: columns(program_columns),
            weights_columns: columns(weights_columns),
            program_tree,
            weights_tree,
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
            program: indices[table].iter().map(|i| &self.program_columns[*i]).collect(),
            weights: self.weights_columns[first..first + weights].iter().collect(),
            values: values[table].iter().collect(),
            evaluations: evaluations[table].iter().collect(),
        }
    }
}
