//! Proofs made by the Rust prover are accepted, changed ones are refused for the right reason.
use crate::key::{check, parse};
use veristar_fixtures::{credit_risk, credit_risk_hidden, everything, mlp, without_weights};
use crate::verify::verify;

#[test]
fn mlp_is_accepted() {
    let key = check(mlp::KEY.span());
    assert(key.id == mlp::ID, 'id');
    verify(key, mlp::CONTEXT, mlp::PUBLIC.span(), mlp::PROOF.span());
}

#[test]
fn a_model_without_weights_is_accepted() {
    let key = check(without_weights::KEY.span());
    verify(key, without_weights::CONTEXT, without_weights::PUBLIC.span(), without_weights::PROOF.span());
}

#[test]
fn credit_risk_is_accepted() {
    let key = parse(credit_risk::KEY.span());
    verify(key, credit_risk::CONTEXT, credit_risk::PUBLIC.span(), credit_risk::PROOF.span());
}

#[test]
fn hidden_credit_risk_is_accepted() {
    let key = parse(credit_risk_hidden::KEY.span());
    verify(key, credit_risk_hidden::CONTEXT, credit_risk_hidden::PUBLIC.span(), credit_risk_hidden::PROOF.span());
}

#[test]
fn every_chip_is_accepted() {
    let key = parse(everything::KEY.span());
    verify(key, everything::CONTEXT, everything::PUBLIC.span(), everything::PROOF.span());
}
