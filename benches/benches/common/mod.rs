//! What the micro-benches share.
#![allow(dead_code)]

use criterion::measurement::WallTime;
use criterion::BenchmarkGroup;
use stwo::core::channel::Blake2sChannel;
use veristar_counts::{input, prepared};
use veristar_model::Graph;
use veristar_prover::memory::{execute, fill};
use veristar_prover::{witness, HidingOption};
use veristar_verifier::challenges::Challenges;

/// The size to measure, or a tiny one where a bench only has to run: without `--bench`, as `cargo test` starts it.
pub fn size(full: usize, tiny: usize) -> usize {
    match std::env::args().any(|argument| argument == "--bench") {
        true => full,
        false => tiny,
    }
}

/// Benches the evaluation columns of a graph.
pub fn evaluations(group: &mut BenchmarkGroup<'_, WallTime>, graph: Graph) {
    let inputs = [input(&graph)];
    let prepared = prepared(graph, HidingOption::None).expect("set-up");
    let program = &prepared.program;
    let execution = execute(&prepared.package.graph, &inputs).expect("a run");
    let memory = fill(&prepared.package.graph, program, &execution).expect("memory");
    let channel = &mut Blake2sChannel::default();
    let challenges = Challenges::evaluation_points(channel, prepared.layout());
    group.sample_size(20).bench_function("evaluations", |bencher| {
        bencher.iter(|| witness::evaluations(program, &memory, &challenges));
    });
}
