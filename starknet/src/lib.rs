//! A client of the Veristar contract on Starknet (`cairo/contracts`), on the RPC 0.10 of a node.
//!
//! | module | idea |
//! |---|---|
//! | [`calldata`] | what the contract's functions take, as felts; for other clients as JSON or hex |
//! | [`parts`] | a proof as calls of one or several transactions |
//! | [`class`] | compiled contracts, and the hashes that a declaration needs |
//! | [`wallet`] | an account's secret key, which is never printed |
//! | [`node`] | questions: calls, receipts, registered models, facts |
//! | [`sender`] | transactions: dry run, fee, sending, waiting |
//! | [`revert`] | why a transaction reverted, in the contract's own words |
//!
//! Functions block; a small runtime of their own drives the connection.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod calldata;
pub mod class;
pub mod error;
pub mod node;
pub mod parts;
pub mod revert;
pub mod sender;
pub mod wallet;

pub use class::Class;
pub use error::ClientError;
pub use node::{Execution, Node, Receipt};
pub use parts::Plan;
pub use sender::{Estimate, Limits, Sender};
pub use starknet_rust_core::types::{Call, Felt};
pub use wallet::Wallet;
