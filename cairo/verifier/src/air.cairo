//! The machine's constraints at the out-of-domain point.
//!
//! `chips` is generated from the constraints that the prover uses, one file a chip; `logup` is what all
//! chips share. [`evaluate`] runs them over a key's tables.

pub mod chips;
pub mod logup;

use crate::errors;
use crate::fields::{base, join, mul_add, powers, QM31};
use crate::key::{Key, Table};

/// The columns of a chip, tree by tree.
#[derive(Copy, Drop, Debug, PartialEq)]
pub struct Shape {
    /// Program columns, the two shared ones included.
    pub program: u32,
    /// Weights columns.
    pub weights: u32,
    /// Values columns.
    pub values: u32,
    /// Evaluations columns; each is an element of `K`, four columns of the tree.
    pub evaluations: u32,
    /// Lookups of a row.
    pub lookups: u32,
    /// Whether the running sum has a term without denominator.
    pub term: bool,
    /// Columns of the sums tree that are no sums, elements of `K`.
    pub random: u32,
    /// Where the mask of the table's total is: in four values, or in the first evaluation.
    pub mask_in_values: bool,
}

/// Sums of a shape: one for two lookups, and one for the term.
pub fn sum_columns(shape: Shape) -> u32 {
    let pairs = (shape.lookups + 1) / 2;
    if shape.term {
        pairs + 1
    } else {
        pairs
    }
}

/// The larger of two numbers.
pub fn max(left: u32, right: u32) -> u32 {
    if left > right {
        left
    } else {
        right
    }
}

/// What a chip's constraints read: columns at the point and, where `_before`, at the row before.
#[derive(Copy, Drop)]
pub struct Point {
    pub program: Span<QM31>,
    pub weights: Span<QM31>,
    pub values: Span<QM31>,
    /// As long as `values`; 0 for what is not opened there. Empty if nothing is.
    pub values_before: Span<QM31>,
    pub evaluations: Span<QM31>,
    pub evaluations_before: Span<QM31>,
    pub sums: Span<QM31>,
    /// The running sum.
    pub sum_before: QM31,
    /// The mask of the table's total.
    pub mask: QM31,
    /// The table's total.
    pub claim: QM31,
    /// Powers of `t` and `r`, as far as the widest table needs.
    pub t: Span<QM31>,
    pub r: Span<QM31>,
    pub z: QM31,
    pub alpha_1: QM31,
    pub alpha_2: QM31,
    pub alpha_3: QM31,
    pub alpha_4: QM31,
    pub beta: QM31,
    pub delta: QM31,
}

/// All constraints so far, combined by powers of a challenge.
#[derive(Copy, Drop)]
pub struct Combination {
    pub coefficient: QM31,
    pub sum: QM31,
}

#[generate_trait]
pub impl CombinationImpl of CombinationTrait {
    /// Adds a constraint: its value is 0 if it holds. Needs coordinates below 2^120.
    fn assert_zero(ref self: Combination, value: QM31) {
        self.sum = mul_add(self.sum, self.coefficient, value);
    }
}

/// The challenges that constraints use.
#[derive(Copy, Drop)]
pub struct Challenges {
    pub t: QM31,
    pub r: QM31,
    pub z: QM31,
    pub alpha: QM31,
    pub beta: QM31,
    pub delta: QM31,
}

/// Columns that are opened twice: their numbers in order, in units of `unit` columns of the tree.
#[derive(Copy, Drop)]
pub struct Twice {
    pub numbers: Span<u32>,
    pub unit: u32,
}

/// Columns of a table in a tree (0 to 4), and which of them are opened twice. Of the program tree: those
/// that no earlier table shares.
pub fn columns(table: @Table, tree: u32) -> (u32, Twice) {
    let Table { chip, width, shape, shares, .. } = *table;
    let none = Twice { numbers: array![].span(), unit: 1 };
    if tree == 0 {
        let own = if shares.is_some() {
            shape.program - 2
        } else {
            shape.program
        };
        (own, none)
    } else if tree == 1 {
        (shape.weights, none)
    } else if tree == 2 {
        (shape.values, Twice { numbers: chips::values_before(chip, width), unit: 1 })
    } else if tree == 3 {
        let numbers = chips::evaluations_before(chip, width);
        (4 * shape.evaluations, Twice { numbers, unit: 4 })
    } else {
        let sums = sum_columns(shape);
        let numbers = if sums == 0 {
            array![].span()
        } else {
            array![sums - 1].span()
        };
        (4 * (sums + shape.random), Twice { numbers, unit: 4 })
    }
}

/// Values at the out-of-domain point: those of the columns, and those at the row before, as many, or none
/// if no column is opened there.
fn take(ref samples: Span<QM31>, count: u32, twice: Twice) -> (Span<QM31>, Span<QM31>) {
    let mut at = array![];
    let mut before = array![];
    let any = !twice.numbers.is_empty();
    let mut numbers = twice.numbers;
    let mut next = match numbers.pop_front() {
        Option::Some(number) => *number * twice.unit,
        Option::None => count,
    };
    let mut column = 0;
    while column != count {
        at.append(*samples.pop_front().expect(errors::BOUND));
        if column == next {
            before.append(*samples.pop_front().expect(errors::BOUND));
            next += 1;
            if next % twice.unit == 0 {
                next = match numbers.pop_front() {
                    Option::Some(number) => *number * twice.unit,
                    Option::None => count,
                };
            }
        } else if any {
            before.append(base(0));
        }
        column += 1;
    }
    (at.span(), before.span())
}

/// Elements of `K` from the values of their four coordinate columns.
fn joined(columns: Span<QM31>) -> Span<QM31> {
    let mut columns = columns;
    let mut result = array![];
    while let Option::Some(four) = columns.multi_pop_front::<4>() {
        let [e0, e1, e2, e3] = (*four).unbox();
        result.append(join(e0, e1, e2, e3));
    }
    result.span()
}

/// How many values at the out-of-domain point a key's proofs hold in each of the five trees.
pub fn sample_counts(key: @Key) -> Span<u32> {
    let mut counts = array![];
    let mut tree = 0;
    while tree != 5 {
        let mut count = 0;
        for table in *key.tables {
            let (columns, twice) = columns(table, tree);
            count += columns + twice.numbers.len() * twice.unit;
        }
        counts.append(count);
        tree += 1;
    }
    counts.span()
}

/// The combined constraints of all tables, before they are divided by the vanishing polynomial. Needs as
/// many samples as [`sample_counts`] says, and a claim for each table.
pub fn evaluate(
    key: @Key, challenges: Challenges, claims: Span<QM31>, samples: Span<QM31>, coefficient: QM31,
) -> QM31 {
    let Challenges { t, r, z, alpha, beta, delta } = challenges;
    let (t, r) = (powers(t, *key.widest + 1), powers(r, *key.widest + 1));
    let alphas = powers(alpha, 5);
    let (alpha_2, alpha_3, alpha_4) = (*alphas.at(2), *alphas.at(3), *alphas.at(4));
    let mut total = Combination { coefficient, sum: base(0) };

    // What is left of each tree's samples.
    let mut starts = samples;
    let mut cut = array![];
    for count in sample_counts(key) {
        cut.append(starts.slice(0, *count));
        starts = starts.slice(*count, starts.len() - *count);
    }
    let mut program_samples = *cut.at(0);
    let mut weights_samples = *cut.at(1);
    let mut values_samples = *cut.at(2);
    let mut evaluations_samples = *cut.at(3);
    let mut sums_samples = *cut.at(4);

    let mut claims = claims;
    // The program columns of each table so far: the first two may be shared.
    let mut programs: Array<Span<QM31>> = array![];
    for table in *key.tables {
        let (count, twice) = columns(table, 0);
        let (own, _) = take(ref program_samples, count, twice);
        let program = match *table.shares {
            Option::None => own,
            Option::Some(number) => {
                let other = *programs.at(number);
                let mut both = array![*other.at(0), *other.at(1)];
                both.append_span(own);
                both.span()
            },
        };
        programs.append(program);
        let (count, twice) = columns(table, 1);
        let (weights, _) = take(ref weights_samples, count, twice);
        let (count, twice) = columns(table, 2);
        let (values, values_before) = take(ref values_samples, count, twice);
        let (count, twice) = columns(table, 3);
        let (evaluations, evaluations_before) = take(ref evaluations_samples, count, twice);
        let (count, twice) = columns(table, 4);
        let (sums, sums_before) = take(ref sums_samples, count, twice);
        let has_total = !twice.numbers.is_empty();
        let evaluations = joined(evaluations);
        let mask = if !has_total {
            base(0)
        } else if *table.shape.mask_in_values {
            join(*values.at(0), *values.at(1), *values.at(2), *values.at(3))
        } else {
            *evaluations.at(0)
        };
        let sum_before = if has_total {
            let last = 4 * *twice.numbers.at(0);
            let at = |i: u32| *sums_before.at(last + i);
            join(at(0), at(1), at(2), at(3))
        } else {
            base(0)
        };
        let point = Point {
            program,
            weights,
            values,
            values_before,
            evaluations,
            evaluations_before: joined(evaluations_before),
            sums: joined(sums),
            sum_before,
            mask,
            claim: *claims.pop_front().expect(errors::BOUND),
            t,
            r,
            z,
            alpha_1: alpha,
            alpha_2,
            alpha_3,
            alpha_4,
            beta,
            delta,
        };
        chips::constrain(*table.chip, point, ref total, *table.width);
    }
    total.sum
}
