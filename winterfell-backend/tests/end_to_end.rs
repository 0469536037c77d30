//! Proofs of graphs that use every chip are accepted, and say what the interpreter says.

#[path = "../../prover/tests/common/mod.rs"]
mod common;

use common::{everything, fused, inputs, mlp, without_weights, Random};
use std::collections::BTreeSet;
use veristar_model::Graph;
use veristar_winterfell::{
    prove, setup, verify, Package, Precision, Prepared, Preset, SetupOptions, WinterfellKey,
    WinterfellProof,
};

fn package(graph: &Graph, preset: Preset, batch: usize) -> Package {
    let public: BTreeSet<usize> = graph.outputs.iter().copied().collect();
    setup(graph.clone(), &SetupOptions { preset, precision: Precision::Standard, batch, public })
        .expect("setup")
}

fn proves((graph, mut random): (Graph, Random), preset: Preset, batch: usize) {
    let package = package(&graph, preset, batch);
    let package = Package::from_bytes(&package.to_bytes()).expect("package bytes");
    let prepared = Prepared::new(package).expect("prepare");
    let inputs = inputs(&graph, &mut random, batch);
    let start = std::time::Instant::now();
    let proven = prove(&prepared, &inputs).expect("prove");
    let proving = start.elapsed();
    let key_bytes = prepared.package.key.to_bytes();
    let key = WinterfellKey::from_bytes(&key_bytes).expect("key");
    assert!(!key.hides());
    let bytes = proven.proof.to_bytes();
    assert_eq!(WinterfellProof::key_of(&bytes), Ok(key.fingerprint()));
    let proof = WinterfellProof::from_bytes(&bytes, &key).expect("proof bytes");
    assert_eq!(proof.to_bytes(), bytes);
    let start = std::time::Instant::now();
    let verified = verify(&key, &proof).expect("verify");
    let verifying = start.elapsed();
    for (o, (_, values)) in verified.public.iter().enumerate() {
        let expected: Vec<i64> = proven.outputs.iter().flat_map(|run| run[o].clone()).collect();
        assert_eq!(*values, expected);
    }
    println!(
        "{} {preset:?}: 2^{} rows, {} bytes, proven in {proving:?}, verified in {verifying:?}; {:?}",
        graph.name,
        key.layout.log_height(),
        bytes.len(),
        key.security(),
    );
}

#[test]
fn mlp_is_proven() {
    for preset in Preset::ALL {
        proves(mlp(), preset, 1);
    }
    proves(mlp(), Preset::Fast, 5);
}

#[test]
fn a_model_without_weights_is_proven() {
    proves(without_weights(), Preset::Fast, 2);
}

#[test]
fn everything_is_proven() {
    for preset in Preset::ALL {
        proves(everything(), preset, 1);
    }
    proves(everything(), Preset::Fast, 3);
}

#[test]
fn fused_layers_are_proven() {
    for preset in Preset::ALL {
        proves(fused(), preset, 1);
    }
    proves(fused(), Preset::Fast, 3);
}
