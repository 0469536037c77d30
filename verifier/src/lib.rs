//! Checks Veristar proofs: no std, stable Rust, no unsafe code, no panic on hostile bytes.
//!
//! | module | idea |
//! |---|---|
//! | [`hash`] | hashes as bytes, whichever function made them |
//! | [`key`] | what is known of a model: its commitments, tables and public tensors |
//! | [`proof`] | what a proof holds, and its bytes |
//! | [`challenges`] | challenges, and constraints at the out-of-domain point |
//! | [`component`] | a chip as stwo sees it |
//! | [`poseidon`] | hashes and transcript of proofs for Starknet |
//! | [`starknet`] | keys and proofs as the contract on Starknet takes them |
//! | [`mod@verify`] | the checks, in order |
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
extern crate alloc;

pub mod bytes;
pub mod challenges;
pub mod component;
pub mod error;
pub mod hash;
pub mod key;
pub mod poseidon;
pub mod proof;
pub mod rotation;
pub mod starknet;
pub mod verify;

pub use error::{FormatError, VerifyError};
pub use key::Key;
pub use proof::Proof;
pub use verify::{verify, Verified};

/// The verifier of the Winterfell backend: keys and proofs of its own, checked by a crate that shares
/// only the chips with this one.
#[cfg(feature = "winterfell")]
pub use veristar_winterfell as winterfell;
