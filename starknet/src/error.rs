//! Why a client cannot do what it was asked.

use starknet_rust_core::types::Felt;

/// Everything that can go wrong between a file and a contract's answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An address of a node that is none.
    #[error("the node's address is not usable: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The node cannot be reached, or answers what is no answer.
    #[error("the node does not answer as expected: {reason}")]
    Node {
        /// What it said, or what happened; without the node's address, which may hold a password.
        reason: String,
    },
    /// The node took too long.
    #[error("the node did not answer within {seconds} s")]
    Timeout {
        /// How long it had.
        seconds: u64,
    },
    /// A transaction or a call reverted.
    #[error("reverted: {reason}")]
    Reverted {
        /// The contract's error if it can be read, else the node's text.
        reason: String,
        /// The transaction, if one was sent.
        transaction: Option<Felt>,
    },
    /// A transaction was sent, but is in no block yet.
    #[error(
        "transaction {transaction:#x} is in no block after {seconds} s; ask for its status later"
    )]
    Pending {
        /// The transaction.
        transaction: Felt,
        /// How long it was waited for.
        seconds: u64,
    },
    /// More felts than a transaction may carry.
    #[error("a transaction would carry {felts} felts, and may carry {limit}")]
    TooLong {
        /// Felts of calldata, the account's included.
        felts: usize,
        /// How many one may carry.
        limit: usize,
    },
    /// More gas than a transaction may use.
    #[error("the transaction would use {gas} gas, and one may use {limit}")]
    TooMuchGas {
        /// Sierra gas that a dry run used.
        gas: u64,
        /// How much one transaction may use.
        limit: u64,
    },
    /// A higher fee than the caller wants to pay.
    #[error("the transaction may cost up to {fee} fri, and the limit is {limit}")]
    Fee {
        /// Upper bound of the fee.
        fee: u128,
        /// What the caller allows.
        limit: u128,
    },
    /// A key or a proof that cannot be put into calldata.
    #[error("{reason}")]
    Calldata {
        /// Why not.
        reason: &'static str,
    },
    /// A file that is no compiled contract.
    #[error("this is no {kind} class as the compiler writes it: {reason}")]
    Class {
        /// Sierra or CASM.
        kind: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// A secret key that cannot be had. Never says anything of the key itself.
    #[error("{reason}")]
    Wallet {
        /// Why not.
        reason: String,
    },
}
