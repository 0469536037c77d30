//! The witness of convolutions, up to the columns of values: interpreter, memory, values.

mod common;

use common::size;
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use veristar_counts::{convolutions, input, prepared};
use veristar_prover::memory::{execute, fill};
use veristar_prover::witness::{uses::Uses, values};
use veristar_prover::HidingOption;

fn witness(criterion: &mut Criterion) {
    let side = size(128, 8);
    let graph = convolutions(side).expect("a graph");
    let inputs = [input(&graph)];
    let prepared = prepared(graph, HidingOption::None).expect("set-up");
    let (graph, program) = (&prepared.package.graph, &prepared.program);
    let mut group = criterion.benchmark_group("witness");
    group.throughput(Throughput::Elements(33 * (side * side) as u64)).sample_size(20);
    group.bench_function("interpret", |b| b.iter(|| execute(graph, &inputs).expect("a run")));
    let execution = execute(graph, &inputs).expect("a run");
    group.bench_function("memory", |bencher| {
        bencher.iter(|| fill(graph, program, &execution).expect("memory"));
    });
    let memory = fill(graph, program, &execution).expect("memory");
    group.bench_function("values", |bencher| {
        bencher.iter(|| {
            let uses = Uses::new(&prepared.directory);
            values(graph, program, &memory, &uses).expect("values")
        });
    });
    group.finish();
}

criterion_group!(benches, witness);
criterion_main!(benches);
