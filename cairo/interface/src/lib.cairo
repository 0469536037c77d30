//! What a contract needs to have Veristar proofs verified: the verifier's interface, and the names of facts.

use core::poseidon::poseidon_hash_span;

/// The verifier. Keys and proofs are felts as `veristar_verifier::starknet` (Rust) writes them.
#[starknet::interface]
pub trait IVeristarVerifier<TState> {
    /// Accepts a key and gives its model's name, by which proofs are asked for. Only the owner may, unless the
    /// verifier is open. Reverts with `veristar: key ..` for what is no key.
    fn register(ref self: TState, key: Span<felt252>) -> felt252;
    /// Whether a model is registered.
    fn is_registered(self: @TState, model: felt252) -> bool;
    /// Verifies a proof of a registered model and stores its fact. `context` is what the proof was made for, 0 if it
    /// does not say. Reverts with `veristar: ..` unless the proof is valid.
    fn verify(
        ref self: TState,
        model: felt252,
        key: Span<felt252>,
        context: felt252,
        public: Span<felt252>,
        proof: Span<felt252>,
    ) -> felt252;
    /// Whether a fact was verified.
    fn is_fact(self: @TState, fact: felt252) -> bool;
    /// Who registers models; 0 if everybody may.
    fn owner(self: @TState) -> starknet::ContractAddress;
}

/// The fact that a model gives public values, proven for a context.
pub fn fact(model: felt252, context: felt252, public: Span<felt252>) -> felt252 {
    let mut felts = array!['VERISTAR_FACT', model, context];
    felts.append_span(public);
    poseidon_hash_span(felts.span())
}
