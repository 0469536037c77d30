//! Veristar's verifier for browsers and other JavaScript runtimes.
//!
//! | module | idea |
//! |---|---|
//! | [`report`] | what a key, a proof and a verdict say, as plain data; the same on every machine |
//! | [`check`] | from bytes to a report |
//! | [`js`] | the functions that JavaScript calls |
//!
//! Hostile bytes give an error with a code, never a trap: this crate has no path that panics, and neither
//! has the verifier below it. The package in `web/pkg` wraps these functions in types.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod check;
pub mod js;
pub mod report;
