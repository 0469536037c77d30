//! Who computes a run's sums: the same integers, one after the other or side by side.
//!
//! [`Sequential`] is the specification. `Parallel` (feature `parallel`) gives the same results by all
//! cores and with shorter integers where sums provably fit them.

#[cfg(feature = "parallel")]
#[path = "parallel.rs"]
pub mod parallel;

use crate::ModelError;
use alloc::vec::Vec;

/// Rows of a matrix, one after the other.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Of a parameter.
    Weights(&'a [i32]),
    /// Of tensors.
    Activations(&'a [i64]),
}

/// One part of a result.
pub type Part<'a> = &'a (dyn Fn(usize) -> Result<Vec<i64>, ModelError> + Sync);

/// A way to compute sums of products, whose absolute products are known to add up to less than 2^63.
pub trait Arithmetic: Sync {
    /// `y[i, j] = sum over k of a[i, k] b[j, k]`, row-major, for rows of `terms` elements.
    fn dots(&self, a: Rows<'_>, b: Rows<'_>, terms: usize) -> Vec<i64>;

    /// The results of all parts, joined in order; of several errors the first part's.
    ///
    /// # Errors
    /// Those of a part.
    fn parts(&self, count: usize, part: Part<'_>) -> Result<Vec<i64>, ModelError>;
}

/// One after the other, in 64-bit integers.
#[derive(Clone, Copy, Debug)]
pub struct Sequential;

impl Arithmetic for Sequential {
    fn dots(&self, a: Rows<'_>, b: Rows<'_>, terms: usize) -> Vec<i64> {
        match (a, b) {
            (Rows::Weights(a), Rows::Weights(b)) => pairs(a, b, terms),
            (Rows::Weights(a), Rows::Activations(b)) => pairs(a, b, terms),
            (Rows::Activations(a), Rows::Weights(b)) => pairs(a, b, terms),
            (Rows::Activations(a), Rows::Activations(b)) => pairs(a, b, terms),
        }
    }

    fn parts(&self, count: usize, part: Part<'_>) -> Result<Vec<i64>, ModelError> {
        let mut all = Vec::new();
        for index in 0..count {
            all.extend(part(index)?);
        }
        Ok(all)
    }
}

impl Rows<'_> {
    /// Number of elements of all rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Weights(values) => values.len(),
            Self::Activations(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn pairs<A: Copy + Into<i64>, B: Copy + Into<i64>>(a: &[A], b: &[B], terms: usize) -> Vec<i64> {
    let terms = terms.max(1);
    let rows = a.chunks_exact(terms);
    rows.flat_map(|a| b.chunks_exact(terms).map(move |b| dot(a, b))).collect()
}

fn dot<A: Copy + Into<i64>, B: Copy + Into<i64>>(a: &[A], b: &[B]) -> i64 {
    a.iter().zip(b).map(|(&a, &b)| a.into() * b.into()).sum()
}
