//! Verifies Veristar proofs on Starknet.
//!
//! | module | idea |
//! |---|---|
//! | `fields` | F, C and K: felts that stand for integers |
//! | `circle` | points, and where a domain's positions lie |
//! | `channel` | the transcript |
//! | `merkle` | roots from leaves |
//! | `parameters` | the only parameters that are accepted |
//! | `key` | what is known of a model |
//! | `proof` | reads a proof's felts |
//! | `air` | the constraints at the out-of-domain point |
//! | `pcs` | openings |
//! | `fri` | the low-degree test |
//! | `verify` | the checks, in order |
pub mod air;
pub mod channel;
pub mod circle;
pub mod errors;
pub mod fields;
pub mod fri;
pub mod key;
pub mod merkle;
pub mod parameters;
pub mod pcs;
pub mod proof;
pub mod verify;
#[cfg(test)]
mod tests;
