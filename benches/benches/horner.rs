//! Evaluations of convolutions over an image: almost all of it is Horner sums of activations.

mod common;

use common::{evaluations, size};
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use veristar_counts::convolutions;

fn horner(criterion: &mut Criterion) {
    let side = size(128, 8);
    let mut group = criterion.benchmark_group("horner");
    // The input, and twice what eight channels hold: before and after the function.
    group.throughput(Throughput::Elements(33 * (side * side) as u64));
    evaluations(&mut group, convolutions(side).expect("a graph"));
    group.finish();
}

criterion_group!(benches, horner);
criterion_main!(benches);
