//! A chip as stwo sees it: columns in trees, points at which they are opened, and the constraints
//! at the out-of-domain point.

use crate::challenges::Challenges;
use alloc::{sync::Arc, vec, vec::Vec};
use num_traits::Zero;
use stwo::core::air::accumulation::PointEvaluationAccumulator;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::constraints::coset_vanishing;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo::core::pcs::TreeVec;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::ColumnVec;
use veristar_air::chips::Constraints;
use veristar_air::evaluator::{Challenge, Evaluator};
use veristar_air::program::{Instance, Layout};
use veristar_air::survey::{survey, Survey};

/// The trees that hold columns, in commitment order.
pub const PROGRAM: usize = 0;
/// The model.
pub const WEIGHTS: usize = 1;
/// What the model computes.
pub const VALUES: usize = 2;
/// Evaluations at `t` and `r`.
pub const EVALUATIONS: usize = 3;
/// Lookup and running sums.
pub const SUMS: usize = 4;
/// Coordinate polynomials of the composition polynomial's two halves.
pub const COMPOSITION_COLUMNS: usize = 8;
/// Number of trees before the composition polynomial's.
pub const TREES: usize = 5;

/// A table of a proof.
pub struct ChipComponent {
    /// The chip and its size.
    pub instance: Instance,
    /// Columns of the program tree.
    pub program: Vec<usize>,
    /// First column in each tree (meaningless for the program tree).
    pub first: [usize; TREES],
    /// Challenges of the proof.
    pub challenges: Arc<Challenges>,
    /// The table's claimed total.
    pub claim: QM31,
    /// What its constraints look like.
    pub survey: Survey,
}

/// The components of a layout, in order.
pub fn components(
    layout: &Layout,
    challenges: &Arc<Challenges>,
    claims: &[QM31],
) -> Vec<ChipComponent> {
    let program = layout.program_columns().indices;
    let mut first = [0; TREES];
    let tables = layout.instances.iter().zip(program).zip(claims);
    tables
        .map(|((instance, program), claim)| {
            let survey = survey(&instance.chip);
            let component = ChipComponent {
                instance: *instance,
                program,
                first,
                challenges: challenges.clone(),
                claim: *claim,
                survey,
            };
            let [_, weights, values, evaluations, sums] = &mut first;
            let shape = instance.shape();
            *weights += shape.weights;
            *values += shape.values;
            *evaluations += 4 * shape.evaluations;
            *sums += 4 * shape.sums();
            component
        })
        .collect()
}

/// log2 rows of every column of every tree before the composition polynomial's.
pub fn column_log_sizes(layout: &Layout) -> [Vec<u32>; TREES] {
    let mut sizes: [Vec<u32>; TREES] = Default::default();
    let [program, weights, values, evaluations, sums] = &mut sizes;
    *program = layout.program_columns().log_sizes;
    for instance in &layout.instances {
        let shape = instance.shape();
        let repeat = |n: usize| core::iter::repeat_n(instance.log_size, n);
        weights.extend(repeat(shape.weights));
        values.extend(repeat(shape.values));
        evaluations.extend(repeat(4 * shape.evaluations));
        sums.extend(repeat(4 * shape.sums()));
    }
    sizes
}

impl ChipComponent {
    /// For each column of the chip in each tree but the program's: whether it is opened at the row
    /// before too.
    pub fn before(&self) -> [Vec<bool>; TREES] {
        let four = |flags: &[bool]| flags.iter().flat_map(|f| [*f; 4]).collect();
        [
            Vec::new(),
            vec![false; self.survey.shape.weights],
            self.survey.values_before.clone(),
            four(&self.survey.evaluations_before),
            four(&self.survey.sums_before),
        ]
    }

    /// The constraints' values at the out-of-domain point, in order, from the openings of all trees.
    pub fn constraints(&self, mask: &TreeVec<ColumnVec<Vec<QM31>>>, mut value: impl FnMut(QM31)) {
        let mut driver = AtPoint { component: self, mask, value: &mut value };
        self.instance.chip.constrain(&mut driver);
    }
}

impl Component for ChipComponent {
    fn n_constraints(&self) -> usize {
        self.survey.names.len()
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.instance.log_size + 1
    }

    fn trace_log_degree_bounds(&self) -> TreeVec<ColumnVec<u32>> {
        let log_size = self.instance.log_size;
        let columns = |before: &Vec<bool>| vec![log_size; before.len()];
        let mut bounds: Vec<_> = self.before().iter().map(columns).collect();
        if let Some(program) = bounds.first_mut() {
            *program = vec![log_size; self.program.len()];
        }
        TreeVec::new(bounds)
    }

    fn mask_points(
        &self,
        point: CirclePoint<QM31>,
        max_log_degree_bound: u32,
    ) -> TreeVec<ColumnVec<Vec<CirclePoint<QM31>>>> {
        let step = CanonicCoset::new(max_log_degree_bound).step();
        let previous = point + step.mul_signed(-1).into_ef();
        let points = |before: &bool| match before {
            true => vec![point, previous],
            false => vec![point],
        };
        TreeVec::new(self.before().iter().map(|tree| tree.iter().map(points).collect()).collect())
    }

    fn preprocessed_column_indices(&self) -> ColumnVec<usize> {
        self.program.clone()
    }

    fn evaluate_constraint_quotients_at_point(
        &self,
        point: CirclePoint<QM31>,
        mask: &TreeVec<ColumnVec<Vec<QM31>>>,
        accumulator: &mut PointEvaluationAccumulator,
        max_log_degree_bound: u32,
    ) {
        let vanishing = coset_vanishing(CanonicCoset::new(max_log_degree_bound).coset, point);
        let inverse = vanishing.inverse();
        self.constraints(mask, |value| accumulator.accumulate(inverse * value));
    }
}

/// Evaluates constraints at the out-of-domain point.
struct AtPoint<'a> {
    component: &'a ChipComponent,
    mask: &'a TreeVec<ColumnVec<Vec<QM31>>>,
    value: &'a mut dyn FnMut(QM31),
}

impl AtPoint<'_> {
    /// Missing values count as 0: shapes are checked before.
    fn at(&self, tree: usize, column: usize, offset: usize) -> QM31 {
        let samples = self.mask.get(tree).and_then(|columns| columns.get(column));
        samples.and_then(|s| s.get(offset)).copied().unwrap_or_else(QM31::zero)
    }

    fn own(&self, tree: usize, column: usize, offset: usize) -> QM31 {
        let first = self.component.first.get(tree).copied().unwrap_or(0);
        self.at(tree, first + column, offset)
    }

    fn extension(&self, tree: usize, column: usize, offset: usize) -> QM31 {
        let coordinate = |i| self.own(tree, 4 * column + i, offset);
        QM31::from_partial_evals([coordinate(0), coordinate(1), coordinate(2), coordinate(3)])
    }
}

impl Evaluator for AtPoint<'_> {
    type F = QM31;
    type E = QM31;

    fn program(&mut self, column: usize) -> QM31 {
        let index = self.component.program.get(column).copied();
        index.map_or_else(QM31::zero, |index| self.at(PROGRAM, index, 0))
    }
    fn weight(&mut self, column: usize) -> QM31 {
        self.own(WEIGHTS, column, 0)
    }
    fn value(&mut self, column: usize) -> QM31 {
        self.own(VALUES, column, 0)
    }
    fn value_before(&mut self, column: usize) -> QM31 {
        self.own(VALUES, column, 1)
    }
    fn evaluation(&mut self, column: usize) -> QM31 {
        self.extension(EVALUATIONS, column, 0)
    }
    fn evaluation_before(&mut self, column: usize) -> QM31 {
        self.extension(EVALUATIONS, column, 1)
    }
    fn sum(&mut self, column: usize) -> QM31 {
        self.extension(SUMS, column, 0)
    }
    fn sum_before(&mut self, column: usize) -> QM31 {
        self.extension(SUMS, column, 1)
    }
    fn integer(&self, value: i32) -> QM31 {
        M31::from(value).into()
    }
    fn challenge(&self, challenge: Challenge) -> QM31 {
        self.component.challenges.get(challenge, self.component.claim)
    }
    fn zero(&self) -> QM31 {
        QM31::zero()
    }
    fn join(&self, coordinates: [QM31; 4]) -> QM31 {
        QM31::from_partial_evals(coordinates)
    }
    fn assert_zero(&mut self, _: &'static str, value: QM31) {
        (self.value)(value);
    }
    fn assert_zero_extension(&mut self, _: &'static str, value: QM31) {
        (self.value)(value);
    }
}
