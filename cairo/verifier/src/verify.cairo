//! The verifier, step by step: the steps of verifier/src/verify.rs.
//!
//! 1. Public values are in their tensors' ranges.
//! 2. The transcript absorbs the model's name, the parameters, the context, the public values, and the roots of program,
//!    weights and values; `t` and `r` are drawn.
//! 3. It absorbs the evaluations root; `z`, `alpha`, `beta` and `delta` are drawn.
//! 4. The tables' totals, the constants and the public values cancel.
//! 5. It absorbs the totals and the sums root; the coefficient that combines constraints is drawn.
//! 6. It absorbs the composition root; the out-of-domain point is drawn, and the constraints hold there.
//! 7. It absorbs the out-of-domain values and a proof of work; the coefficient that combines the openings is
//!    drawn. The low-degree test binds the values to the commitments.
//!
//! A proof's felts come in this order: `transcript` reads up to the queries, `openings` the rest. What comes between two
//! transactions, if a proof does not fit one, is in `state`: the checks are the same.

use crate::errors;
use crate::key::Key;
use crate::openings::{check, started, Progress, ProgressTrait};
use crate::pcs::coefficients::{coefficients, none};
use crate::proof::{Reader, ReaderTrait};
use crate::transcript::{run, Claims};

/// Refuses a proof, by a panic with one of [`errors`], unless it proves: the key's model, on some inputs and
/// with the committed weights, gives these public values. The proof was made for `context`, and is none for
/// any other; 0 stands for none.
pub fn verify(key: Key, context: felt252, public: Span<felt252>, proof: Span<felt252>) {
    let (claims, progress) = begin(key, context, public, proof);
    assert(progress.is_complete(@claims), errors::TRUNCATED);
}

/// Checks the first part of a proof: the transcript, and openings as far as the part goes. Nothing is proven until
/// the progress is complete.
pub fn begin(
    key: Key, context: felt252, public: Span<felt252>, part: Span<felt252>,
) -> (Claims, Progress) {
    let mut reader = Reader { felts: part };
    let (claims, coefficients) = run(@key, context, public, ref reader);
    let mut progress = started();
    check(@key, @claims, coefficients, ref progress, ref reader);
    reader.end();
    (claims, progress)
}

/// Checks another part of a proof whose earlier parts gave the claims and the progress.
pub fn advance(key: Key, claims: Claims, ref progress: Progress, part: Span<felt252>) {
    let mut reader = Reader { felts: part };
    let coefficients = if progress.done < claims.positions.len() {
        coefficients(@key, claims.challenge)
    } else {
        none()
    };
    check(@key, @claims, coefficients, ref progress, ref reader);
    reader.end();
}
