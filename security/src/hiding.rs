//! How many rows of random cells hide what a proof opens.
//!
//! A proof opens a column at each query, and at the out-of-domain point, perhaps at the row before
//! too. The point is over an extension of degree 4, so an opening there is four evaluations at
//! conjugate points. A column of `N` rows with `R` random cells takes independent uniform values at any
//! `R - 1` points off its rows (docs/src/zero-knowledge.md, lemma 1).
//!
//! | rows of a table, in order | cells of values and evaluations | cells of sums |
//! |---|---|---|
//! | [`Hiding::zero_rows`] | 0 | random |
//! | [`Hiding::random_rows`], or [`Hiding::weights_rows`] | random | follow |
//! | active rows | the model | follow |

use crate::Parameters;

/// Evaluations that one opening at the out-of-domain point reveals.
const CONJUGATES: usize = 4;
/// Rows beyond what is needed: lemma 1 asks for one, the running sum for one more, since its value
/// on the last zero row is not free.
const SLACK: usize = 8;

/// Numbers of rows for one set of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hiding {
    queries: usize,
}

impl Hiding {
    /// For proofs with these parameters.
    pub const fn new(parameters: &Parameters) -> Self {
        Self { queries: parameters.queries }
    }

    /// Evaluations that a proof reveals of a column opened at `points` out-of-domain points.
    pub const fn revealed(&self, points: usize) -> usize {
        self.queries + CONJUGATES * points
    }

    /// Rows where values are 0 and sums random.
    ///
    /// A running sum and the column before it are two columns of one random sequence: together
    /// they reveal it at every query, at the row before, and at both out-of-domain points.
    pub const fn zero_rows(&self) -> usize {
        2 * self.revealed(1) + SLACK
    }

    /// Rows where values and evaluations are random.
    ///
    /// They are opened at two points at most. A factor of a term of the running sum is opened at one,
    /// and masks the term as often again (lemma 2).
    pub const fn random_rows(&self) -> usize {
        2 * self.revealed(1) + SLACK
    }

    /// Rows where weights are random: enough for `proofs` proofs, each of which opens them at one
    /// point.
    pub const fn weights_rows(&self, proofs: usize) -> usize {
        let rows = self.revealed(1).saturating_mul(proofs).saturating_add(SLACK);
        let least = self.random_rows();
        if rows < least {
            least
        } else {
            rows
        }
    }

    /// Proofs for which `rows` rows with random weights are enough.
    pub const fn proofs(&self, rows: usize) -> usize {
        if rows < self.random_rows() {
            return 0;
        }
        (rows - SLACK) / self.revealed(1)
    }

    /// Reserved rows of a table without weights.
    pub const fn reserved(&self) -> usize {
        self.zero_rows() + self.random_rows()
    }

    /// Reserved rows of a table with weights.
    pub const fn reserved_weights(&self, proofs: usize) -> usize {
        self.zero_rows().saturating_add(self.weights_rows(proofs))
    }

    /// log2 of the fewest rows with which the `blind` chip masks both halves of the composition
    /// polynomial (docs/src/zero-knowledge.md, lemma 3): with `R` reserved rows and `E` evaluations of
    /// its mask revealed or fixed, `E < R` and `E + R < N - R`.
    pub const fn log_blind(&self) -> u32 {
        let reserved = self.reserved();
        let needed = self.blind_evaluations() + 2 * reserved + 1;
        needed.next_power_of_two().ilog2()
    }

    /// Evaluations of the composition's mask that a proof reveals, or that lemma 3 asks for: each
    /// query and the row before it, two out-of-domain points, and two points at infinity.
    pub const fn blind_evaluations(&self) -> usize {
        2 * self.revealed(1) + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    #[test]
    fn rows_suffice_for_what_is_revealed() {
        for preset in Preset::ALL {
            for log_height in [8, 13, 14, 24] {
                let parameters = preset.parameters(log_height);
                let hiding = Hiding::new(&parameters);
                let queries = parameters.queries;
                // Opened at the queries and at two points over a field of degree 4.
                assert!(hiding.random_rows() > queries + 8);
                // Opened at one point, and masks a term opened at one point.
                assert!(hiding.random_rows() > 2 * (queries + 4));
                // Running sum at each query and both points; the column before it at each query
                // and one point.
                assert!(hiding.zero_rows() > (queries + 8) + (queries + 4) - 4);
                // Lemma 3.
                let (e, r) = (hiding.blind_evaluations(), hiding.reserved());
                assert!(e < r && e + 2 * r < 1 << hiding.log_blind());
            }
        }
    }

    #[test]
    fn budgets_and_rows_agree() {
        let hiding = Hiding::new(&Preset::Fast.parameters(10));
        for proofs in [1, 2, 3, 64, 1000] {
            let rows = hiding.weights_rows(proofs);
            assert!(hiding.proofs(rows) >= proofs);
            assert!(rows > proofs * hiding.revealed(1));
            assert!(hiding.proofs(hiding.weights_rows(proofs) - 1) < proofs.max(2));
        }
        assert_eq!(hiding.weights_rows(usize::MAX), usize::MAX);
    }
}
