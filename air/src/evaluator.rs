//! The one face through which constraints are written.
//!
//! A chip states its constraints once, against [`Evaluator`]; what the values are is up to the
//! driver: packed field elements on the evaluation domain (prover), extension-field elements at
//! the out-of-domain point (verifier), single rows (checker), symbols (code generator).
//!
//! Columns live in five trees, in the order in which they are committed: program (public,
//! committed once), weights (the model), values (what the model computes), evaluations (after the
//! challenges `t` and `r`) and sums (after `z`, `alpha` and `beta`). The split between evaluations
//! and sums is a matter of soundness: a lookup argument binds only what was committed before its
//! challenges were drawn, and evaluations are themselves looked up.

use core::ops::{Add, Mul, Neg, Sub};

/// Challenges and per-proof constants that constraints use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Challenge {
    /// `t^n`: places positions.
    T(usize),
    /// `r^n`: places outputs.
    R(usize),
    /// The point at which lookup fractions are summed.
    Z,
    /// `alpha^n`: compresses lookup tuples.
    Alpha(usize),
    /// Joins the linear identity to the lookup sum.
    Beta,
    /// Joins the tables' masks to the lookup sum.
    Delta,
    /// The chip's claimed total.
    Claim,
}

/// A driver of the constraints of one chip, at one row or point.
///
/// Column indices count from 0 within the chip's own columns of the tree. `*_before` reads the
/// row before, cyclically: row 0 follows the last row.
pub trait Evaluator {
    /// The value of a base-field column.
    type F: Clone
        + Add<Output = Self::F>
        + Sub<Output = Self::F>
        + Mul<Output = Self::F>
        + Neg<Output = Self::F>;
    /// The value of an extension-field column, or of an expression with challenges.
    type E: Clone
        + Add<Output = Self::E>
        + Sub<Output = Self::E>
        + Mul<Output = Self::E>
        + Mul<Self::F, Output = Self::E>
        + Add<Self::F, Output = Self::E>;

    /// A program column.
    fn program(&mut self, column: usize) -> Self::F;
    /// A weights column.
    fn weight(&mut self, column: usize) -> Self::F;
    /// A values column.
    fn value(&mut self, column: usize) -> Self::F;
    /// A values column at the row before.
    fn value_before(&mut self, column: usize) -> Self::F;
    /// An evaluations column (an extension-field element).
    fn evaluation(&mut self, column: usize) -> Self::E;
    /// An evaluations column at the row before.
    fn evaluation_before(&mut self, column: usize) -> Self::E;
    /// A sums column.
    fn sum(&mut self, column: usize) -> Self::E;
    /// A sums column at the row before.
    fn sum_before(&mut self, column: usize) -> Self::E;

    /// A constant.
    fn integer(&self, value: i32) -> Self::F;
    /// A challenge.
    fn challenge(&self, challenge: Challenge) -> Self::E;
    /// The extension-field zero.
    fn zero(&self) -> Self::E;
    /// The extension-field element with these coordinates.
    fn join(&self, coordinates: [Self::F; 4]) -> Self::E;

    /// Tells the total degree in `(z, alpha)` of the denominators of a row's fractions.
    fn lookup_degree(&mut self, degree: usize) {
        let _ = degree;
    }

    /// Offers the row's lookup fractions (numerators and denominators) and the term, before the
    /// constraints on sums are stated. A driver that computes the sums from them returns `true`,
    /// and those constraints are left out; every driver that checks returns `false`.
    fn take_fractions(&mut self, fractions: &[(Self::F, Self::E)], term: Option<&Self::E>) -> bool {
        let _ = (fractions, term);
        false
    }

    /// States that a base-field expression is 0. Degree at most 3.
    fn assert_zero(&mut self, name: &'static str, value: Self::F);
    /// States that an extension-field expression is 0. Degree at most 3.
    fn assert_zero_extension(&mut self, name: &'static str, value: Self::E);
}
