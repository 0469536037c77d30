//! What a contract needs to have Veristar proofs verified: the verifier's interface, and the names of facts.

use core::poseidon::{hades_permutation, poseidon_hash_span};

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

/// A proof verified in several transactions, by one account: what all of them must agree on. The contract knows it by a
/// hash of this and of the account, so that no other account, model, context or proof can continue it.
#[derive(Copy, Drop, Serde)]
pub struct Session {
    pub model: felt252,
    pub context: felt252,
    /// What is stored at the end.
    pub fact: felt252,
    /// What [`chain`] gives for all parts of the proof.
    pub parts: felt252,
}

/// The verifier, for proofs that do not fit one transaction. Their felts are cut into parts, each of whole sections
/// (`veristar_verifier::starknet::sections` in Rust); `rest` is what [`chain`] gives for the parts that follow, 0 if none
/// do. So the first transaction commits to all parts, and each part comes once, in its place.
#[starknet::interface]
pub trait IVeristarSessions<TState> {
    /// Verifies the first part of a proof of a registered model. Gives the session's name.
    fn begin(
        ref self: TState,
        model: felt252,
        key: Span<felt252>,
        context: felt252,
        public: Span<felt252>,
        part: Span<felt252>,
        rest: felt252,
    ) -> felt252;
    /// Verifies the next part; the last one stores the fact, as `verify` does. `leaves` are those of all rows so far, until
    /// the last tree's paths were verified.
    fn advance(
        ref self: TState,
        session: Session,
        key: Span<felt252>,
        leaves: Span<felt252>,
        part: Span<felt252>,
        rest: felt252,
    );
    /// Gives a session up.
    fn close(ref self: TState, session: Session);
    /// What [`chain`] gives for the parts that a session waits for; 0 if there is no such session.
    fn rest(self: @TState, session: felt252) -> felt252;
}

/// The session's name, if this account began it.
pub fn session_name(session: Session, account: starknet::ContractAddress) -> felt252 {
    let Session { model, context, fact, parts } = session;
    let felts = ['VERISTAR_SESSION', account.into(), model, context, fact, parts];
    poseidon_hash_span(felts.span())
}

/// A commitment to a part and the parts after it.
pub fn chain(part: Span<felt252>, rest: felt252) -> felt252 {
    let (hash, _, _) = hades_permutation(poseidon_hash_span(part), rest, 2);
    hash
}

/// The fact that a model gives public values, proven for a context.
pub fn fact(model: felt252, context: felt252, public: Span<felt252>) -> felt252 {
    let mut felts = array!['VERISTAR_FACT', model, context];
    felts.append_span(public);
    poseidon_hash_span(felts.span())
}
