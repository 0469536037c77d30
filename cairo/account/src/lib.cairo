//! An account for tests on a local node: one key, checked; no upgrade, no recovery. Not for use elsewhere.
//!
//! starknet-devnet meters a transaction by Sierra gas only if the account's class says so, and its own accounts'
//! classes do not. It writes the public key to `Account_public_key` by itself.

use starknet::account::Call;

#[starknet::interface]
pub trait IAccount<TState> {
    fn __validate_declare__(self: @TState, class_hash: felt252) -> felt252;
    fn __validate__(self: @TState, calls: Array<Call>) -> felt252;
    fn __execute__(self: @TState, calls: Array<Call>) -> Array<Span<felt252>>;
}

#[starknet::contract(account)]
pub mod Account {
    use core::ecdsa::check_ecdsa_signature;
    use core::num::traits::Zero;
    use starknet::account::Call;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::syscalls::call_contract_syscall;
    use starknet::{get_caller_address, get_tx_info, SyscallResultTrait};

    #[storage]
    struct Storage {
        Account_public_key: felt252,
    }

    #[constructor]
    fn constructor(ref self: ContractState, public_key: felt252) {
        self.Account_public_key.write(public_key);
    }

    /// Whether the transaction is signed with the account's key.
    fn check(self: @ContractState) -> felt252 {
        let transaction = get_tx_info().unbox();
        let signature = transaction.signature;
        assert(signature.len() == 2, 'account: signature');
        let valid = check_ecdsa_signature(
            transaction.transaction_hash,
            self.Account_public_key.read(),
            *signature.at(0),
            *signature.at(1),
        );
        assert(valid, 'account: signature');
        starknet::VALIDATED
    }

    #[abi(embed_v0)]
    impl AccountImpl of super::IAccount<ContractState> {
        fn __validate_declare__(self: @ContractState, class_hash: felt252) -> felt252 {
            check(self)
        }

        fn __validate__(self: @ContractState, calls: Array<Call>) -> felt252 {
            check(self)
        }

        fn __execute__(self: @ContractState, calls: Array<Call>) -> Array<Span<felt252>> {
            assert(get_caller_address().is_zero(), 'account: caller');
            let mut results = array![];
            for call in calls.span() {
                let result = call_contract_syscall(*call.to, *call.selector, *call.calldata);
                results.append(result.unwrap_syscall());
            }
            results
        }
    }
}
