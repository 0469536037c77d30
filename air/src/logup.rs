//! Lookups: who uses a tuple, who yields it, and the sum that joins them.
//!
//! *Relations.* A tuple `(x0, x1, x2, x3)` of a relation with tag `g` is compressed to
//! `h = x0 + alpha x1 + alpha^2 x2 + alpha^3 g + alpha^4 x3 - z`, where `x0` may be an extension-field
//! element. [`Relation::Memory`] holds `(value, address, 0, 0)`, [`Relation::Table`] holds
//! `(result, argument, function, 0)`; see [`Relation`] for the others. A use adds `1/h`, a yield of multiplicity `m` adds `-m/h`;
//! the uses and yields of all chips and of the public values cancel exactly when the multisets
//! are equal, except with probability about `sum of deg h / |K|` over `(alpha, z)`
//! (Haböck, "Multivariate lookups based on logarithmic derivatives", eprint 2022/1530, section 3).
//! This needs every tuple to be committed before `alpha` and `z` are drawn, which the order of the
//! trees gives.
//!
//! *Columns.* Fractions are taken in pairs. Column `k` of a row holds the sum of the row's first
//! `k + 1` pairs; the last column adds the row before, so it runs over the table. A chip may add a
//! term without denominator (the linear identity, times `beta`); then the running sum has a column
//! of its own.
//!
//! *Reserved rows.* The first rows of each table are reserved for hiding: `active` is 0 there, and
//! so are all other program columns and all numerators. A tuple is multiplied out so that a reserved
//! row whose `x0` is 0 has `h = 0`: there the columns are free.
//!
//! *Edges.* At the last reserved row the running sum is pinned to `delta * mask`, and at the last row
//! to the claim (program column `edge`). So a claim is exactly the sum over the active rows and
//! `delta * mask`, whatever reserved rows hold, and the step from the last row to the first is cut.
//!
//! *Masks.* The mask is the element of `K` in cells of the last reserved row ([`Mask`]); these are
//! committed before `delta` is drawn. All claims and the verifier's fractions add up to 0 only if
//! `lookups + beta * (linear identity) + delta * (sum of masks) = 0`; as each of the three is fixed
//! before `beta` and `delta`, each is 0. Masks that are random but for their sum hide the tables'
//! own totals and cost no cell. (Without hiding they are 0.)

use crate::chips::Shape;
use crate::evaluator::{Challenge, Evaluator};
use alloc::vec::Vec;

/// The relations. See the module's head for their tuples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `(value, address)`: every address is written once.
    Memory,
    /// `(result, argument, function)`: fixed tables; function 0 is the range table
    /// `(value, bits, 0)` with `0 <= value < 2^bits`.
    Table,
    /// `(value, index, group)`: features that decision trees choose by a private index.
    Feature,
    /// `(slot, feature, threshold, next)`: records of decision trees, one for each slot.
    Node,
}

impl Relation {
    /// Total degree in `(z, alpha)` of a tuple's `h`.
    pub const fn degree(self) -> usize {
        match self {
            Self::Memory => 1,
            Self::Table | Self::Feature => 3,
            Self::Node => 4,
        }
    }
}

/// Program column that is 1 on active rows and 0 on reserved rows.
pub const ACTIVE: usize = 0;
/// Program column that is 1 on the last reserved row and on the last row.
pub const EDGE: usize = 1;
/// Program columns that every chip has.
pub const SHARED: usize = 2;

/// Collects the fractions of one row.
pub struct Lookups<V: Evaluator> {
    active: V::F,
    fractions: Vec<(V::F, V::E)>,
    /// Of all denominators.
    degree: usize,
    term: Option<V::E>,
}

impl<V: Evaluator> Lookups<V> {
    /// For the current row.
    pub fn new(v: &mut V) -> Self {
        Self { active: v.program(ACTIVE), fractions: Vec::new(), degree: 0, term: None }
    }

    /// The column [`ACTIVE`].
    pub fn active(&self) -> V::F {
        self.active.clone()
    }

    /// Uses `(value, address)` `times` times (negative: yields).
    pub fn memory(&mut self, v: &V, times: V::F, value: V::F, address: V::F) {
        let h = v.challenge(Challenge::Alpha(1)) * address + value;
        self.push(v, Relation::Memory, times, h);
    }

    /// Uses `(value, address)` with an extension-field value `times` times (negative: yields).
    pub fn memory_extension(&mut self, v: &V, times: V::F, value: V::E, address: V::F) {
        let h = v.challenge(Challenge::Alpha(1)) * address + value;
        self.push(v, Relation::Memory, times, h);
    }

    /// Uses `(result, argument, function)` `times` times (negative: yields).
    pub fn table(&mut self, v: &V, times: V::F, result: V::F, argument: V::F, function: V::F) {
        let h = v.challenge(Challenge::Alpha(1)) * argument
            + v.challenge(Challenge::Alpha(2)) * function
            + result;
        self.push(v, Relation::Table, times, h);
    }

    /// Uses the feature `(value, index, group)` `times` times (negative: yields).
    pub fn feature(&mut self, v: &V, times: V::F, value: V::F, index: V::F, group: V::F) {
        let h = v.challenge(Challenge::Alpha(1)) * index
            + v.challenge(Challenge::Alpha(2)) * group
            + value;
        self.push(v, Relation::Feature, times, h);
    }

    /// Uses the record `[slot, feature, threshold, next]` `times` times (negative: yields).
    pub fn node(&mut self, v: &V, times: V::F, [slot, feature, threshold, next]: [V::F; 4]) {
        let h = v.challenge(Challenge::Alpha(1)) * feature
            + v.challenge(Challenge::Alpha(2)) * threshold
            + v.challenge(Challenge::Alpha(4)) * next
            + slot;
        self.push(v, Relation::Node, times, h);
    }

    /// Adds a term without denominator, of degree at most 3.
    pub fn term(&mut self, term: V::E) {
        self.term = Some(term);
    }

    fn push(&mut self, v: &V, relation: Relation, times: V::F, h: V::E) {
        let tag = |number: i32| v.challenge(Challenge::Alpha(3)) * v.integer(number);
        let constant = match relation {
            Relation::Memory => v.zero() - v.challenge(Challenge::Z),
            Relation::Table => v.challenge(Challenge::Alpha(3)) - v.challenge(Challenge::Z),
            Relation::Feature => tag(2) - v.challenge(Challenge::Z),
            Relation::Node => tag(3) - v.challenge(Challenge::Z),
        };
        self.fractions.push((times, h + constant * self.active.clone()));
        self.degree += relation.degree();
    }

    /// States the constraints on the sums columns of a chip of this shape.
    pub fn finish(self, v: &mut V, shape: &Shape) {
        v.lookup_degree(self.degree);
        if v.take_fractions(&self.fractions, self.term.as_ref()) {
            return;
        }
        let edge = v.program(EDGE);
        let columns = sum_columns(self.fractions.len(), self.term.is_some());
        let last = columns.saturating_sub(1);
        let mut so_far = v.zero();
        for (k, pair) in self.fractions.chunks(2).enumerate() {
            let sum = v.sum(k);
            let mut difference = sum.clone() - so_far.clone();
            if k == last {
                difference = difference - v.sum_before(k);
            }
            let (left, numerator) = match pair {
                [(n, d)] => (difference * d.clone(), v.zero() + n.clone()),
                [(n0, d0), (n1, d1)] => (
                    difference * d0.clone() * d1.clone(),
                    d1.clone() * n0.clone() + d0.clone() * n1.clone(),
                ),
                _ => continue, // `chunks(2)` gives one or two
            };
            v.assert_zero_extension("lookup sum", left - numerator);
            so_far = sum;
        }
        if let Some(term) = self.term {
            let step = v.sum(last) - v.sum_before(last) - so_far - term;
            v.assert_zero_extension("running sum", step);
        }
        let mask = match shape.mask() {
            Mask::Evaluation => v.evaluation(0),
            Mask::Values => {
                let cells = [v.value(0), v.value(1), v.value(2), v.value(3)];
                v.join(cells)
            }
        };
        let reserved = v.integer(1) - self.active.clone();
        let start = v.challenge(Challenge::Delta) * mask * reserved;
        let claim = v.challenge(Challenge::Claim) * self.active;
        let pinned = (v.sum(last) - claim - start) * edge;
        v.assert_zero_extension("sum at the edges", pinned);
    }
}

/// Where the mask of a table's total is, in its last reserved row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The first four values.
    Values,
    /// The first evaluation.
    Evaluation,
}

/// Values columns that a chip without evaluations has at least: room for its mask.
pub const MASK_VALUES: usize = 4;

/// How many (extension-field) sums columns `fractions` lookups need, with or without a term.
pub const fn sum_columns(fractions: usize, term: bool) -> usize {
    fractions.div_ceil(2) + term as usize
}
