//! Evaluations of a perceptron: almost all of it projects weights with powers of `r`.

mod common;

use common::{evaluations, size};
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use veristar_counts::perceptron;

fn projection(criterion: &mut Criterion) {
    let width = size(512, 32);
    let mut group = criterion.benchmark_group("projection");
    group.throughput(Throughput::Elements(2 * (width * width) as u64));
    evaluations(&mut group, perceptron(width).expect("a graph"));
    group.finish();
}

criterion_group!(benches, projection);
criterion_main!(benches);
