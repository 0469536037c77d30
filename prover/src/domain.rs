//! The constraints on the evaluation domain, sixteen rows at a time.
//!
//! Committed columns are reused where they already cover twice the trace domain (blow-up 2 or
//! more, which every preset has), so nothing is extended again.

use crate::block::{Block, Blocks, TableColumns, ROWS};
use num_traits::Zero;
use rayon::prelude::*;
use stwo::core::air::accumulation::PointEvaluationAccumulator;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::constraints::coset_vanishing;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::TreeVec;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::{bit_reverse, offset_bit_reversed_circle_domain_index};
use stwo::core::ColumnVec;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::m31::{PackedM31, LOG_N_LANES};
use stwo::prover::backend::simd::qm31::PackedQM31;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{ComponentProver, DomainEvaluationAccumulator, EvaluationMode, Trace};
use veristar_air::chips::Constraints;
use veristar_air::evaluator::{Challenge, Evaluator};
use veristar_verifier::challenges::Challenges;
use veristar_verifier::component::{ChipComponent, EVALUATIONS, PROGRAM, SUMS, VALUES, WEIGHTS};

/// Lanes of a packed element.
pub const LANES: usize = 1 << LOG_N_LANES;

/// Challenges spread over all lanes.
pub struct PackedChallenges {
    t: Vec<PackedQM31>,
    r: Vec<PackedQM31>,
    z: PackedQM31,
    alpha: [PackedQM31; 5],
    beta: PackedQM31,
    delta: PackedQM31,
    claim: PackedQM31,
}

impl PackedChallenges {
    /// Spreads a proof's challenges and a table's claim.
    pub fn new(challenges: &Challenges, claim: QM31) -> Self {
        let spread = |powers: &[QM31]| powers.iter().map(|p| PackedQM31::broadcast(*p)).collect();
        Self {
            t: spread(&challenges.t),
            r: spread(&challenges.r),
            z: PackedQM31::broadcast(challenges.z),
            alpha: challenges.alpha.map(PackedQM31::broadcast),
            beta: PackedQM31::broadcast(challenges.beta),
            delta: PackedQM31::broadcast(challenges.delta),
            claim: PackedQM31::broadcast(claim),
        }
    }

    /// What joins the tables' masks to the lookup sum.
    pub fn delta(&self) -> QM31 {
        self.delta.to_array()[0]
    }

    /// The value of a challenge.
    pub fn get(&self, challenge: Challenge) -> PackedQM31 {
        match challenge {
            Challenge::T(n) => self.t[n],
            Challenge::R(n) => self.r[n],
            Challenge::Z => self.z,
            Challenge::Alpha(n) => self.alpha[n],
            Challenge::Beta => self.beta,
            Challenge::Delta => self.delta,
            Challenge::Claim => self.claim,
        }
    }
}

/// A table of a proof, for stwo's prover.
pub struct ChipProver(pub ChipComponent);

impl Component for ChipProver {
    fn n_constraints(&self) -> usize {
        self.0.n_constraints()
    }
    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.0.max_constraint_log_degree_bound()
    }
    fn trace_log_degree_bounds(&self) -> TreeVec<ColumnVec<u32>> {
        self.0.trace_log_degree_bounds()
    }
    fn mask_points(
        &self,
        point: CirclePoint<QM31>,
        max_log_degree_bound: u32,
    ) -> TreeVec<ColumnVec<Vec<CirclePoint<QM31>>>> {
        self.0.mask_points(point, max_log_degree_bound)
    }
    fn preprocessed_column_indices(&self) -> ColumnVec<usize> {
        self.0.preprocessed_column_indices()
    }
    fn evaluate_constraint_quotients_at_point(
        &self,
        point: CirclePoint<QM31>,
        mask: &TreeVec<ColumnVec<Vec<QM31>>>,
        accumulator: &mut PointEvaluationAccumulator,
        max_log_degree_bound: u32,
    ) {
        self.0.evaluate_constraint_quotients_at_point(
            point,
            mask,
            accumulator,
            max_log_degree_bound,
        );
    }
}

impl ComponentProver<SimdBackend> for ChipProver {
    fn evaluate_constraint_quotients_on_domain(
        &self,
        trace: &Trace<'_, SimdBackend>,
        accumulator: &mut DomainEvaluationAccumulator<SimdBackend>,
    ) {
        let table = &self.0;
        let log_size = table.instance.log_size;
        let log_eval = self.max_constraint_log_degree_bound();
        let EvaluationMode::SubDomain { log_expansion } = accumulator.evaluation_mode() else {
            // Every component has the same ratio of constraint to trace degree, and every preset
            // at least that blow-up.
            unreachable!("committed evaluations cover the constraints' domain");
        };
        let committed = CanonicCoset::new(log_eval + log_expansion).circle_domain();
        let domain = committed.split(log_expansion).0;
        let coset = CanonicCoset::new(log_size).coset;
        let mut inverses: Vec<M31> = (0..1 << (log_eval - log_size))
            .map(|i| coset_vanishing(coset, domain.at(i)).inverse())
            .collect();
        bit_reverse(&mut inverses);

        let columns = Columns::new(table, trace);
        let challenges = PackedChallenges::new(&table.challenges, table.claim);
        let [mut result] = accumulator.columns([(log_eval, self.n_constraints())]);
        result.random_coeff_powers.reverse();
        let powers: Vec<PackedQM31> =
            result.random_coeff_powers.iter().map(|p| PackedQM31::broadcast(*p)).collect();
        let [c0, c1, c2, c3] = &mut result.col.columns;
        let coordinates = [c0, c1, c2, c3].map(|column| column.data.par_chunks_mut(ROWS));
        let [c0, c1, c2, c3] = coordinates;
        let chunks = (c0, c1, c2, c3).into_par_iter().enumerate();
        let empty = <(Blocks, Block)>::default;
        chunks.for_each_init(empty, |(blocks, sums), (chunk, (c0, c1, c2, c3))| {
            let first = chunk * ROWS;
            blocks.fill(&columns.table, first);
            sums.fill(&columns.sums, first);
            let rows = c0.iter_mut().zip(c1).zip(c2).zip(c3).enumerate();
            for (row, (((a, b), c), d)) in rows {
                let mut driver = OnDomain {
                    columns: &columns,
                    blocks,
                    sums,
                    challenges: &challenges,
                    powers: &powers,
                    row,
                    at: first + row,
                    previous: None,
                    log_size,
                    log_eval,
                    next: 0,
                    total: PackedQM31::zero(),
                };
                table.instance.chip.constrain(&mut driver);
                let inverse = inverses[(first + row) >> (log_size - LOG_N_LANES)];
                let sum = PackedQM31::from_packed_m31s([*a, *b, *c, *d]) + driver.total * inverse;
                [*a, *b, *c, *d] = sum.into_packed_m31s();
            }
        });
    }
}

/// A table's committed columns.
struct Columns<'a> {
    table: TableColumns<'a>,
    sums: Vec<&'a BaseColumn>,
}

impl<'a> Columns<'a> {
    fn new(table: &ChipComponent, trace: &'a Trace<'a, SimdBackend>) -> Self {
        let shape = table.survey.shape;
        let own = |tree: usize, count: usize| -> Vec<&'a BaseColumn> {
            let first = table.first[tree];
            trace.polys[tree][first..first + count].iter().map(|p| &p.evals.values).collect()
        };
        let program = table.program.iter().map(|i| &trace.polys[PROGRAM][*i].evals.values);
        let table = TableColumns {
            program: program.collect(),
            weights: own(WEIGHTS, shape.weights),
            values: own(VALUES, shape.values),
            evaluations: own(EVALUATIONS, 4 * shape.evaluations),
        };
        Self { table, sums: own(SUMS, 4 * shape.sums()) }
    }
}

/// Evaluates constraints at sixteen points of the evaluation domain.
struct OnDomain<'a> {
    columns: &'a Columns<'a>,
    blocks: &'a Blocks,
    sums: &'a Block,
    /// Packed row of the blocks.
    row: usize,
    challenges: &'a PackedChallenges,
    powers: &'a [PackedQM31],
    at: usize,
    previous: Option<[usize; LANES]>,
    log_size: u32,
    log_eval: u32,
    next: usize,
    total: PackedQM31,
}

impl OnDomain<'_> {
    fn before(&mut self, column: &BaseColumn) -> PackedM31 {
        let (at, log_size, log_eval) = (self.at, self.log_size, self.log_eval);
        let previous = self.previous.get_or_insert_with(|| {
            std::array::from_fn(|lane| {
                let index = (at << LOG_N_LANES) + lane;
                offset_bit_reversed_circle_domain_index(index, log_size, log_eval, -1)
            })
        });
        let cells = column.as_slice();
        PackedM31::from_array(previous.map(|index| cells[index]))
    }

    fn extension(&self, block: &Block, column: usize) -> PackedQM31 {
        let coordinate = |i| block.cell(4 * column + i, self.row);
        PackedQM31::from_packed_m31s(std::array::from_fn(coordinate))
    }

    fn extension_before(&mut self, columns: &[&BaseColumn], column: usize) -> PackedQM31 {
        PackedQM31::from_packed_m31s(std::array::from_fn(|i| self.before(columns[4 * column + i])))
    }
}

impl<'a> Evaluator for OnDomain<'a> {
    type F = PackedM31;
    type E = PackedQM31;

    fn program(&mut self, column: usize) -> PackedM31 {
        self.blocks.program.cell(column, self.row)
    }
    fn weight(&mut self, column: usize) -> PackedM31 {
        self.blocks.weights.cell(column, self.row)
    }
    fn value(&mut self, column: usize) -> PackedM31 {
        self.blocks.values.cell(column, self.row)
    }
    fn value_before(&mut self, column: usize) -> PackedM31 {
        let columns: &'a Columns<'a> = self.columns;
        self.before(columns.table.values[column])
    }
    fn evaluation(&mut self, column: usize) -> PackedQM31 {
        self.extension(&self.blocks.evaluations, column)
    }
    fn evaluation_before(&mut self, column: usize) -> PackedQM31 {
        let columns: &'a Columns<'a> = self.columns;
        self.extension_before(&columns.table.evaluations, column)
    }
    fn sum(&mut self, column: usize) -> PackedQM31 {
        self.extension(self.sums, column)
    }
    fn sum_before(&mut self, column: usize) -> PackedQM31 {
        let columns: &'a Columns<'a> = self.columns;
        self.extension_before(&columns.sums, column)
    }
    fn integer(&self, value: i32) -> PackedM31 {
        PackedM31::broadcast(M31::from(value))
    }
    fn challenge(&self, challenge: Challenge) -> PackedQM31 {
        self.challenges.get(challenge)
    }
    fn zero(&self) -> PackedQM31 {
        PackedQM31::zero()
    }
    fn join(&self, coordinates: [PackedM31; 4]) -> PackedQM31 {
        PackedQM31::from_packed_m31s(coordinates)
    }
    fn assert_zero(&mut self, _: &'static str, value: PackedM31) {
        self.total += self.powers[self.next] * value;
        self.next += 1;
    }
    fn assert_zero_extension(&mut self, _: &'static str, value: PackedQM31) {
        self.total += self.powers[self.next] * value;
        self.next += 1;
    }
}
