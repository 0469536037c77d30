//! Witness, proof and verification agree, on graphs that use every chip.

mod common;

use common::{everything, fused, inputs, mlp, package, prepared, products, without_weights};
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use veristar_prover::{check, prove, HidingOption, Prepared};
use veristar_security::{HashFunction, Preset};
use veristar_verifier::{verify, Key, Proof};

fn checks(graph: (veristar_model::Graph, common::Random), batch: usize) {
    let (graph, mut random) = graph;
    let prepared = prepared(&graph, Preset::Fast, batch);
    let inputs = inputs(&graph, &mut random, batch);
    let witness = check::witness(&prepared, &inputs).expect("witness");
    let violations = witness.violations(&prepared);
    assert_eq!(violations.first(), None, "{} violations", violations.len());
    assert!(witness.balances(&prepared));
}

fn proves(graph: (veristar_model::Graph, common::Random), preset: Preset, batch: usize) {
    for hiding in [HidingOption::Fitting, HidingOption::None] {
        proves_with(graph.clone(), preset, batch, hiding);
    }
}

fn proves_with(
    graph: (veristar_model::Graph, common::Random),
    preset: Preset,
    batch: usize,
    hiding: HidingOption,
) {
    let (graph, mut random) = graph;
    let package = package(&graph, preset, batch, hiding);
    assert_eq!(package.key.hides(), hiding != HidingOption::None);
    let key_bytes = package.key.to_bytes();
    let inputs = inputs(&graph, &mut random, batch);
    let proven = match preset.hash() {
        HashFunction::Blake2s => prove(&Prepared::new(package).expect("prepare"), &inputs),
        HashFunction::Poseidon252 => {
            let prepared = Prepared::<Poseidon252MerkleChannel>::hashed(package);
            prove(&prepared.expect("prepare"), &inputs)
        }
    };
    let proven = proven.expect("prove");
    let key = Key::from_bytes(&key_bytes).expect("key");
    let bytes = proven.proof.to_bytes();
    let proof = Proof::from_bytes(&bytes, &key).expect("proof bytes");
    assert_eq!(proof.to_bytes(), bytes);
    let verified = verify(&key, &proof).expect("verify");
    let outputs: Vec<Vec<i64>> = (0..graph.outputs.len())
        .map(|o| proven.outputs.iter().flat_map(|run| run[o].clone()).collect())
        .collect();
    for ((_, values), expected) in verified.public.iter().zip(&outputs) {
        assert_eq!(&values.iter().map(|v| i64::from(*v)).collect::<Vec<_>>(), expected);
    }
    println!("{} bytes of proof, {} of key", bytes.len(), key_bytes.len());
}

#[test]
fn products_hold() {
    checks(products(), 1);
    checks(products(), 3);
}

#[test]
fn products_are_proven() {
    proves(products(), Preset::Fast, 2);
}

#[test]
fn fused_layers_hold() {
    checks(fused(), 1);
    checks(fused(), 3);
}

#[test]
fn fused_layers_are_proven() {
    proves(fused(), Preset::Fast, 2);
    proves(fused(), Preset::Compact, 1);
    proves_with(fused(), Preset::Starknet, 1, HidingOption::Fitting);
}

#[test]
fn mlp_witness_holds() {
    checks(mlp(), 1);
}

#[test]
fn mlp_batch_witness_holds() {
    checks(mlp(), 5);
}

#[test]
fn every_chip_witness_holds() {
    checks(everything(), 1);
}

#[test]
fn every_chip_batch_witness_holds() {
    checks(everything(), 3);
}

#[test]
fn mlp_is_proven() {
    proves(mlp(), Preset::Fast, 1);
}

#[test]
fn everything_is_proven_fast() {
    proves(everything(), Preset::Fast, 2);
}

#[test]
fn everything_is_proven_compact() {
    proves(everything(), Preset::Compact, 1);
}

#[test]
fn a_starknet_proof_is_proven() {
    proves(mlp(), Preset::Starknet, 1);
    proves(without_weights(), Preset::Starknet, 1);
}

#[test]
fn everything_is_proven_for_starknet() {
    proves_with(everything(), Preset::Starknet, 1, HidingOption::None);
}

#[test]
fn a_model_without_weights_is_proven() {
    proves(without_weights(), Preset::Fast, 1);
    proves(without_weights(), Preset::Compact, 2);
}

#[test]
fn a_broken_constraint_names_layer_chip_row_and_constraint() {
    let (graph, mut random) = mlp();
    let prepared = prepared(&graph, Preset::Fast, 1);
    let mut witness = check::witness(&prepared, &inputs(&graph, &mut random, 1)).expect("witness");
    let instances = &prepared.layout().instances;
    let unary = instances.iter().position(|i| i.chip.name() == "unary").expect("unary");
    let placement = prepared.commitments.placement(&instances[unary]);
    // The quotient of the first activation after the first dense layer.
    let quotient = veristar_air::chips::Unary::lane(0)[1];
    let cells = witness.values[unary][quotient].as_mut_slice();
    cells[placement.of(placement.first_active())] += stwo::core::fields::m31::M31::from(1);
    let first = witness.violations(&prepared).first().map(ToString::to_string);
    let expected = "layer 'n1', chip 'unary', row 0: 'shift' does not hold";
    assert_eq!(first.as_deref(), Some(expected));
}
