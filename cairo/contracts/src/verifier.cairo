//! `VeristarVerifier`: registers models, verifies their proofs, remembers facts.
//!
//! A model is known by its name, the Poseidon hash of its key; the contract stores the names only, and callers bring
//! the key with each proof. Every malformed key, public value or proof reverts with a named error
//! (`veristar_verifier::errors`). All loops end by limits on the key, which was registered.
//!
//! *Sessions.* A proof that does not fit a transaction is verified in parts, by the same code. Between them the contract
//! keeps, under the session's name, the commitment to the parts that are left, and what `veristar_verifier::state` makes of
//! the claims and the progress: about 45 cells, most of them written once. What is part of the proof or follows from it by
//! hashing alone is not kept: the account brings it again (the key, up to 120 leaves), which costs far less than cells do
//! (docs/src/starknet.md has the figures).
//! A session blocks nobody: its name has the account's address in it.
//!
//! *Upgrades.* There is none: the class has no administrator but for registration, and cannot be replaced. A new
//! version is a new contract, to which consumers move by their own rules.

#[starknet::contract]
pub mod VeristarVerifier {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{get_caller_address, ContractAddress};
    use veristar_interface::{
        chain, fact, session_name, IVeristarSessions, IVeristarVerifier, Session,
    };
    use veristar_verifier::errors::{TRAILING, TRUNCATED};
    use veristar_verifier::key::{check, parse, Key};
    use veristar_verifier::openings::ProgressTrait;
    use veristar_verifier::state;
    use veristar_verifier::verify::{advance, begin, verify};
    use crate::cells;

    pub mod errors {
        pub const NO_SESSION: felt252 = 'veristar: no such session';
        pub const OPEN: felt252 = 'veristar: session is open';
        pub const ONE_PART: felt252 = 'veristar: one part';
        pub const OTHER_PART: felt252 = 'veristar: other part';
        pub const NOT_OWNER: felt252 = 'veristar: not the owner';
        pub const NOT_REGISTERED: felt252 = 'veristar: not registered';
        pub const OTHER_KEY: felt252 = 'veristar: other key';
    }

    /// Where a session's claims and progress are.
    const CLAIMS: felt252 = 0;
    const PROGRESS: felt252 = 1;

    #[storage]
    struct Storage {
        /// Who registers models; 0 if everybody may.
        owner: ContractAddress,
        models: Map<felt252, bool>,
        facts: Map<felt252, bool>,
        /// What each open session waits for.
        sessions: Map<felt252, felt252>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        Registered: Registered,
        Verified: Verified,
        Begun: Begun,
        Closed: Closed,
    }

    /// A model was registered.
    #[derive(Drop, starknet::Event)]
    pub struct Registered {
        #[key]
        pub model: felt252,
        pub by: ContractAddress,
    }

    /// A proof was verified.
    #[derive(Drop, starknet::Event)]
    pub struct Verified {
        #[key]
        pub model: felt252,
        #[key]
        pub context: felt252,
        pub fact: felt252,
        pub by: ContractAddress,
    }

    /// A session was begun.
    #[derive(Drop, starknet::Event)]
    pub struct Begun {
        #[key]
        pub session: felt252,
        #[key]
        pub model: felt252,
        pub by: ContractAddress,
    }

    /// A session was given up.
    #[derive(Drop, starknet::Event)]
    pub struct Closed {
        #[key]
        pub session: felt252,
    }

    /// `owner` registers models; 0 lets everybody. What a model is worth is for its users to judge either way: a key
    /// says nothing of who made it.
    #[constructor]
    fn constructor(ref self: ContractState, owner: ContractAddress) {
        self.owner.write(owner);
    }

    #[abi(embed_v0)]
    impl VerifierImpl of IVeristarVerifier<ContractState> {
        fn register(ref self: ContractState, key: Span<felt252>) -> felt252 {
            let owner = self.owner.read();
            let caller = get_caller_address();
            assert(owner.is_zero() || owner == caller, errors::NOT_OWNER);
            let model = check(key).id;
            self.models.write(model, true);
            self.emit(Registered { model, by: caller });
            model
        }

        fn is_registered(self: @ContractState, model: felt252) -> bool {
            self.models.read(model)
        }

        fn verify(
            ref self: ContractState,
            model: felt252,
            key: Span<felt252>,
            context: felt252,
            public: Span<felt252>,
            proof: Span<felt252>,
        ) -> felt252 {
            assert(self.models.read(model), errors::NOT_REGISTERED);
            verify(known(model, key), context, public, proof);
            let fact = fact(model, context, public);
            self.store(model, context, fact);
            fact
        }

        fn is_fact(self: @ContractState, fact: felt252) -> bool {
            self.facts.read(fact)
        }

        fn owner(self: @ContractState) -> ContractAddress {
            self.owner.read()
        }
    }

    #[abi(embed_v0)]
    impl SessionsImpl of IVeristarSessions<ContractState> {
        fn begin(
            ref self: ContractState,
            model: felt252,
            key: Span<felt252>,
            context: felt252,
            public: Span<felt252>,
            part: Span<felt252>,
            rest: felt252,
        ) -> felt252 {
            assert(self.models.read(model), errors::NOT_REGISTERED);
            let by = get_caller_address();
            let (fact, parts) = (fact(model, context, public), chain(part, rest));
            let name = session_name(Session { model, context, fact, parts }, by);
            assert(self.sessions.read(name) == 0, errors::OPEN);
            assert(rest != 0, errors::ONE_PART);
            let (claims, progress) = begin(known(model, key), context, public, part);
            assert(!progress.is_complete(@claims), TRAILING);
            cells::write(cells::place(name, CLAIMS), state::write_claims(@claims).span());
            cells::write(cells::place(name, PROGRESS), state::write_progress(@progress).span());
            self.sessions.write(name, rest);
            self.emit(Begun { session: name, model, by });
            name
        }

        fn advance(
            ref self: ContractState,
            session: Session,
            key: Span<felt252>,
            leaves: Span<felt252>,
            part: Span<felt252>,
            rest: felt252,
        ) {
            let name = session_name(session, get_caller_address());
            let expected = self.sessions.read(name);
            assert(expected != 0, errors::NO_SESSION);
            assert(chain(part, rest) == expected, errors::OTHER_PART);
            let key = known(session.model, key);
            let place = cells::place(name, CLAIMS);
            let first = cells::first(place);
            let felts = cells::read(place, first, state::length_of_claims(first));
            let claims = state::read_claims(key, felts);
            let place = cells::place(name, PROGRESS);
            let first = cells::first(place);
            let felts = cells::read(place, first, state::length_of_progress(first));
            let mut progress = state::read_progress(felts, leaves);
            advance(key, claims, ref progress, part);
            if rest == 0 {
                assert(progress.is_complete(@claims), TRUNCATED);
                self.store(session.model, session.context, session.fact);
            } else {
                assert(!progress.is_complete(@claims), TRAILING);
                cells::write(place, state::write_progress(@progress).span());
            }
            self.sessions.write(name, rest);
        }

        fn close(ref self: ContractState, session: Session) {
            let name = session_name(session, get_caller_address());
            assert(self.sessions.read(name) != 0, errors::NO_SESSION);
            self.sessions.write(name, 0);
            self.emit(Closed { session: name });
        }

        fn rest(self: @ContractState, session: felt252) -> felt252 {
            self.sessions.read(session)
        }
    }

    /// Reads the key of a registered model, which keeps the limits.
    fn known(model: felt252, key: Span<felt252>) -> Key {
        // Before it is read.
        assert(core::poseidon::poseidon_hash_span(key) == model, errors::OTHER_KEY);
        parse(key)
    }

    #[generate_trait]
    impl Facts of FactsTrait {
        fn store(ref self: ContractState, model: felt252, context: felt252, fact: felt252) {
            self.facts.write(fact, true);
            self.emit(Verified { model, context, fact, by: get_caller_address() });
        }
    }
}
