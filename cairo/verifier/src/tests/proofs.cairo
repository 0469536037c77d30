//! Proofs made by the Rust prover are accepted, changed ones are refused for the right reason.
use crate::key::{check, parse};
use veristar_fixtures::{credit_risk, credit_risk_hidden, everything, forest, mlp, without_weights};
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

/// The chips of decision trees: `tree`, `nodes`, `features`.
#[test]
fn a_forest_is_accepted() {
    let key = check(forest::KEY.span());
    assert(key.id == forest::ID, 'id');
    verify(key, forest::CONTEXT, forest::PUBLIC.span(), forest::PROOF.span());
}

#[test]
#[should_panic(expected: 'veristar: constraints')]
fn a_changed_forest_is_refused() {
    let mut proof = array![];
    let frozen = forest::PROOF.span();
    // Roots of values and evaluations, totals, roots of sums and of the composition; then the values at the point.
    let samples = 2 + (9 * 4 + 7) / 8 + 2;
    proof.append_span(frozen.slice(0, samples + 20));
    proof.append(*frozen.at(samples + 20) + 1);
    proof.append_span(frozen.slice(samples + 21, frozen.len() - samples - 21));
    verify(parse(forest::KEY.span()), forest::CONTEXT, forest::PUBLIC.span(), proof.span());
}
