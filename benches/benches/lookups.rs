//! A whole proof of four functions of each element: almost all of it is looking up ranges and functions.

mod common;

use common::size;
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use veristar_counts::{functions, input, prepared};
use veristar_prover::{prove, HidingOption};

fn lookups(criterion: &mut Criterion) {
    let count = size(1 << 14, 1 << 6);
    let graph = functions(count).expect("a graph");
    let inputs = [input(&graph)];
    let prepared = prepared(graph, HidingOption::None).expect("set-up");
    let mut group = criterion.benchmark_group("lookups");
    group.throughput(Throughput::Elements(4 * count as u64)).sample_size(20);
    group.bench_function("prove", |bencher| {
        bencher.iter(|| prove(&prepared, &inputs).expect("a proof"));
    });
    group.finish();
}

criterion_group!(benches, lookups);
criterion_main!(benches);
