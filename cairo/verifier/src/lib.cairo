//! Verifies Veristar proofs on Starknet.
//!
//! | module | idea |
//! |---|---|
//! | `fields` | F, C and K: felts that stand for integers |
//! | `circle` | points, and where a domain's positions lie |
//! | `channel` | the transcript |
//! | `merkle` | roots from leaves |
//! | `proof` | reads a proof's felts |
pub mod channel;
pub mod circle;
pub mod errors;
pub mod fields;
pub mod merkle;
pub mod proof;
#[cfg(test)]
mod tests;
