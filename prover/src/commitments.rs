//! Commitments of the columns that are fixed at set-up: program and weights.

use crate::randomness::{Mask, Randomness};
use crate::recover::Recovery;
use crate::trace::{evaluation, m31, Evaluation, Placement};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use stwo::core::channel::MerkleChannel;
use stwo::core::fields::m31::M31;
use stwo::core::pcs::PcsConfig;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo::prover::CommitmentTreeProver;
use veristar_air::chips::Chip;
use veristar_air::logup::{ACTIVE, EDGE, SHARED};
use veristar_air::program::{Instance, Program};
use veristar_security::Hiding;
use veristar_verifier::hash::HashBytes;
use veristar_verifier::Key;

/// A committed tree.
pub type Tree<MC> = CommitmentTreeProver<SimdBackend, MC>;

/// What is kept in memory between the steps of proofs. Proofs are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Whatever is needed again: quickest.
    #[default]
    All,
    /// Committed evaluations only; the rest is computed again (`crate::recover`).
    Least,
}

/// What commitments of one key share.
pub struct Commitments {
    /// The commitment scheme's configuration.
    pub config: PcsConfig,
    /// Twiddles for the largest domain.
    pub twiddles: TwiddleTree<SimdBackend>,
    /// Buffers reused between proofs.
    pub pool: BaseColumnPool<SimdBackend>,
    /// What is kept of columns.
    pub keep: Keep,
    /// Where rows are stored, by log2 of the rows and reserved rows.
    placements: BTreeMap<(u32, u32), Placement>,
}

impl Commitments {
    /// For a key's sizes and parameters.
    pub fn new(key: &Key) -> Self {
        Self::keeping(key, Keep::All)
    }

    /// [`Commitments::new`] that keeps less.
    pub fn keeping(key: &Key, keep: Keep) -> Self {
        let config = key.config();
        let log_domain = key.layout.log_height() + config.fri_config.log_blowup_factor;
        let domain = CanonicCoset::new(log_domain).circle_domain();
        let zero = match key.hides() {
            true => Hiding::new(&key.parameters()).zero_rows(),
            false => usize::MAX,
        };
        let placement = |i: &Instance| {
            let (log, reserved) = (i.log_size, i.reserved);
            ((log, reserved), Placement::new(log, reserved as usize, zero))
        };
        Self {
            config,
            twiddles: SimdBackend::precompute_twiddles(domain.half_coset),
            pool: BaseColumnPool::new(),
            keep,
            placements: key.layout.instances.iter().map(placement).collect(),
        }
    }

    /// Where a table's rows are stored.
    pub fn placement(&self, instance: &Instance) -> &Placement {
        &self.placements[&(instance.log_size, instance.reserved)]
    }

    /// What recovers committed columns of these log2 rows.
    pub fn recovery(&self, log_sizes: impl IntoIterator<Item = u32>) -> Recovery<'_> {
        Recovery::new(&self.twiddles, self.config.fri_config.log_blowup_factor, log_sizes)
    }

    fn tree<MC: MerkleChannel>(&self, columns: Vec<Evaluation>) -> Tree<MC>
    where
        SimdBackend: BackendForChannel<MC>,
    {
        let polynomials = SimdBackend::interpolate_columns(columns, &self.twiddles);
        CommitmentTreeProver::new(
            polynomials,
            self.config.fri_config.log_blowup_factor,
            &self.twiddles,
            self.keep == Keep::All,
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
        let placement = commitments.placement(instance);
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

/// The weights tree's columns, table by table, with random cells from a seed.
fn weights_columns(
    program: &Program,
    commitments: &Commitments,
    mut randomness: Randomness,
) -> Vec<(u32, BaseColumn)> {
    let tables = program.layout.instances.iter().zip(&program.tables);
    let mut columns: Vec<(&Instance, BaseColumn)> = tables
        .flat_map(|(instance, table)| table.weights.iter().map(move |c| (instance, c)))
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|(instance, column)| {
            let cells: Vec<M31> = column.iter().map(|v| m31(*v)).collect();
            (instance, commitments.placement(instance).column(&cells))
        })
        .collect();
    for (instance, column) in &mut columns {
        match instance.chip {
            Chip::Blind(_) => randomness.fill(Mask::Salt, column.as_mut_slice()),
            _ => commitments.placement(instance).randomise(column, &mut randomness, Mask::Weights),
        }
    }
    columns.into_iter().map(|(instance, column)| (instance.log_size, column)).collect()
}

/// Columns that are fixed at set-up, committed.
pub struct Fixed<MC: MerkleChannel = Blake2sMerkleChannel>
where
    SimdBackend: BackendForChannel<MC>,
{
    /// On the trace domain, in the tree's order; empty until needed if little is kept.
    columns: OnceLock<Vec<BaseColumn>>,
    /// Their tree.
    pub tree: Tree<MC>,
}

impl<MC: MerkleChannel<H: HashBytes>> Fixed<MC>
where
    SimdBackend: BackendForChannel<MC>,
{
    /// The program columns, in the order of `Layout::program_columns`.
    pub fn program(program: &Program, commitments: &Commitments) -> Self {
        Self::new(program_columns(program, commitments), commitments)
    }

    /// The weights columns, table by table; the same seed gives the same commitment.
    pub fn weights(program: &Program, commitments: &Commitments, randomness: Randomness) -> Self {
        Self::new(weights_columns(program, commitments, randomness), commitments)
    }

    fn new(columns: Vec<(u32, BaseColumn)>, commitments: &Commitments) -> Self {
        let kept = OnceLock::new();
        if commitments.keep == Keep::All {
            // Empty, so this cannot fail.
            let _ = kept.set(columns.iter().map(|(_, column)| column.clone()).collect());
        }
        let place = |(log_size, column)| evaluation(log_size, column);
        Self { tree: commitments.tree(columns.into_iter().map(place).collect()), columns: kept }
    }

    /// The columns on the trace domain, in the tree's order. If little is kept they are recovered the first
    /// time, and then kept: for checks, which look at all of them.
    pub fn columns(&self, commitments: &Commitments) -> &[BaseColumn] {
        self.columns.get_or_init(|| {
            let committed = self.committed();
            let log_blowup = commitments.config.fri_config.log_blowup_factor;
            let sizes = committed.iter().map(|column| column.domain.log_size() - log_blowup);
            commitments.recovery(sizes).columns(&committed)
        })
    }

    /// The committed columns, in the tree's order.
    pub fn committed(&self) -> Vec<&Evaluation> {
        self.tree.polynomials.iter().map(|polynomial| &polynomial.evals).collect()
    }

    /// The commitment.
    pub fn root(&self) -> [u8; 32] {
        MC::H::to_bytes(self.tree.commitment.root()).0
    }
}
