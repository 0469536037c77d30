//! The machine: chips, what they say to each other, and programs that configure them.
//!
//! This crate knows no proof system. Constraints are written once, against
//! [`evaluator::Evaluator`]; a model is data ([`program::Program`]) that configures a fixed set of
//! chips, so one verifier serves all models.
//!
//! | module | idea |
//! |---|---|
//! | [`evaluator`] | the face through which constraints are written |
//! | [`logup`] | lookups between chips, and the global sum |
//! | [`chips`] | one file a chip: columns, constraints, why they suffice |
//! | [`program`] | a compiled model |
//! | [`options`] | what a compilation may choose |
//! | [`builder`] | elements collected by lowering |
//! | [`lower`] | operations to elements |
//! | `fuse` | elements of several chips that one chip handles together |
//! | [`pack`] | elements to tables |
//! | [`survey`] | what a chip looks like from outside |
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
extern crate alloc;

pub mod builder;
pub mod chips;
pub mod error;
pub mod evaluator;
mod fuse;
pub mod logup;
pub mod lower;
pub mod options;
pub mod pack;
pub mod program;
pub mod survey;

pub use error::AirError;
pub use lower::{compile, compile_in};
pub use options::{Options, Reserved};
