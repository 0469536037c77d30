//! A fresh commitment is proven to hold the same weights, and nothing else passes for one.

mod common;

use common::{everything, inputs, mlp, package, prepared};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use veristar_prover::rotation::rotate;
use veristar_prover::{prove, AnyPrepared, HidingOption, Prepared};
use veristar_security::Preset;
use veristar_verifier::hash::Hash;
use veristar_verifier::rotation::{statement, verify_rotation};
use veristar_verifier::{verify, Proof, VerifyError};

#[test]
fn a_rotated_model_has_another_commitment_and_the_same_weights() {
    for (graph, mut random) in [mlp(), everything()] {
        let old = package(&graph, Preset::Compact, 1, HidingOption::Fitting);
        let rotation = rotate(&old).expect("rotate");
        let (old, new) = (&old.key, &rotation.package.key);
        assert_ne!(old.weights_root, new.weights_root);
        let bytes = rotation.proof.to_bytes();
        let proof = Proof::from_bytes(&bytes, &statement(old, new).expect("statement"));
        verify_rotation(old, new, &proof.expect("bytes")).expect("verify");

        let prepared = Prepared::new(rotation.package.clone()).expect("prepare");
        let proven = prove(&prepared, &inputs(&graph, &mut random, 1)).expect("prove");
        verify(new, &proven.proof).expect("proof under the new key");
        assert!(verify(old, &proven.proof).is_err());
    }
}

#[test]
fn a_model_for_starknet_is_rotated() {
    let (graph, mut random) = mlp();
    let old = package(&graph, Preset::Starknet, 1, HidingOption::Fitting);
    let rotation = rotate(&old).expect("rotate");
    let (old, new) = (&old.key, &rotation.package.key);
    assert_ne!(old.weights_root, new.weights_root);
    verify_rotation(old, new, &rotation.proof).expect("verify");
    let mut changed = rotation.proof.clone();
    changed.queried[2][0][0] += M31::from(1);
    assert!(verify_rotation(old, new, &changed).is_err());

    let prepared = AnyPrepared::new(rotation.package.clone()).expect("prepare");
    let inputs = inputs(&graph, &mut random, 1);
    let proven = prepared.prove_for(&inputs, None).expect("prove");
    verify(new, &proven.proof).expect("proof under the new key");
    assert!(verify(old, &proven.proof).is_err());
}

#[test]
fn what_is_no_rotation_is_refused() {
    let (graph, _) = mlp();
    let old = package(&graph, Preset::Compact, 1, HidingOption::Fitting);
    let rotation = rotate(&old).expect("rotate");
    let (new, proof) = (&rotation.package.key, &rotation.proof);
    let one = QM31::from(M31::from(1));

    // Another new commitment, of the same weights or of others.
    let other = rotate(&old).expect("rotate").package.key;
    assert!(matches!(verify_rotation(&old.key, &other, proof), Err(VerifyError::Weights)));
    let mut renamed = proof.clone();
    renamed.commitments[0] = Hash(other.weights_root);
    assert!(verify_rotation(&old.key, &other, &renamed).is_err());
    // The other way round is another statement.
    assert!(verify_rotation(new, &old.key, proof).is_err());

    let mut weights = graph.clone();
    weights.parameters[0].values[0] ^= 1;
    let weights = package(&weights, Preset::Compact, 1, HidingOption::Fitting);
    assert_eq!(weights.key.program_root, old.key.program_root);
    assert!(verify_rotation(&old.key, &weights.key, proof).is_err());

    // Keys of different statements.
    let mut budget = new.clone();
    budget.proofs += 1;
    assert!(matches!(statement(&old.key, &budget), Err(VerifyError::Key(_))));
    let public = package(&graph, Preset::Compact, 1, HidingOption::None).key;
    assert!(matches!(statement(&public, &public), Err(VerifyError::Key(_))));
    let (other_model, _) = everything();
    let other_model = package(&other_model, Preset::Compact, 1, HidingOption::Fitting).key;
    assert!(matches!(statement(&old.key, &other_model), Err(VerifyError::Key(_))));

    // Every opened weight of both commitments is bound.
    for tree in [1, 2] {
        for column in 0..proof.queried[tree].len() {
            let mut changed = proof.clone();
            changed.queried[tree][column][0] += M31::from(1);
            let error = verify_rotation(&old.key, new, &changed).expect_err("opened value");
            assert!(matches!(error, VerifyError::Opening { tree: t } if t == tree), "{error}");
            let mut changed = proof.clone();
            changed.samples[tree][column][0] += one;
            assert!(verify_rotation(&old.key, new, &changed).is_err());
        }
    }
    let mut changed = proof.clone();
    changed.claims[0] += one;
    assert!(matches!(verify_rotation(&old.key, new, &changed), Err(VerifyError::Totals)));
}

#[test]
fn a_proof_of_a_model_is_no_rotation() {
    let (graph, mut random) = mlp();
    let prepared = prepared(&graph, Preset::Compact, 1);
    let proof = prove(&prepared, &inputs(&graph, &mut random, 1)).expect("prove").proof;
    let key = &prepared.package.key;
    assert!(verify_rotation(key, key, &proof).is_err());
}
