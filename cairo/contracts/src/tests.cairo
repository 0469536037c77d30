//! The contracts, deployed in the test runner.
mod sessions;
mod vault;
mod verifier;

use starknet::syscalls::deploy_syscall;
use starknet::{ContractAddress, SyscallResultTrait};
use crate::verifier::VeristarVerifier;
use veristar_interface::IVeristarVerifierDispatcher;

/// Deploys a verifier, one for each salt; `owner` 0 for one in which everybody registers.
fn deploy_verifier(owner: felt252, salt: felt252) -> IVeristarVerifierDispatcher {
    let class = VeristarVerifier::TEST_CLASS_HASH.try_into().unwrap();
    let (contract_address, _) = deploy_syscall(class, salt, [owner].span(), false).unwrap_syscall();
    IVeristarVerifierDispatcher { contract_address }
}

/// Calls a function; gives the felt it reverts with, or 0.
fn reason(address: ContractAddress, selector: felt252, calldata: Array<felt252>) -> felt252 {
    match starknet::syscalls::call_contract_syscall(address, selector, calldata.span()) {
        Result::Ok(_) => 0,
        Result::Err(panic) => *panic.at(0),
    }
}
