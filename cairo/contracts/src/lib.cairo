//! Contracts: `VeristarVerifier` checks proofs, `RiskVault` is an example of a contract that asks it.
pub mod cells;
pub mod risk_vault;
pub mod verifier;
#[cfg(test)]
mod tests;
