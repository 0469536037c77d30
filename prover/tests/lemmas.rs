//! The lemmas of docs/src/zero-knowledge.md, by linear algebra: for parameters of a preset and random
//! points, what a proof reveals of random cells is a linear map of full rank, so that uniform cells
//! give uniform values.

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
