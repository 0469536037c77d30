//! Proofs for the contract on Starknet: their felts, and the fixtures of its tests.
//!
//! `cargo test --release -p veristar-prover --test starknet -- --ignored` writes
//! `cairo/verifier/src/tests/fixtures/`.

mod common;

use common::{everything, inputs, mlp, prepared_for_starknet, without_weights, GraphBuilder, Random};
use std::fmt::Write;
use std::path::Path;
use veristar_model::Graph;
use veristar_prover::{prove, HidingOption};
use veristar_verifier::{starknet, verify};

/// As large as the credit-risk model of `tests/fixtures`: 61 features, one hidden layer of 32, one
/// probability by a sigmoid table.
fn credit_risk() -> (Graph, Random) {
    let mut b = GraphBuilder::new(7);
    let relu = b.table("relu", 9, |q| q.clamp(0, 255));
    let sigmoid =
        b.table("sigmoid", 10, |q| (4096.0 / (1.0 + (-f64::from(q) / 128.0).exp())) as i32);
    let x = b.input(&[1, 61]);
    let x = b.matmul(x, 32);
    let x = b.unary(x, 8, relu);
    let x = b.matmul(x, 16);
    let x = b.unary(x, 8, relu);
    let x = b.matmul(x, 1);
    let x = b.unary(x, 7, sigmoid);
    b.finish(&[x])
}

fn array(text: &mut String, name: &str, felts: &[impl std::fmt::LowerHex]) {
    let _ = writeln!(text, "pub const {name}: [felt252; {}] = [", felts.len());
    for felt in felts {
        let _ = writeln!(text, "    {felt:#x},");
    }
    text.push_str("];\n");
}

#[test]
#[ignore = "writes files"]
fn write_fixtures() {
    let models: [(&str, (Graph, Random), HidingOption); 5] = [
        ("mlp", mlp(), HidingOption::None),
        ("without_weights", without_weights(), HidingOption::None),
        ("credit_risk", credit_risk(), HidingOption::None),
        ("credit_risk_hidden", credit_risk(), HidingOption::Fitting),
        ("everything", everything(), HidingOption::None),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cairo/verifier/src/tests/fixtures");
    std::fs::create_dir_all(&folder).expect("folder");
    for (name, (graph, mut random), hiding) in models {
        let prepared = prepared_for_starknet(&graph, 1, hiding);
        let key = &prepared.package.key;
        let start = std::time::Instant::now();
        let proven = prove(&prepared, &inputs(&graph, &mut random, 1)).expect("prove");
        let seconds = start.elapsed().as_secs_f64();
        verify(key, &proven.proof).expect("verify");
        let felts = starknet::proof(key, &proven.proof).expect("felts");
        let public = starknet::public(&proven.proof);
        let key_felts = starknet::key(key);
        println!(
            "{name}: 2^{} rows, {} columns opened; key {} felts, public {}, proof {}; {seconds:.1} s; {}",
            key.layout.log_height(),
            proven.proof.queried.iter().map(Vec::len).sum::<usize>(),
            key_felts.len(),
            public.len(),
            felts.len(),
            key.security().conjectured.total,
        );
        let mut text = format!(
            "//! A key and a proof of `{name}`, by prover/tests/starknet.rs.\n\n\
             pub const ID: felt252 = {:#x};\n",
            starknet::model_id(key)
        );
        array(&mut text, "KEY", &key_felts);
        array(&mut text, "PUBLIC", &public);
        array(&mut text, "PROOF", &felts);
        std::fs::write(folder.join(format!("{name}.cairo")), text).expect("write");
    }
}
