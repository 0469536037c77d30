//! One driver of the chips' constraints, for all uses: on a row of the trace, at a point of the
//! evaluation domain, at the out-of-domain point.
//!
//! What differs is the type of base-field columns ([`Scalar`]) and what becomes of the results
//! ([`Sink`]).

use crate::challenges::Challenges;
use crate::columns::TableColumns;
use crate::field::{self, Cube, Scalar, F, K};
use alloc::vec::Vec;
use core::ops::{Add, Mul, Sub};
use veristar_air::chips::Constraints;
use veristar_air::evaluator::{Challenge, Evaluator};
use winter_math::FieldElement;

/// The committed columns at one place, and at the row before it.
#[derive(Clone, Copy)]
pub struct Place<'a, S> {
    /// Program columns.
    pub program: &'a [S],
    /// Weights columns.
    pub weights: &'a [S],
    /// Values columns, here and at the row before.
    pub values: [&'a [S]; 2],
    /// Evaluations columns, here and at the row before.
    pub evaluations: [&'a [Cube]; 2],
    /// Sums columns, here and at the row before.
    pub sums: [&'a [Cube]; 2],
}

/// Takes what constraints give.
pub trait Sink<S> {
    /// A base-field expression that should be 0.
    fn base(&mut self, name: &'static str, value: S);
    /// An extension-field expression that should be 0.
    fn extension(&mut self, name: &'static str, value: K);
    /// As [`Evaluator::take_fractions`].
    fn fractions(&mut self, _: &[(S, K)], _: Option<K>) -> bool {
        false
    }
}

/// States a table's constraints at one place.
pub fn constrain<S: Scalar, T: Sink<S>>(
    table: &TableColumns,
    place: &Place<'_, S>,
    challenges: &Challenges,
    claim: K,
    sink: &mut T,
) {
    let chip = table.instance.chip;
    chip.constrain(&mut Driver { table, place, challenges, claim, sink });
}

/// A random combination of all constraints.
pub struct Combination<'a> {
    coefficients: core::slice::Iter<'a, K>,
    /// The sum so far.
    pub total: K,
}

impl<'a> Combination<'a> {
    /// With these coefficients, one a constraint; constraints without one count as 0, so there must
    /// be enough.
    pub fn new(coefficients: &'a [K]) -> Self {
        Self { coefficients: coefficients.iter(), total: K::ZERO }
    }

    fn next(&mut self) -> K {
        self.coefficients.next().copied().unwrap_or_default()
    }
}

impl<S: Scalar> Sink<S> for Combination<'_> {
    fn base(&mut self, _: &'static str, value: S) {
        self.total = self.total + value.scale(self.next());
    }
    fn extension(&mut self, _: &'static str, value: K) {
        self.total = self.total + self.next() * value;
    }
}

/// Names of constraints that do not hold.
#[derive(Default)]
pub struct Broken(pub Vec<&'static str>);

impl Sink<F> for Broken {
    fn base(&mut self, name: &'static str, value: F) {
        self.extension(name, value.into());
    }
    fn extension(&mut self, name: &'static str, value: K) {
        if value != K::ZERO {
            self.0.push(name);
        }
    }
}

/// The lookup fractions and the term of a row.
#[derive(Default)]
pub struct Fractions {
    /// Numerators and denominators.
    pub fractions: Vec<(F, K)>,
    /// The term without denominator.
    pub term: Option<K>,
}

impl Sink<F> for Fractions {
    fn base(&mut self, _: &'static str, _: F) {}
    fn extension(&mut self, _: &'static str, _: K) {}
    fn fractions(&mut self, fractions: &[(F, K)], term: Option<K>) -> bool {
        self.fractions.extend_from_slice(fractions);
        self.term = term;
        true
    }
}

struct Driver<'a, S, T> {
    table: &'a TableColumns,
    place: &'a Place<'a, S>,
    challenges: &'a Challenges,
    claim: K,
    sink: &'a mut T,
}

/// An extension-field value: `Evaluator::E` must take `S` on the right, which `K` does for both.
#[derive(Clone, Copy)]
struct E(K);

impl Add for E {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        E(self.0 + other.0)
    }
}

impl Sub for E {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        E(self.0 - other.0)
    }
}

impl Mul for E {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        E(self.0 * other.0)
    }
}

impl<S: Scalar> Add<S> for E {
    type Output = Self;
    fn add(self, other: S) -> Self {
        E(other.shift(self.0))
    }
}

impl<S: Scalar> Mul<S> for E {
    type Output = Self;
    fn mul(self, other: S) -> Self {
        E(other.scale(self.0))
    }
}

fn zero<S: Scalar>() -> S {
    F::ZERO.into()
}

impl<S: Scalar, T> Driver<'_, S, T> {
    /// Missing cells count as 0: shapes are checked before.
    fn base(cells: &[S], first: usize, column: usize) -> S {
        cells.get(first.saturating_add(column)).copied().unwrap_or_else(zero)
    }

    fn extension(cells: &[Cube], first: usize, column: usize) -> E {
        E(K(cells.get(first.saturating_add(column)).copied().unwrap_or_default()))
    }
}

impl<S: Scalar, T: Sink<S>> Evaluator for Driver<'_, S, T> {
    type F = S;
    type E = E;

    fn program(&mut self, column: usize) -> S {
        let index = self.table.program.get(column).copied();
        index.map_or_else(zero, |index| Self::base(self.place.program, index, 0))
    }
    fn weight(&mut self, column: usize) -> S {
        Self::base(self.place.weights, self.table.weights, column)
    }
    fn value(&mut self, column: usize) -> S {
        let [here, _] = self.place.values;
        Self::base(here, self.table.values, column)
    }
    fn value_before(&mut self, column: usize) -> S {
        let [_, before] = self.place.values;
        Self::base(before, self.table.values, column)
    }
    fn evaluation(&mut self, column: usize) -> E {
        let [here, _] = self.place.evaluations;
        Self::extension(here, self.table.evaluations, column)
    }
    fn evaluation_before(&mut self, column: usize) -> E {
        let [_, before] = self.place.evaluations;
        Self::extension(before, self.table.evaluations, column)
    }
    fn sum(&mut self, column: usize) -> E {
        let [here, _] = self.place.sums;
        Self::extension(here, self.table.sums, column)
    }
    fn sum_before(&mut self, column: usize) -> E {
        let [_, before] = self.place.sums;
        Self::extension(before, self.table.sums, column)
    }
    fn integer(&self, value: i32) -> S {
        field::integer(value.into()).into()
    }
    fn challenge(&self, challenge: Challenge) -> E {
        E(self.challenges.get(challenge, self.claim))
    }
    fn zero(&self) -> E {
        E(K::ZERO)
    }
    fn join(&self, coordinates: [S; 4]) -> E {
        E(field::join(coordinates))
    }
    fn take_fractions(&mut self, fractions: &[(S, E)], term: Option<&E>) -> bool {
        let fractions: Vec<(S, K)> = fractions.iter().map(|(n, d)| (*n, d.0)).collect();
        self.sink.fractions(&fractions, term.map(|term| term.0))
    }
    fn assert_zero(&mut self, name: &'static str, value: S) {
        self.sink.base(name, value);
    }
    fn assert_zero_extension(&mut self, name: &'static str, value: E) {
        self.sink.extension(name, value.0);
    }
}
