//! `VeristarVerifier`: registers models, verifies their proofs, remembers facts.
//!
//! A model is known by its name, the Poseidon hash of its key; the contract stores the names only, and callers bring
//! the key with each proof. Every malformed key, public value or proof reverts with a named error
//! (`veristar_verifier::errors`). All loops end by limits on the key, which was registered.
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
    use veristar_interface::{fact, IVeristarVerifier};
    use veristar_verifier::key::{check, parse};
    use veristar_verifier::verify::verify;

    pub mod errors {
        pub const NOT_OWNER: felt252 = 'veristar: not the owner';
        pub const NOT_REGISTERED: felt252 = 'veristar: not registered';
        pub const OTHER_KEY: felt252 = 'veristar: other key';
    }

    #[storage]
    struct Storage {
        /// Who registers models; 0 if everybody may.
        owner: ContractAddress,
        models: Map<felt252, bool>,
        facts: Map<felt252, bool>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        Registered: Registered,
        Verified: Verified,
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
            // Before the key is read: a registered one keeps the limits.
            assert(core::poseidon::poseidon_hash_span(key) == model, errors::OTHER_KEY);
            verify(parse(key), context, public, proof);
            let fact = fact(model, context, public);
            self.facts.write(fact, true);
            self.emit(Verified { model, context, fact, by: get_caller_address() });
            fact
        }

        fn is_fact(self: @ContractState, fact: felt252) -> bool {
            self.facts.read(fact)
        }

        fn owner(self: @ContractState) -> ContractAddress {
            self.owner.read()
        }
    }
}
