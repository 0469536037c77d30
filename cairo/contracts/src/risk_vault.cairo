//! `RiskVault`: an example. A lending vault whose loan-to-value limit for an account moves only with a proven
//! output of its risk model.
//!
//! The model's one public output is a probability of default, an integer from 0 to `scale`. A proof is made for a
//! context: this vault's domain, the account, the asset, and the block at which the risk was assessed. The transcript
//! absorbs it, so the proof is none for another account, asset, block or vault. Each assessment must be newer than the
//! last one of its account and asset, which refuses replays, and not older than `max_age` blocks.

use starknet::ContractAddress;

/// The vault.
#[starknet::interface]
pub trait IRiskVault<TState> {
    /// Sets the limit of an account for an asset, by a proof of the model's output as of a block.
    fn assess(
        ref self: TState,
        account: felt252,
        asset: felt252,
        block: u64,
        probability: felt252,
        key: Span<felt252>,
        proof: Span<felt252>,
    );
    /// The same, by a proof that was verified before: for proofs that do not fit one transaction.
    fn assess_verified(
        ref self: TState, account: felt252, asset: felt252, block: u64, probability: felt252,
    );
    /// How much of the asset's value the account may borrow, in basis points; 0 without an assessment.
    fn limit(self: @TState, account: felt252, asset: felt252) -> u32;
    /// What a proof must be made for.
    fn context(self: @TState, account: felt252, asset: felt252, block: u64) -> felt252;
    /// The verifier that is asked.
    fn verifier(self: @TState) -> ContractAddress;
}

#[starknet::contract]
pub mod RiskVault {
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{get_block_number, ContractAddress};
    use veristar_interface::{
        fact, IVeristarVerifierDispatcher, IVeristarVerifierDispatcherTrait,
    };

    pub mod errors {
        pub const FUTURE: felt252 = 'vault: block is not there yet';
        pub const STALE: felt252 = 'vault: assessment is too old';
        pub const REPLAY: felt252 = 'vault: not newer than the last';
        pub const PROBABILITY: felt252 = 'vault: probability';
        pub const NO_FACT: felt252 = 'vault: not verified';
    }

    /// Limit of an account without any risk, in basis points.
    const HIGHEST_LIMIT: u32 = 8000;

    #[storage]
    struct Storage {
        verifier: ContractAddress,
        model: felt252,
        domain: felt252,
        scale: u32,
        max_age: u64,
        limits: Map<felt252, u32>,
        /// Block after that of the last assessment.
        assessed: Map<felt252, u64>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        Assessed: Assessed,
    }

    /// A limit was set.
    #[derive(Drop, starknet::Event)]
    pub struct Assessed {
        #[key]
        pub account: felt252,
        #[key]
        pub asset: felt252,
        pub block: u64,
        pub limit: u32,
    }

    /// `domain` must be this deployment's own: vaults that share a domain and a model accept each other's proofs.
    #[constructor]
    fn constructor(
        ref self: ContractState,
        verifier: ContractAddress,
        model: felt252,
        domain: felt252,
        scale: u32,
        max_age: u64,
    ) {
        assert(scale != 0, errors::PROBABILITY);
        self.verifier.write(verifier);
        self.model.write(model);
        self.domain.write(domain);
        self.scale.write(scale);
        self.max_age.write(max_age);
    }

    #[abi(embed_v0)]
    impl VaultImpl of super::IRiskVault<ContractState> {
        fn assess(
            ref self: ContractState,
            account: felt252,
            asset: felt252,
            block: u64,
            probability: felt252,
            key: Span<felt252>,
            proof: Span<felt252>,
        ) {
            let limit = self.checked(account, asset, block, probability);
            let context = self.context(account, asset, block);
            let public = [probability].span();
            // Reverts unless the proof is valid.
            self.asked().verify(self.model.read(), key, context, public, proof);
            self.set(account, asset, block, limit);
        }

        fn assess_verified(
            ref self: ContractState,
            account: felt252,
            asset: felt252,
            block: u64,
            probability: felt252,
        ) {
            let limit = self.checked(account, asset, block, probability);
            let context = self.context(account, asset, block);
            let fact = fact(self.model.read(), context, [probability].span());
            assert(self.asked().is_fact(fact), errors::NO_FACT);
            self.set(account, asset, block, limit);
        }

        fn limit(self: @ContractState, account: felt252, asset: felt252) -> u32 {
            self.limits.read(poseidon_hash_span([account, asset].span()))
        }

        fn context(self: @ContractState, account: felt252, asset: felt252, block: u64) -> felt252 {
            let felts = ['VERISTAR_RISK', self.domain.read(), account, asset, block.into()];
            poseidon_hash_span(felts.span())
        }

        fn verifier(self: @ContractState) -> ContractAddress {
            self.verifier.read()
        }
    }

    #[generate_trait]
    impl Limits of LimitsTrait {
        fn asked(self: @ContractState) -> IVeristarVerifierDispatcher {
            IVeristarVerifierDispatcher { contract_address: self.verifier.read() }
        }

        /// The limit that an assessment is for, if it is in time, new, and a probability.
        fn checked(
            self: @ContractState, account: felt252, asset: felt252, block: u64, probability: felt252,
        ) -> u32 {
            let now = get_block_number();
            assert(block <= now, errors::FUTURE);
            assert(now - block <= self.max_age.read(), errors::STALE);
            let place = poseidon_hash_span([account, asset].span());
            assert(block >= self.assessed.read(place), errors::REPLAY);
            let scale = self.scale.read();
            let risk: u32 = probability.try_into().expect(errors::PROBABILITY);
            assert(risk <= scale, errors::PROBABILITY);
            let safe: u64 = (scale - risk).into();
            let limit: u64 = safe * HIGHEST_LIMIT.into() / scale.into();
            limit.try_into().expect(errors::PROBABILITY)
        }

        /// Sets a limit; the block is used up.
        fn set(
            ref self: ContractState, account: felt252, asset: felt252, block: u64, limit: u32,
        ) {
            let place = poseidon_hash_span([account, asset].span());
            self.assessed.write(place, block + 1);
            self.limits.write(place, limit);
            self.emit(Assessed { account, asset, block, limit });
        }
    }
}
