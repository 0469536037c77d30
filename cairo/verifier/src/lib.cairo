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
//! | `public` | public values |
//! | `transcript` | what is checked before anything is opened |
//! | `pcs` | what opened columns must give |
//! | `fri` | the low-degree test |
//! | `openings` | rows, paths and the low-degree test, in parts |
//! | `verify` | the checks, in order |
//! | `state` | what lies between two parts of a proof |
pub mod air;
pub mod channel;
pub mod circle;
pub mod errors;
pub mod fields;
pub mod fri;
pub mod key;
pub mod merkle;
pub mod openings;
pub mod parameters;
pub mod pcs;
pub mod proof;
pub mod public;
pub mod state;
pub mod transcript;
pub mod verify;
#[cfg(test)]
mod tests;
