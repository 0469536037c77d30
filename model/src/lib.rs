//! The quantised integer graph and its meaning.
//!
//! A [`Graph`] is what Veristar proves: tensors of integers, joined by a handful of exact integer
//! operations. Everything that reads a model (the ONNX importer), runs it ([`interpret`]), lowers
//! it to constraints or reports on it goes through this crate, and the interpreter is the
//! specification: a proof states that its output is what the interpreter returns.
//!
//! | module | idea |
//! |---|---|
//! | [`shape`] | checked element counts |
//! | [`graph`] | the data: tensors, parameters, tables, nodes |
//! | [`view`] | operations that only move elements |
//! | [`digits`] | integers taken apart |
//! | [`tree`] | decision trees: records, paths, checks |
//! | [`window`] | which elements a pooling or reduction output reads |
//! | [`bounds`] | proven value ranges, and the field bound they must keep |
//! | [`interpret`] | the reference interpreter |
//! | [`error`] | every way a graph or a run can be wrong |
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
extern crate alloc;

pub mod bounds;
pub mod digits;
pub mod error;
pub mod graph;
pub mod interpret;
pub mod shape;
pub mod tree;
pub mod view;
pub mod window;

#[cfg(test)]
mod testing;

pub use bounds::FieldBound;
pub use digits::Digits;
pub use error::{ModelError, RealRange};
pub use graph::{
    Coefficients, Conv2d, Graph, Node, Op, Parameter, ParameterId, Pool, PoolKind, Range, Reduce,
    ReduceKind, Table, TableId, Tensor, TensorId, View,
};
pub use tree::Trees;
pub use window::Windows;
