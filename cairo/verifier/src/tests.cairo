//! Tests against vectors that the Rust code makes.
mod fields;
mod proofs;
mod sections;
