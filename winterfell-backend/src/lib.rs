//! A second, independent prover and verifier: the chips of [`veristar_air`], unchanged, over a field of
//! 64 bits with [Winterfell](https://github.com/facebook/winterfell)'s parts.
//!
//! From Winterfell come the field, its extension and FFT, the hash, Merkle trees, the transcript's
//! coin, the low-degree test and the estimate of security. The order of commitments and challenges is
//! this crate's: Winterfell's own prover has one round between main and auxiliary columns, and these
//! chips need two (docs/src/winterfell.md says why, and argues soundness). No code is shared with the
//! stwo prover but the chips, the lowering and the interpreter.
//!
//! Proofs of this backend hide nothing.
//!
//! | module | idea |
//! |---|---|
//! | [`field`] | the base field, its extension of degree 3 |
//! | [`columns`] | where the chips' columns lie in the common trace |
//! | [`driver`] | evaluates constraints: on rows, on the domain, out of domain |
//! | [`transcript`], [`challenges`] | what is absorbed and drawn |
//! | [`parameters`] | presets, bits of security |
//! | [`key`], [`proof`], [`bytes`] | formats |
//! | [`low_degree`] | Winterfell's FRI verifier, behind checks |
//! | [`mod@verify`] | the checks, in order |
//! | [`prover`] | set-up, witness, prover, row-by-row checker (feature `prover`) |
#![cfg_attr(not(feature = "prover"), no_std)]
extern crate alloc;

/// The verifier's half: no panic on any bytes.
macro_rules! checked {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {$(
        $(#[$attribute])*
        #[cfg_attr(
            not(test),
            deny(
                clippy::unwrap_used,
                clippy::expect_used,
                clippy::panic,
                clippy::indexing_slicing
            )
        )]
        pub mod $name;
    )*};
}

checked!(
    bytes, challenges, columns, driver, error, field, key, low_degree, parameters, proof,
    transcript, verify,
);

#[cfg(feature = "prover")]
pub mod prover;

pub use error::{FormatError, VerifyError};
pub use key::{Precision, WinterfellKey};
pub use parameters::{Preset, Security};
pub use proof::WinterfellProof;
#[cfg(feature = "prover")]
pub use prover::{prove, setup, Package, Prepared, ProveError, Proven, SetupOptions};
pub use verify::{verify, Verified};

use veristar_model::FieldBound;

/// The bound that the field sets to integers, and the interpreter: `|v| < 2^62`.
pub const BOUND: FieldBound = FieldBound::F64;

const _: () = assert!(BOUND.modulus == <field::F as winter_math::StarkField>::MODULUS);
