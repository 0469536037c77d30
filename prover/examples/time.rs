#[path = "../tests/common/mod.rs"]
mod common;
use common::*;
use std::time::Instant;
use veristar_model::{PoolKind, Graph};
use veristar_prover::*;
use veristar_security::Preset;

fn lenet() -> (Graph, Random) {
    let mut b = GraphBuilder::new(7);
    let relu = b.table("relu", 13, |q| q.clamp(0, 4095));
    let x = b.input(&[1, 1, 28, 28]);
    let x = b.conv(x, 6, [5, 5], [1, 1], [1, 1], [2, 2, 2, 2], 1);
    let x = b.unary(x, 6, relu);
    let x = b.pool(x, PoolKind::Max, 2, 2);
    let x = b.conv(x, 16, [5, 5], [1, 1], [1, 1], [0; 4], 1);
    let x = b.unary(x, 9, relu);
    let x = b.pool(x, PoolKind::Max, 2, 2);
    let x = b.reshape(x, &[1, 400]);
    let x = b.matmul(x, 120);
    let x = b.unary(x, 10, relu);
    let x = b.matmul(x, 84);
    let x = b.unary(x, 10, relu);
    let x = b.matmul(x, 10);
    b.finish(&[x])
}
fn vgg() -> (Graph, Random) {
    let mut b = GraphBuilder::new(9);
    let relu = b.table("relu", 11, |q| q.clamp(0, 255));
    let mut x = b.input(&[1, 3, 32, 32]);
    for o in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0] {
        x = if o == 0 { b.pool(x, PoolKind::Max, 2, 2) } else {
            let c = b.conv(x, o, [3, 3], [1, 1], [1, 1], [1; 4], 1);
            b.unary(c, 13, relu)
        };
    }
    let x = b.reshape(x, &[1, 512]);
    let x = b.matmul(x, 10);
    b.finish(&[x])
}
fn main() {
    let which = std::env::args().nth(1).unwrap();
    let preset = if std::env::args().nth(2).as_deref() == Some("compact") { Preset::Compact } else { Preset::Fast };
    let (graph, mut random) = match which.as_str() { "lenet" => lenet(), "mlp" => mlp(), "vgg" => vgg(), _ => everything() };
    use tracing_subscriber::{fmt, prelude::*};
    if std::env::var("TRACE").is_ok() {
        tracing_subscriber::registry().with(fmt::layer().with_span_events(fmt::format::FmtSpan::CLOSE).with_target(false)).init();
    }
    let t = Instant::now();
    let p = package(&graph, preset, 1);
    println!("setup {:?}", t.elapsed());
    let t = Instant::now();
    let prep = Prepared::new(p).unwrap();
    println!("prepare {:?}", t.elapsed());
    let (mut total, mut cols) = (0, 0);
    for (i, tb) in prep.layout().instances.iter().zip(&prep.program.tables) {
        let s = i.shape();
        total += s.cells() << i.log_size; cols += s.cells() + s.program;
        println!("{:10} w={:3} 2^{:2} rows {:6} program {:3} committed {:3}", i.chip.name(), i.chip.width(), i.log_size, tb.rows, s.program, s.cells());
    }
    println!("cells {total} columns {cols}");
    for _ in 0..5 {
        let ins = inputs(&graph, &mut random, 1);
        let t = Instant::now();
        let proven = prove(&prep, &ins).unwrap();
        let pt = t.elapsed();
        let bytes = proven.proof.to_bytes();
        let t = Instant::now();
        veristar_verifier::verify(&prep.package.key, &proven.proof).unwrap();
        println!("prove {:?} verify {:?} bytes {}", pt, t.elapsed(), bytes.len());
    }
}
