//! `VeristarVerifier`: proofs of registered models become facts, everything else reverts with a named error.
use starknet::testing::set_contract_address;
use veristar_fixtures::{credit_risk, mlp, without_weights};
use veristar_interface::{
    fact, IVeristarVerifierDispatcher, IVeristarVerifierDispatcherTrait,
};
use super::{deploy_verifier, reason};

fn verify_with(
    verifier: IVeristarVerifierDispatcher,
    model: felt252,
    key: Span<felt252>,
    context: felt252,
    public: Span<felt252>,
    proof: Span<felt252>,
) -> felt252 {
    let mut calldata = array![];
    model.serialize(ref calldata);
    key.serialize(ref calldata);
    context.serialize(ref calldata);
    public.serialize(ref calldata);
    proof.serialize(ref calldata);
    reason(verifier.contract_address, selector!("verify"), calldata)
}

fn verify_mlp(
    verifier: IVeristarVerifierDispatcher, context: felt252, public: Span<felt252>, proof: Span<felt252>,
) -> felt252 {
    verify_with(verifier, mlp::ID, mlp::KEY.span(), context, public, proof)
}

/// A list with one felt replaced.
fn replaced(list: Span<felt252>, at: u32, by: felt252) -> Span<felt252> {
    let mut result = array![];
    result.append_span(list.slice(0, at));
    result.append(by);
    result.append_span(list.slice(at + 1, list.len() - at - 1));
    result.span()
}

fn registered() -> IVeristarVerifierDispatcher {
    let verifier = deploy_verifier(0, 0);
    assert(verifier.register(mlp::KEY.span()) == mlp::ID, 'id');
    verifier
}

#[test]
fn a_proof_becomes_a_fact() {
    let verifier = registered();
    let (public, proof) = (mlp::PUBLIC.span(), mlp::PROOF.span());
    let expected = fact(mlp::ID, 0, public);
    assert(!verifier.is_fact(expected), 'no fact yet');
    assert(verifier.verify(mlp::ID, mlp::KEY.span(), 0, public, proof) == expected, 'fact');
    assert(verifier.is_fact(expected), 'a fact');
    assert(!verifier.is_fact(fact(mlp::ID, 1, public)), 'of its context only');
}

#[test]
fn only_the_owner_registers() {
    let verifier = deploy_verifier(7, 0);
    set_contract_address(8.try_into().unwrap());
    let mut calldata = array![];
    mlp::KEY.span().serialize(ref calldata);
    let found = reason(verifier.contract_address, selector!("register"), calldata);
    assert(found == 'veristar: not the owner', 'refused');
    set_contract_address(7.try_into().unwrap());
    assert(verifier.register(mlp::KEY.span()) == mlp::ID, 'registered');
}

#[test]
fn other_models_and_keys_are_refused() {
    let verifier = registered();
    let (public, proof) = (mlp::PUBLIC.span(), mlp::PROOF.span());
    let other = without_weights::KEY.span();
    let unknown = verify_with(verifier, without_weights::ID, other, 0, public, proof);
    assert(unknown == 'veristar: not registered', 'unknown model');
    let wrong = verify_with(verifier, mlp::ID, other, 0, public, proof);
    assert(wrong == 'veristar: other key', 'other key');
    verifier.register(other);
    let foreign = verify_with(verifier, without_weights::ID, other, 0, public, proof);
    assert(foreign == 'veristar: public range', 'other model');
    let ten = without_weights::PUBLIC.span();
    let foreign = verify_with(verifier, without_weights::ID, other, 0, ten, proof);
    assert(foreign != 0, 'other model');
}

#[test]
fn malformed_keys_are_refused() {
    let verifier = deploy_verifier(0, 0);
    let key = mlp::KEY.span();
    let refused = |felts: Span<felt252>| -> felt252 {
        let mut calldata = array![];
        felts.serialize(ref calldata);
        reason(verifier.contract_address, selector!("register"), calldata)
    };
    assert(refused(array![].span()) == 'veristar: key', 'empty');
    assert(refused(key.slice(0, 20)) == 'veristar: key', 'truncated');
    let mut longer = array![];
    longer.append_span(key);
    longer.append(0);
    assert(refused(longer.span()) == 'veristar: key', 'trailing');
    // Felt 5 counts tables; 6 is the first one's chip, then width, height and reserved rows.
    assert(refused(replaced(key, 0, 'VERISTAR2')) == 'veristar: key', 'version');
    assert(refused(replaced(key, 5, 0)) != 0, 'no table');
    assert(refused(replaced(key, 5, 0x10000000000)) == 'veristar: key', 'tables');
    assert(refused(replaced(key, 5, 100)) == 'veristar: key limits', 'too many tables');
    assert(refused(replaced(key, 6, 14)) == 'veristar: key', 'no such chip');
    assert(refused(replaced(key, 7, 2000)) == 'veristar: key limits', 'too wide');
    assert(refused(replaced(key, 7, 0)) == 'veristar: key limits', 'no width');
    assert(refused(replaced(key, 8, 20)) == 'veristar: key limits', 'too tall');
    // 2^19 rows of 1,024 weights.
    let wide = replaced(replaced(key, 7, 1024), 8, 19);
    assert(refused(wide) == 'veristar: key limits', 'too many weights');
    assert(refused(replaced(key, 8, 4)) == 'veristar: key limits', 'too low');
    assert(refused(replaced(key, 9, 0)) == 'veristar: key limits', 'no reserved row');
    assert(refused(replaced(key, 9, 0x80000)) == 'veristar: key limits', 'no active row');
}

#[test]
fn public_values_are_bound() {
    let verifier = registered();
    let (public, proof) = (mlp::PUBLIC.span(), mlp::PROOF.span());
    let changed = replaced(public, 1, *public.at(1) + 1);
    assert(verify_mlp(verifier, 0, changed, proof) == 'veristar: totals', 'value');
    let beyond = replaced(public, 0, 0x40000000);
    assert(verify_mlp(verifier, 0, beyond, proof) == 'veristar: public range', 'range');
    assert(verify_mlp(verifier, 0, public.slice(0, 2), proof) == 'veristar: public count', 'few');
    let mut more = array![0];
    more.append_span(public);
    assert(verify_mlp(verifier, 0, more.span(), proof) == 'veristar: public count', 'many');
    assert(verify_mlp(verifier, 1, public, proof) == 'veristar: totals', 'context');
}

#[test]
fn truncated_and_oversized_proofs_are_refused() {
    let verifier = registered();
    let (public, proof) = (mlp::PUBLIC.span(), mlp::PROOF.span());
    let n = proof.len();
    for left in [0, 1, 3, 7, 60, n / 2, n - 1].span() {
        let found = verify_mlp(verifier, 0, public, proof.slice(0, *left));
        assert(found == 'veristar: truncated', 'truncated');
    }
    let mut longer = array![];
    longer.append_span(proof);
    longer.append(0);
    assert(verify_mlp(verifier, 0, public, longer.span()) == 'veristar: trailing', 'trailing');
}

/// Whether an error is one that a hostile proof may cause.
fn is_named(error: felt252) -> bool {
    error == 'veristar: totals'
        || error == 'veristar: constraints'
        || error == 'veristar: proof of work'
        || error == 'veristar: opening'
        || error == 'veristar: layer'
        || error == 'veristar: last layer'
        || error == 'veristar: packing'
}

/// Every section of a proof, changed by one in its lowest bits, and to a felt that no packing has.
#[test]
fn sixty_changes_are_refused() {
    let verifier = registered();
    let (public, proof) = (mlp::PUBLIC.span(), mlp::PROOF.span());
    let n = proof.len();
    // All of the start, where sections are short, then every 61st felt: rows, paths, layers.
    let mut at = 0;
    let mut changes = 0_u32;
    while at < n {
        let changed = replaced(proof, at, *proof.at(at) + 1);
        assert(is_named(verify_mlp(verifier, 0, public, changed)), 'changed');
        changes += 1;
        at += if at < 8 {
            1
        } else {
            61
        };
    }
    at = 2;
    while at < n {
        assert(is_named(verify_mlp(verifier, 0, public, replaced(proof, at, -1))), 'replaced');
        changes += 1;
        at += 67;
    }
    assert(changes >= 60, 'changes');
}

#[test]
fn a_proof_in_a_context_is_verified() {
    let verifier = deploy_verifier(0, 0);
    let key = credit_risk::KEY.span();
    verifier.register(key);
    let (public, proof) = (credit_risk::PUBLIC.span(), credit_risk::PROOF.span());
    let model = credit_risk::ID;
    let without = verify_with(verifier, model, key, 0, public, proof);
    assert(without == 'veristar: totals', 'no context');
    verifier.verify(model, key, credit_risk::CONTEXT, public, proof);
}
