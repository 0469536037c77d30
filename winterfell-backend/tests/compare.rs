//! Times and sizes of both backends in one run:
//! `cargo test --release -p veristar-winterfell --test compare -- --ignored --nocapture`.

#[path = "../../prover/tests/common/mod.rs"]
mod common;

use common::{everything, inputs, mlp, GraphBuilder, Random};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use veristar_model::Graph;
use veristar_prover::HidingOption;
use veristar_winterfell::{Precision, Preset, SetupOptions};

const RUNS: usize = 5;

/// 784 inputs, dense layers of 256 and 128, 10 outputs: 235 thousand weights.
fn wide_mlp() -> (Graph, Random) {
    let mut b = GraphBuilder::new(11);
    let relu = b.relu();
    let x = b.input(&[1, 784]);
    let x = b.matmul(x, 256);
    let x = b.unary(x, 10, relu);
    let x = b.matmul(x, 128);
    let x = b.unary(x, 10, relu);
    let x = b.matmul(x, 10);
    b.finish(&[x])
}

/// Three convolutions on a 28x28 image, 24 thousand activations.
fn small_cnn() -> (Graph, Random) {
    let mut b = GraphBuilder::new(12);
    let relu = b.relu();
    let x = b.input(&[1, 1, 28, 28]);
    let x = b.conv(x, 16, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1);
    let x = b.unary(x, 6, relu);
    let x = b.conv(x, 16, [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], 1);
    let x = b.unary(x, 8, relu);
    let x = b.conv(x, 32, [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], 1);
    let x = b.unary(x, 8, relu);
    let x = b.reshape(x, &[1, 32 * 49]);
    let x = b.matmul(x, 10);
    b.finish(&[x])
}

/// The median time of a few runs, and the last result.
fn timed<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut last = None;
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            last = Some(run());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[RUNS / 2], last.expect("some run"))
}

fn line(backend: &str, height: u32, prove: Duration, verify: Duration, bytes: usize) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "| {backend} | 2^{height} | {:.0} ms | {:.2} ms | {:.0} KB |",
        ms(prove),
        ms(verify),
        bytes as f64 / 1000.0
    );
}

fn compare(name: &str, (graph, mut random): (Graph, Random)) {
    println!("\n{name}\n\n| backend | rows | prove | verify | proof |\n|---|---|---|---|---|");
    let inputs = inputs(&graph, &mut random, 1);
    for preset in veristar_security::Preset::BLAKE2S {
        for hiding in [HidingOption::None, HidingOption::Fitting] {
            let package = common::package(&graph, preset, 1, hiding);
            let prepared = veristar_prover::Prepared::new(package).expect("prepare");
            let (proving, proven) =
                timed(|| veristar_prover::prove(&prepared, &inputs).expect("prove"));
            let key = &prepared.package.key;
            let bytes = proven.proof.to_bytes();
            let (verifying, _) = timed(|| {
                let proof = veristar_verifier::Proof::from_bytes(&bytes, key).expect("bytes");
                veristar_verifier::verify(key, &proof).map(|_| ()).expect("verify");
            });
            let hides = if key.hides() { ", hiding" } else { "" };
            let backend = format!("stwo `{}`{hides}", preset.name());
            line(&backend, key.layout.log_height(), proving, verifying, bytes.len());
        }
    }
    for preset in Preset::ALL {
        let public: BTreeSet<usize> = graph.outputs.iter().copied().collect();
        let options = SetupOptions { preset, precision: Precision::Standard, batch: 1, public };
        let package = veristar_winterfell::setup(graph.clone(), &options).expect("setup");
        let prepared = veristar_winterfell::Prepared::new(package).expect("prepare");
        let (proving, proven) =
            timed(|| veristar_winterfell::prove(&prepared, &inputs).expect("prove"));
        let key = &prepared.package.key;
        let bytes = proven.proof.to_bytes();
        let (verifying, _) = timed(|| {
            let proof = veristar_winterfell::WinterfellProof::from_bytes(&bytes, key);
            veristar_winterfell::verify(key, &proof.expect("bytes")).map(|_| ()).expect("verify");
        });
        let security = key.security();
        let backend = format!(
            "Winterfell `{}` ({} conjectured, {} proven)",
            preset.name(),
            security.conjectured,
            security.proven
        );
        line(&backend, key.layout.log_height(), proving, verifying, bytes.len());
    }
}

#[test]
#[ignore = "a measurement"]
fn both_backends() {
    compare("mlp", mlp());
    compare("every chip", everything());
    compare("wide mlp", wide_mlp());
    compare("small cnn", small_cnn());
}
