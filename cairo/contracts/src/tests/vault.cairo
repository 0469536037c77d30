//! `RiskVault`: only a fresh proof for this account, asset and block moves a limit.
use starknet::testing::set_block_number;
use starknet::syscalls::deploy_syscall;
use starknet::SyscallResultTrait;
use crate::risk_vault::{IRiskVaultDispatcher, IRiskVaultDispatcherTrait, RiskVault};
use veristar_fixtures::{credit_risk, credit_risk_hidden};
use veristar_interface::{
    chain, fact, IVeristarSessionsDispatcher, IVeristarSessionsDispatcherTrait,
    IVeristarVerifierDispatcherTrait, Session,
};
use super::{deploy_verifier, reason};

fn deploy(model: felt252, key: Span<felt252>, domain: felt252) -> IRiskVaultDispatcher {
    let verifier = deploy_verifier(0, domain);
    assert(verifier.register(key) == model, 'id');
    let class = RiskVault::TEST_CLASS_HASH.try_into().unwrap();
    let calldata = [verifier.contract_address.into(), model, domain, 4096, 50];
    let (contract_address, _) = deploy_syscall(class, 0, calldata.span(), false).unwrap_syscall();
    IRiskVaultDispatcher { contract_address }
}

/// Asks for an assessment by the fixture's proof; gives the reason for which it is refused, or 0.
fn assess(vault: IRiskVaultDispatcher, account: felt252, asset: felt252, block: u64) -> felt252 {
    let mut calldata = array![account, asset, block.into(), *credit_risk::PUBLIC.span().at(0)];
    credit_risk::KEY.span().serialize(ref calldata);
    credit_risk::PROOF.span().serialize(ref calldata);
    reason(vault.contract_address, selector!("assess"), calldata)
}

fn deployed(domain: felt252) -> IRiskVaultDispatcher {
    set_block_number(1010);
    deploy(credit_risk::ID, credit_risk::KEY.span(), domain)
}

#[test]
fn a_proof_moves_the_limit_once() {
    let vault = deployed('vault');
    assert(vault.limit('alice', 'ether') == 0, 'no limit without a proof');
    assert(vault.context('alice', 'ether', 1000) == credit_risk::CONTEXT, 'context');
    assert(assess(vault, 'alice', 'ether', 1000) == 0, 'accepted');
    let risk: u64 = (*credit_risk::PUBLIC.span().at(0)).try_into().unwrap();
    let expected: u64 = (4096 - risk) * 8000 / 4096;
    assert(vault.limit('alice', 'ether').into() == expected, 'limit');
    assert(vault.limit('bob', 'ether') == 0, 'of one account');
    assert(assess(vault, 'alice', 'ether', 1000) == 'vault: not newer than the last', 'replay');
}

#[test]
fn a_proof_is_for_one_account_asset_block_and_vault() {
    let vault = deployed('vault');
    assert(assess(vault, 'bob', 'ether', 1000) == 'veristar: totals', 'account');
    assert(assess(vault, 'alice', 'bitcoin', 1000) == 'veristar: totals', 'asset');
    assert(assess(vault, 'alice', 'ether', 1001) == 'veristar: totals', 'block');
    assert(assess(deployed('other'), 'alice', 'ether', 1000) == 'veristar: totals', 'vault');
}

#[test]
fn old_and_future_assessments_are_refused() {
    let vault = deployed('vault');
    assert(assess(vault, 'alice', 'ether', 1011) == 'vault: block is not there yet', 'future');
    set_block_number(1051);
    assert(assess(vault, 'alice', 'ether', 1000) == 'vault: assessment is too old', 'old');
}

#[test]
fn another_model_is_refused() {
    let vault = deploy(credit_risk_hidden::ID, credit_risk_hidden::KEY.span(), 'vault');
    set_block_number(1010);
    assert(assess(vault, 'alice', 'ether', 1000) == 'veristar: other key', 'model');
}

#[test]
fn a_hidden_model_moves_the_limit() {
    set_block_number(1000);
    let vault = deploy(credit_risk_hidden::ID, credit_risk_hidden::KEY.span(), 'vault');
    vault
        .assess(
            'alice',
            'ether',
            1000,
            *credit_risk_hidden::PUBLIC.span().at(0),
            credit_risk_hidden::KEY.span(),
            credit_risk_hidden::PROOF.span(),
        );
    assert(vault.limit('alice', 'ether') <= 8000, 'limit');
}

/// However a proof was verified, the vault takes it once.
#[test]
fn a_fact_moves_the_limit_once() {
    let vault = deployed('vault');
    let risk = *credit_risk::PUBLIC.span().at(0);
    let verified = |block: u64, risk: felt252| -> felt252 {
        let calldata = array!['alice', 'ether', block.into(), risk];
        reason(vault.contract_address, selector!("assess_verified"), calldata)
    };
    assert(verified(1000, risk) == 'vault: not verified', 'no fact');
    let sections = credit_risk::SECTIONS.span();
    let mut length = 0;
    for section in sections.slice(0, 10) {
        length += *section;
    }
    let proof = credit_risk::PROOF.span();
    let (first, second) = (proof.slice(0, length), proof.slice(length, proof.len() - length));
    let (model, key, context) = (credit_risk::ID, credit_risk::KEY.span(), credit_risk::CONTEXT);
    let public = credit_risk::PUBLIC.span();
    let sessions = IVeristarSessionsDispatcher { contract_address: vault.verifier() };
    let rest = chain(second, 0);
    sessions.begin(model, key, context, public, first, rest);
    assert(verified(1000, risk) == 'vault: not verified', 'half a proof');
    let fact = fact(model, context, public);
    let session = Session { model, context, fact, parts: chain(first, rest) };
    sessions.advance(session, key, credit_risk::LEAVES.span().slice(0, 54), second, 0);
    assert(verified(1000, risk + 1) == 'vault: not verified', 'another probability');
    assert(verified(1001, risk) == 'vault: not verified', 'another block');
    assert(verified(1000, risk) == 0, 'accepted');
    assert(vault.limit('alice', 'ether') != 0, 'limit');
    assert(verified(1000, risk) == 'vault: not newer than the last', 'replay');
    assert(assess(vault, 'alice', 'ether', 1000) == 'vault: not newer than the last', 'replay');
}
