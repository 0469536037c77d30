//! Integers that 31 bits do not hold: compiled under the wider bound, proven, and equal to the
//! interpreter's.

#[path = "../../prover/tests/common/mod.rs"]
mod common;

use common::{inputs, GraphBuilder, Random};
use std::collections::BTreeSet;
use veristar_model::interpret::Sequential;
use veristar_model::{bounds, Graph, ModelError, Op, Range};
use veristar_winterfell::{
    prove, setup, verify, Precision, Prepared, Preset, ProveError, SetupOptions, WinterfellProof,
    BOUND,
};

/// 14-bit inputs, 16-bit weights, a clamp to 17 bits, 16-bit weights; and beside it 16-bit weights on
/// accumulators of more than 24 bits, which nothing requantises.
fn wide() -> (Graph, Random) {
    let mut b = GraphBuilder::new(21);
    let x = b.input(&[1, 8]);
    b.graph.tensors[x].range = Range { lo: -(1 << 13), hi: (1 << 13) - 1 };
    let clamp = b.table("clamp", 17, |q| q.clamp(-(1 << 16), 1 << 16));
    let hidden = dense(&mut b, x, 6);
    let requantised = b.unary(hidden, 16, clamp);
    let y = dense(&mut b, requantised, 3);
    let z = dense(&mut b, hidden, 3);
    b.graph.outputs = vec![y, z];
    bounds::propagate(&mut b.graph).expect("propagate");
    (b.graph, b.random)
}

fn dense(b: &mut GraphBuilder, x: usize, outputs: usize) -> usize {
    let terms = b.graph.tensors[x].shape[1];
    let weight = b.parameter(&[outputs, terms], (1 << 15) - 1);
    let bias = Some(b.parameter(&[outputs], i64::from(i32::MAX)));
    b.node(Op::MatMul { weight, bias }, &[x], &[1, outputs])
}

#[test]
fn wide_integers_are_proven() {
    let (graph, mut random) = wide();
    let public: BTreeSet<usize> = graph.outputs.iter().copied().collect();
    let options = |precision| SetupOptions {
        preset: Preset::Fast,
        precision,
        batch: 1,
        public: public.clone(),
    };
    let refused = setup(graph.clone(), &options(Precision::Standard));
    let Err(ProveError::Air(veristar_air::AirError::Model(error))) = refused else {
        panic!("31 bits hold it")
    };
    assert!(matches!(error, ModelError::FieldOverflow { .. }), "{error}");

    let package = setup(graph.clone(), &options(Precision::High)).expect("setup");
    let prepared = Prepared::new(package).expect("prepare");
    let row = inputs(&graph, &mut random, 1);
    let proven = prove(&prepared, &row).expect("prove");
    let key = &prepared.package.key;
    let proof = WinterfellProof::from_bytes(&proven.proof.to_bytes(), key).expect("bytes");
    let verified = verify(key, &proof).expect("verify");
    let expected =
        veristar_model::interpret::run_in(&graph, &row[0], BOUND, &Sequential).expect("run");
    for ((_, values), id) in verified.public.iter().zip(&graph.outputs) {
        assert_eq!(*values, expected[*id]);
    }
    let largest =
        graph.outputs.iter().flat_map(|id| &expected[*id]).map(|v| v.unsigned_abs()).max();
    println!("largest output: 2^{}", largest.expect("outputs").ilog2());
    assert!(largest > Some(1 << 40));
}
