//! Proofs for the contract on Starknet: their felts, and the fixtures of its tests.
//!
//! `cairo/fixtures/make` writes `cairo/fixtures/src/` by the tests that are ignored here.

mod common;

use common::{
    everything, inputs, mlp, prepared_for_starknet, without_weights, GraphBuilder, Random,
};
use std::fmt::Write;
use std::path::Path;
use veristar_model::Graph;
use veristar_prover::{prove_for, HidingOption};
use veristar_verifier::hash::Hash;
use veristar_verifier::{starknet, verify, Key, Proof};

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

/// What the credit-risk proof is for: the context that the example vault makes
/// (`cairo/contracts/src/risk_vault.cairo`) of its domain, the account, the asset and the block.
fn context() -> Hash {
    let [tag, domain, account, asset] =
        ["VERISTAR_RISK", "vault", "alice", "ether"].map(starknet::short_string);
    starknet::context(&[tag, domain, account, asset, 1000u64.into()])
}

/// A changed context, or none, is no proof; bytes keep it.
#[test]
fn a_proof_is_for_its_context_only() {
    let (graph, mut random) = mlp();
    let prepared = prepared_for_starknet(&graph, 1, HidingOption::None);
    let key: &Key = &prepared.package.key;
    let inputs = inputs(&graph, &mut random, 1);
    let proof = prove_for(&prepared, &inputs, Some(context())).expect("prove").proof;
    let read = Proof::from_bytes(&proof.to_bytes(), key).expect("bytes");
    assert_eq!(verify(key, &read).expect("verify").context, Some(context()));
    for context in [None, Some(Hash([1; 32]))] {
        assert!(verify(key, &Proof { context, ..proof.clone() }).is_err());
    }
}

/// A hash that is no felt is refused, not a panic.
#[test]
fn a_hash_beyond_the_field_is_refused() {
    let (graph, mut random) = without_weights();
    let prepared = prepared_for_starknet(&graph, 1, HidingOption::None);
    let key = &prepared.package.key;
    let proven = prove_for(&prepared, &inputs(&graph, &mut random, 1), None).expect("prove");
    let changes: [&dyn Fn(&mut Proof); 4] = [
        &|p| p.commitments[0].0 = [255; 32],
        &|p| p.paths[2][0].0 = [255; 32],
        &|p| p.layers[0].commitment.0 = [255; 32],
        &|p| p.layers[1].path[0].0 = [255; 32],
    ];
    for change in changes {
        let mut proof = proven.proof.clone();
        change(&mut proof);
        assert!(verify(key, &proof).is_err());
        assert!(starknet::proof(key, &proof).is_none());
    }
}

fn felt(hash: &Hash) -> starknet::FieldElement {
    starknet::FieldElement::from_bytes_be(&hash.0).expect("a felt")
}

fn array(text: &mut String, name: &str, felts: &[impl std::fmt::LowerHex]) {
    let _ = writeln!(text, "pub const {name}: [felt252; {}] = [", felts.len());
    for felt in felts {
        let _ = writeln!(text, "    {felt:#x},");
    }
    text.push_str("];\n");
}

/// A Cairo file with a key and a proof of a model.
fn fixture(name: &str, graph: &Graph, inputs: &[Vec<Vec<i64>>], hiding: HidingOption) -> String {
    let prepared = prepared_for_starknet(graph, 1, hiding);
    let key = &prepared.package.key;
    let start = std::time::Instant::now();
    let context = name.starts_with("credit_risk").then(context);
    let proven = prove_for(&prepared, inputs, context).expect("prove");
    let seconds = start.elapsed().as_secs_f64();
    verify(key, &proven.proof).expect("verify");
    let felts = starknet::proof(key, &proven.proof).expect("felts");
    let sections = starknet::sections(key, &proven.proof).expect("felts");
    let public = starknet::public(&proven.proof);
    let key_felts = starknet::key(key);
    println!(
        "{name}: 2^{} rows, {} columns opened; key {} felts, public {}, proof {}; {seconds:.1} s; {} bits",
        key.layout.log_height(),
        proven.proof.queried.iter().map(Vec::len).sum::<usize>(),
        key_felts.len(),
        public.len(),
        felts.len(),
        key.security().conjectured.total,
    );
    let mut text = format!(
        "//! A key and a proof of `{name}`, by prover/tests/starknet.rs.\n\n\
         pub const ID: felt252 = {:#x};\n\
         /// What the proof is for; 0 if it does not say.\n\
         pub const CONTEXT: felt252 = {:#x};\n",
        starknet::model_id(key),
        context.map_or(0u64.into(), |c| felt(&c)),
    );
    array(&mut text, "KEY", &key_felts);
    array(&mut text, "PUBLIC", &public);
    array(&mut text, "PROOF", &felts);
    text.push_str(
        "/// Felts of each section: transcript, rows of each query, paths of each tree, folding.\n",
    );
    let lengths = std::iter::once(&sections.transcript)
        .chain(&sections.rows)
        .chain(&sections.paths)
        .chain(std::iter::once(&sections.folding))
        .map(Vec::len);
    let lengths: Vec<String> = lengths.map(|length| length.to_string()).collect();
    let _ = writeln!(
        text,
        "pub const SECTIONS: [u32; {}] = [{}];\n/// Leaves at the queries, six for each.",
        lengths.len(),
        lengths.join(", ")
    );
    array(&mut text, "LEAVES", &sections.leaves.concat());
    text
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cairo/fixtures/src");
    for (name, (graph, mut random), hiding) in models {
        let text = fixture(name, &graph, &inputs(&graph, &mut random, 1), hiding);
        std::fs::write(folder.join(format!("{name}.cairo")), text).expect("write");
    }
}

/// A fixture of the model in the package `VERISTAR_PACKAGE`, on an input of zeros, in the file `VERISTAR_FIXTURE`.
/// `cairo/fixtures/make` calls it.
#[test]
#[ignore = "reads and writes files that the environment names"]
fn write_fixture_of_a_package() {
    let path = std::env::var("VERISTAR_PACKAGE").expect("VERISTAR_PACKAGE");
    let bytes = std::fs::read(path).expect("package");
    // Magic and version, then the graph.
    let (graph, _) = postcard::take_from_bytes::<Graph>(&bytes[10..]).expect("graph");
    let zeros = |id: &usize| {
        let tensor = &graph.tensors[*id];
        vec![0i64.clamp(tensor.range.lo, tensor.range.hi); tensor.len()]
    };
    let inputs = [graph.inputs.iter().map(zeros).collect()];
    let to = std::env::var("VERISTAR_FIXTURE").expect("VERISTAR_FIXTURE");
    let name = Path::new(&to).file_stem().and_then(|name| name.to_str()).expect("a name");
    let hiding = match std::env::var_os("VERISTAR_NO_HIDING") {
        Some(_) => HidingOption::None,
        None => HidingOption::Fitting,
    };
    std::fs::write(&to, fixture(name, &graph, &inputs, hiding)).expect("write");
}
