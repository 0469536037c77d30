//! A prover that keeps little makes the very same proofs.

mod common;

use common::{everything, inputs, mlp, package, products, without_weights, Random};
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use veristar_model::Graph;
use veristar_prover::prove::prove_with;
use veristar_prover::randomness::Randomness;
use veristar_prover::{check, prove, Footprint, HidingOption, Keep, Prepared};
use veristar_security::{HashFunction, Preset};
use veristar_verifier::verify;

/// Proofs of one package with the same randomness.
fn same(graph: (Graph, Random), preset: Preset, batch: usize) {
    let (graph, mut random) = graph;
    for hiding in [HidingOption::Fitting, HidingOption::None] {
        let package = package(&graph, preset, batch, hiding);
        let inputs = inputs(&graph, &mut random, batch);
        let [all, least] = [Keep::All, Keep::Least].map(|keep| {
            let randomness = match hiding {
                HidingOption::None => Randomness::none(),
                _ => Randomness::from_seed([7; 32]),
            };
            let package = package.clone();
            let proven = match preset.hash() {
                HashFunction::Blake2s => {
                    let prepared = <Prepared>::keeping(package, keep).expect("prepare");
                    prove_with(&prepared, &inputs, randomness)
                }
                HashFunction::Poseidon252 => {
                    let prepared = Prepared::<Poseidon252MerkleChannel>::keeping(package, keep);
                    prove_with(&prepared.expect("prepare"), &inputs, randomness)
                }
            };
            proven.expect("prove").proof
        });
        assert!(all.to_bytes() == least.to_bytes(), "{preset:?} {hiding:?}");
        verify(&package.key, &least).expect("verify");
    }
}

#[test]
fn of_all_chips() {
    same(everything(), Preset::Fast, 1);
    same(everything(), Preset::Compact, 1);
}

#[test]
fn of_batches() {
    same(products(), Preset::Fast, 3);
    same(mlp(), Preset::Fast, 5);
}

#[test]
fn without_a_weights_tree() {
    same(without_weights(), Preset::Fast, 1);
}

#[test]
fn for_starknet() {
    same(mlp(), Preset::Starknet, 1);
}

/// Checks look at all columns at once: they are recovered for them.
#[test]
fn rows_can_be_checked() {
    let (graph, mut random) = everything();
    let package = package(&graph, Preset::Fast, 1, HidingOption::Fitting);
    let inputs = inputs(&graph, &mut random, 1);
    let prepared: Prepared = Prepared::keeping(package, Keep::Least).expect("prepare");
    let witness = check::witness(&prepared, &inputs).expect("witness");
    assert_eq!(witness.violations(&prepared).first(), None);
    assert!(witness.balances(&prepared));
    prove(&prepared, &inputs).expect("and a proof after it");
}

#[test]
fn less_is_needed() {
    let (graph, _) = everything();
    let package = package(&graph, Preset::Fast, 1, HidingOption::Fitting);
    let [all, least] = [Keep::All, Keep::Least].map(|keep| Footprint::of_package(&package, keep));
    assert!(least.peak() < all.peak());
    // Every buffer is in some phase, and phases are in order.
    assert!(all.buffers.iter().chain(&least.buffers).all(|b| b.first <= b.last));
    // A key alone says about the same.
    let key = Footprint::of_key(&package.key, Keep::All).peak() as f64;
    assert!((0.5..2.0).contains(&(key / all.peak() as f64)));
}
