//! Commitment to a perceptron's weights: interpolation, extension to the evaluation domain, Merkle tree.

mod common;

use common::size;
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use veristar_counts::{perceptron, prepared};
use veristar_prover::commitments::Fixed;
use veristar_prover::HidingOption;

fn commitment(criterion: &mut Criterion) {
    let width = size(512, 32);
    let graph = perceptron(width).expect("a graph");
    let prepared = prepared(graph, HidingOption::Fitting).expect("set-up");
    let mut group = criterion.benchmark_group("commitment");
    group.throughput(Throughput::Elements(2 * (width * width) as u64)).sample_size(20);
    group.bench_function("weights", |bencher| {
        bencher.iter(|| {
            let randomness = prepared.package.weights_randomness();
            Fixed::<Blake2sMerkleChannel>::weights(
                &prepared.program,
                &prepared.commitments,
                randomness,
            )
        });
    });
    group.finish();
}

criterion_group!(benches, commitment);
criterion_main!(benches);
