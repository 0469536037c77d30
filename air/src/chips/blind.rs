//! `blind`: random columns as tall as the tallest table, which hide what the other tables' reserved
//! rows cannot.
//!
//! | tree | columns |
//! |---|---|
//! | weights | 4 random columns: salt |
//! | values | 4 random columns: salt |
//! | evaluations | `m`, random |
//! | sums | `s`, random |
//!
//! *What each hides* (docs/src/zero-knowledge.md has the proofs).
//! - The salts, `m` and `s` are uniform in every leaf of their Merkle trees, four elements or more, so
//!   a leaf that is not opened cannot be guessed from its hash.
//! - `s` and `m` enter the batch of the low-degree test like all columns, so its words are random.
//! - `m` hides both halves of the composition polynomial. The one constraint is
//!   `active (1 - active) m_before = 0`. It holds for any `m`, since `active` is 0 or 1 on every row;
//!   as polynomials `active (1 - active)` is `Z G`, with `Z` the vanishing polynomial of the rows and
//!   `G` of full degree, so the constraint adds `G m_before` to the composition polynomial: a
//!   linear image of `m`, of degree 3 like the largest constraints, and so in both halves.
//!
//! *Why it suffices.* Nothing reads these columns, so they can make nothing hold that does not: a
//! constraint that holds for all values has no bearing on soundness.

use super::{Constraints, Shape};
use crate::evaluator::Evaluator;
use crate::logup::{ACTIVE, SHARED};
use serde::{Deserialize, Serialize};

/// The chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind;

impl Constraints for Blind {
    fn shape(&self) -> Shape {
        Shape {
            program: SHARED,
            weights: 4,
            values: 4,
            evaluations: 1,
            lookups: 0,
            term: false,
            random: 1,
        }
    }

    fn constrain<V: Evaluator>(&self, v: &mut V) {
        let active = v.program(ACTIVE);
        let neither = active.clone() * (v.integer(1) - active);
        let masked = v.evaluation_before(0) * neither;
        v.assert_zero_extension("composition mask", masked);
    }
}
