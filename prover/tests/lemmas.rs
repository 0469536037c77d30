//! The lemmas of docs/src/zero-knowledge.md, by linear algebra: for parameters of a preset and random
//! points, what a proof reveals of random cells is a linear map of full rank, so that uniform cells
//! give uniform values. And what the lemmas ask of each chip on its reserved rows.

use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use stwo::core::circle::CirclePoint;
use stwo::core::constraints::coset_vanishing;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::bit_reverse_index;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::Column;
use stwo::prover::poly::circle::{CircleCoefficients, PolyOps};
use veristar_air::chips::{
    Binary, Blind, Chip, Constraints, Features, Field, Horner, Input, Maximum, Nodes, Parameters,
    Requantise, Same, Table, Tree, Unary, Weights, Within,
};
use veristar_air::evaluator::{Challenge, Evaluator};
use veristar_air::logup::{Mask, MASK_VALUES};
use veristar_prover::trace::{evaluation, Placement};
use veristar_security::{Hiding, Preset};

type Polynomial = CircleCoefficients<SimdBackend>;

/// Where a proof opens columns of a table: points of the evaluation domain, and one over `K`.
struct Points {
    queries: Vec<CirclePoint<QM31>>,
    point: CirclePoint<QM31>,
    step: CirclePoint<QM31>,
}

impl Points {
    fn new(log_size: u32, log_blowup: u32, queries: usize) -> Self {
        let mut random = ChaCha20Rng::seed_from_u64(3);
        let domain = CanonicCoset::new(log_size + log_blowup).circle_domain();
        let mut positions = std::collections::BTreeSet::new();
        while positions.len() < queries {
            positions.insert(random.next_u32() as usize % domain.size());
        }
        let t = QM31::from_m31_array(std::array::from_fn(|_| M31::from(random.next_u32() >> 2)));
        let one = QM31::from(M31::from(1));
        let inverse = (one + t * t).inverse();
        Self {
            queries: positions.into_iter().map(|i| domain.at(i).into_ef()).collect(),
            point: CirclePoint { x: (one - t * t) * inverse, y: (t + t) * inverse },
            step: CanonicCoset::new(log_size).step().into_ef(),
        }
    }

    fn before(&self, point: CirclePoint<QM31>) -> CirclePoint<QM31> {
        point - self.step
    }
}

/// A column that is 1 in one row.
fn unit(placement: &Placement, row: usize) -> BaseColumn {
    let mut column = BaseColumn::zeros(placement.rows());
    column.set(placement.of(row), M31::from(1));
    column
}

/// Appends a value in the base field (a query's) or its four coordinates.
fn reveal(row: &mut Vec<M31>, polynomial: &Polynomial, point: CirclePoint<QM31>, over_k: bool) {
    let coordinates = polynomial.eval_at_point(point).to_m31_array();
    row.extend(&coordinates[..if over_k { 4 } else { 1 }]);
}

/// Rank of a matrix given by rows.
fn rank(mut rows: Vec<Vec<M31>>) -> usize {
    let columns = rows.first().map_or(0, Vec::len);
    let mut rank = 0;
    for column in 0..columns {
        let Some(pivot) = (rank..rows.len()).find(|r| rows[*r][column] != M31::from(0)) else {
            continue;
        };
        rows.swap(rank, pivot);
        let inverse = rows[rank][column].inverse();
        let (above, below) = rows.split_at_mut(rank + 1);
        let pivot = &above[rank];
        for row in below {
            let factor = row[column] * inverse;
            if factor != M31::from(0) {
                for (cell, p) in row[column..].iter_mut().zip(&pivot[column..]) {
                    *cell -= factor * *p;
                }
            }
        }
        rank += 1;
    }
    rank
}

const CASES: [(Preset, u32); 2] = [(Preset::Fast, 10), (Preset::Compact, 9)];

/// Lemma 1: a column's random rows against its openings at all queries and at two points.
#[test]
fn random_rows_mask_a_column() {
    for (preset, log_size) in CASES {
        let parameters = preset.parameters(log_size);
        let hiding = Hiding::new(&parameters);
        let placement = Placement::new(log_size, hiding.reserved(), hiding.zero_rows());
        let points = Points::new(log_size, parameters.log_blowup, parameters.queries);
        let row = |row: usize| {
            let polynomial = evaluation(log_size, unit(&placement, row)).interpolate();
            let mut revealed = Vec::new();
            for query in &points.queries {
                reveal(&mut revealed, &polynomial, *query, false);
            }
            for point in [points.point, points.before(points.point)] {
                reveal(&mut revealed, &polynomial, point, true);
            }
            revealed
        };
        let rows: Vec<Vec<M31>> = placement.random_rows().map(row).collect();
        let all = hiding.revealed(2);
        assert_eq!(rank(rows.clone()), all);
        // One row more than evaluations is enough; with fewer rows it cannot be.
        assert_eq!(rank(rows[..all + 1].to_vec()), all);
        assert!(rank(rows[..all - 1].to_vec()) < all);
    }
}

/// Lemma 2: the zero rows of a running sum against its openings and those of the column before it.
#[test]
fn zero_rows_mask_a_running_sum_and_the_column_before() {
    for (preset, log_size) in CASES {
        let parameters = preset.parameters(log_size);
        let hiding = Hiding::new(&parameters);
        let placement = Placement::new(log_size, hiding.reserved(), hiding.zero_rows());
        let points = Points::new(log_size, parameters.log_blowup, parameters.queries);
        let zero = placement.zero_rows();
        let row = |row: usize| {
            // The running sum in this row alone; the column before it holds differences.
            let running = evaluation(log_size, unit(&placement, row)).interpolate();
            let mut steps = unit(&placement, row);
            steps.set(placement.of(row + 1), -M31::from(1));
            let steps = evaluation(log_size, steps).interpolate();
            let mut revealed = Vec::new();
            for query in &points.queries {
                reveal(&mut revealed, &running, *query, false);
                reveal(&mut revealed, &steps, *query, false);
            }
            reveal(&mut revealed, &running, points.point, true);
            reveal(&mut revealed, &running, points.before(points.point), true);
            reveal(&mut revealed, &steps, points.point, true);
            revealed
        };
        // The last zero row leads to the start: it is not free. At the point, the differences are
        // those of the running sum's two openings, but for the term: lemma 2 has it masked by its
        // own factors, below.
        let rows: Vec<Vec<M31>> = (zero.start..zero.end - 1).map(row).collect();
        assert_eq!(rank(rows), 2 * parameters.queries + 4 * 2);
    }
}

/// Lemma 2, continued: random rows of one factor of a term, given the others, against its own
/// openings and those of the term.
#[test]
fn random_rows_mask_a_term_too() {
    for (preset, log_size) in CASES {
        let parameters = preset.parameters(log_size);
        let hiding = Hiding::new(&parameters);
        let placement = Placement::new(log_size, hiding.reserved(), hiding.zero_rows());
        let points = Points::new(log_size, parameters.log_blowup, parameters.queries);
        let mut random = ChaCha20Rng::seed_from_u64(4);
        let row = |row: usize| {
            let factor = evaluation(log_size, unit(&placement, row)).interpolate();
            let mut term = unit(&placement, row);
            term.set(placement.of(row), M31::from(random.next_u32() >> 2));
            let term = evaluation(log_size, term).interpolate();
            let mut revealed = Vec::new();
            for polynomial in [&factor, &term] {
                for query in &points.queries {
                    reveal(&mut revealed, polynomial, *query, false);
                }
                reveal(&mut revealed, polynomial, points.point, true);
            }
            revealed
        };
        let rows: Vec<Vec<M31>> = placement.random_rows().map(row).collect();
        assert_eq!(rank(rows), 2 * hiding.revealed(1));
    }
}

/// Lemma 3: the composition's mask against its own openings and those of both halves.
#[test]
fn the_blind_table_masks_both_halves() {
    for (preset, log_size) in CASES {
        let parameters = preset.parameters(log_size);
        let hiding = Hiding::new(&parameters);
        assert!(log_size >= hiding.log_blind());
        let placement = Placement::new(log_size, hiding.reserved(), hiding.zero_rows());
        let points = Points::new(log_size, parameters.log_blowup, parameters.queries);

        // active (1 - active) / Z on the domain of the composition polynomial.
        let domain = CanonicCoset::new(log_size + 1).circle_domain();
        let twiddles = SimdBackend::precompute_twiddles(domain.half_coset);
        let rows = placement.rows();
        let active = vec![M31::from(1); rows - placement.first_active()];
        let active = evaluation(log_size, placement.column(&active)).interpolate();
        let active = active.evaluate_with_twiddles(domain, &twiddles);
        let coset = CanonicCoset::new(log_size).coset;
        let factor: Vec<M31> = (0..domain.size())
            .map(|i| {
                let a = active.values.at(i);
                let point = domain.at(bit_reverse_index(i, log_size + 1));
                a * (M31::from(1) - a) * coset_vanishing(coset, point).inverse()
            })
            .collect();

        let row = |row: usize| {
            let mask = evaluation(log_size, unit(&placement, row)).interpolate();
            // The mask at the row before is the mask moved on by one row.
            let moved = evaluation(log_size, unit(&placement, (row + 1) % rows)).interpolate();
            let mut quotient = moved.evaluate_with_twiddles(domain, &twiddles).values;
            for (i, factor) in factor.iter().enumerate() {
                quotient.set(i, quotient.at(i) * *factor);
            }
            let quotient = evaluation(log_size + 1, quotient).interpolate();
            let (_, right) = quotient.split_at_mid();
            let mut revealed = Vec::new();
            for query in &points.queries {
                reveal(&mut revealed, &mask, *query, false);
                // What the composition polynomial at the query is masked by.
                reveal(&mut revealed, &mask, points.before(*query), false);
                reveal(&mut revealed, &right, *query, false);
            }
            for point in [points.point, points.before(points.point)] {
                reveal(&mut revealed, &mask, point, true);
            }
            reveal(&mut revealed, &right, points.point, true);
            revealed
        };
        let matrix: Vec<Vec<M31>> = (0..rows).map(row).collect();
        assert_eq!(rank(matrix), 3 * parameters.queries + 3 * 4);
    }
}

/// Every chip, at a width.
fn chips(width: usize) -> Vec<Chip> {
    vec![
        Chip::Weights(Weights { width }),
        Chip::Parameters(Parameters { width }),
        Chip::Input(Input { width }),
        Chip::Horner(Horner { width }),
        Chip::Field(Field),
        Chip::Unary(Unary { width }),
        Chip::Binary(Binary { width }),
        Chip::Maximum(Maximum { width }),
        Chip::Table(Table { width }),
        Chip::Blind(Blind),
        Chip::Same(Same { width, program: 3 }),
        Chip::Within(Within { width }),
        Chip::Tree(Tree { width }),
        Chip::Nodes(Nodes { width }),
        Chip::Features(Features { width }),
        Chip::Requantise(Requantise { width }),
    ]
}

/// A reserved row: program columns are 0, other cells too or random.
struct Reserved {
    random: Option<ChaCha20Rng>,
    challenges: ChaCha20Rng,
    fractions: Vec<(QM31, QM31)>,
    broken: Vec<&'static str>,
}

fn draw(random: &mut ChaCha20Rng) -> QM31 {
    QM31::from_m31_array(std::array::from_fn(|_| M31::from(random.next_u32() >> 2)))
}

impl Reserved {
    fn new(chip: &Chip, random: Option<ChaCha20Rng>) -> Self {
        let challenges = ChaCha20Rng::seed_from_u64(6);
        let mut row = Self { random, challenges, fractions: Vec::new(), broken: Vec::new() };
        chip.constrain(&mut row);
        row
    }

    fn cell(&mut self) -> QM31 {
        self.random.as_mut().map_or(QM31::from(M31::from(0)), draw)
    }
}

impl Evaluator for Reserved {
    type F = QM31;
    type E = QM31;

    fn program(&mut self, _: usize) -> QM31 {
        self.zero()
    }
    fn weight(&mut self, _: usize) -> QM31 {
        self.cell()
    }
    fn value(&mut self, _: usize) -> QM31 {
        self.cell()
    }
    fn value_before(&mut self, _: usize) -> QM31 {
        self.cell()
    }
    fn evaluation(&mut self, _: usize) -> QM31 {
        self.cell()
    }
    fn evaluation_before(&mut self, _: usize) -> QM31 {
        self.cell()
    }
    fn sum(&mut self, _: usize) -> QM31 {
        self.cell()
    }
    fn sum_before(&mut self, _: usize) -> QM31 {
        self.cell()
    }
    fn integer(&self, value: i32) -> QM31 {
        M31::from(value).into()
    }
    fn challenge(&self, _: Challenge) -> QM31 {
        draw(&mut self.challenges.clone())
    }
    fn zero(&self) -> QM31 {
        self.integer(0)
    }
    fn join(&self, [first, ..]: [QM31; 4]) -> QM31 {
        first
    }
    fn take_fractions(&mut self, fractions: &[(QM31, QM31)], _: Option<&QM31>) -> bool {
        self.fractions = fractions.to_vec();
        true
    }
    fn assert_zero(&mut self, name: &'static str, value: QM31) {
        if value != self.zero() {
            self.broken.push(name);
        }
    }
    fn assert_zero_extension(&mut self, name: &'static str, value: QM31) {
        self.assert_zero(name, value);
    }
}

/// On reserved rows no constraint on values applies and all numerators are 0, whatever cells are; where
/// cells are 0, all denominators are, so that sums are free. And there is room for a mask.
#[test]
fn every_chip_leaves_reserved_rows_free() {
    let zero = QM31::from(M31::from(0));
    for (width, seed) in (1..=9).zip(7..) {
        for chip in chips(width) {
            let (name, shape) = (chip.name(), chip.shape());
            let random = Reserved::new(&chip, Some(ChaCha20Rng::seed_from_u64(seed)));
            assert_eq!(random.broken, Vec::<&str>::new(), "{name}, width {width}");
            assert_eq!(random.fractions.len(), shape.lookups, "{name}, width {width}");
            assert!(random.fractions.iter().all(|(n, _)| *n == zero), "{name}, width {width}");
            let free = Reserved::new(&chip, None);
            assert!(free.fractions.iter().all(|(_, d)| *d == zero), "{name}, width {width}");
            if shape.has_total() && shape.mask() == Mask::Values {
                assert!(shape.values >= MASK_VALUES, "{name}, width {width}");
            }
        }
    }
}
