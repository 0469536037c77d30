//! Parameters, and bits of security for each error source.
//!
//! | module | idea |
//! |---|---|
//! | [`Preset`], [`Parameters`] | the only parameters a verifier accepts |
//! | [`account()`] | bits per error source, in four regimes, conjectured and proven |
//! | [`accept`] | whether a preset is good enough for a proof's sizes |
//! | [`Hiding`] | how many rows of random cells hide what a proof opens |
//!
//! Only [`Account::conjectured`] decides what is accepted; the other regimes are printed beside it
//! so that nobody mistakes a conjecture for a theorem.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
extern crate alloc;

mod account;
mod hiding;
mod logarithm;
mod parameters;

pub use account::{
    accept, account, Account, Bits, Insecure, Sizes, CONSTRAINT_DEGREE, MINIMUM_CONJECTURED_BITS,
};
pub use hiding::Hiding;
pub use parameters::{HashFunction, Parameters, Preset, LOG_LOW};
