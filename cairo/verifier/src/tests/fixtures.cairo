//! Keys and proofs, written by prover/tests/starknet.rs.
pub mod credit_risk;
pub mod credit_risk_hidden;
pub mod everything;
pub mod mlp;
pub mod without_weights;
