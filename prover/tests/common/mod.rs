//! Small graphs with seeded random parameters, built in code.
#![allow(dead_code, clippy::too_many_arguments)]

pub mod trees;

use std::collections::BTreeSet;
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use veristar_model::{
    bounds, Coefficients, Conv2d, Graph, Node, Op, Parameter, Pool, PoolKind, Range, Reduce,
    ReduceKind, Table, Tensor, TensorId, View,
};
use veristar_prover::{setup, HidingOption, Package, Prepared, SetupOptions};
use veristar_security::Preset;

/// A small deterministic generator (xorshift): tests need no quality, only variety.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    pub fn within(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo + 1) as u64) as i64
    }
}

/// Builds a graph node by node.
pub struct GraphBuilder {
    pub graph: Graph,
    pub random: Random,
}

impl GraphBuilder {
    pub fn new(seed: u64) -> Self {
        let graph = Graph { name: format!("test {seed}"), ..Graph::default() };
        Self { graph, random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1) }
    }

    pub fn tensor(&mut self, shape: &[usize]) -> TensorId {
        self.graph.tensors.push(Tensor {
            name: format!("t{}", self.graph.tensors.len()),
            shape: shape.to_vec(),
            scale: 1.0 / 64.0,
            zero_point: 0,
            range: Range { lo: -128, hi: 127 },
        });
        self.graph.tensors.len() - 1
    }

    pub fn input(&mut self, shape: &[usize]) -> TensorId {
        let id = self.tensor(shape);
        self.graph.inputs.push(id);
        id
    }

    pub fn parameter(&mut self, shape: &[usize], bound: i64) -> usize {
        let n: usize = shape.iter().product();
        let values = (0..n).map(|_| self.random.within(-bound, bound) as i32).collect();
        let name = format!("p{}", self.graph.parameters.len());
        let range = Range { lo: -bound, hi: bound };
        self.graph.parameters.push(Parameter { name, shape: shape.to_vec(), values, range });
        self.graph.parameters.len() - 1
    }

    pub fn table(&mut self, name: &str, bits: u32, f: impl Fn(i32) -> i32) -> usize {
        let first = -(1 << bits);
        let values = (first..-first).map(f).collect();
        self.graph.tables.push(Table { name: name.into(), first, values });
        self.graph.tables.len() - 1
    }

    pub fn relu(&mut self) -> usize {
        self.table("relu", 9, |q| q.clamp(0, 255))
    }

    pub fn node(&mut self, op: Op, inputs: &[TensorId], shape: &[usize]) -> TensorId {
        let output = self.tensor(shape);
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.nodes.push(Node { name, op, inputs: inputs.to_vec(), output });
        output
    }

    pub fn conv(
        &mut self,
        x: TensorId,
        outputs: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
        pads: [usize; 4],
        groups: usize,
    ) -> TensorId {
        let [n, c, h, w] = *self.graph.tensors[x].shape.as_slice() else { panic!("rank") };
        let extent = |size: usize, i: usize| {
            (size + pads[i] + pads[i + 2] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1
        };
        let shape = [n, outputs, extent(h, 0), extent(w, 1)];
        let weight = self.parameter(&[outputs, c / groups, kernel[0], kernel[1]], 15);
        let bias = Some(self.parameter(&[outputs], 500));
        let conv = Conv2d { weight, bias, stride, dilation, pads, groups };
        self.node(Op::Conv2d(conv), &[x], &shape)
    }

    pub fn matmul(&mut self, x: TensorId, outputs: usize) -> TensorId {
        let mut shape = self.graph.tensors[x].shape.clone();
        let k = shape.pop().unwrap();
        shape.push(outputs);
        let weight = self.parameter(&[outputs, k], 15);
        let bias = Some(self.parameter(&[outputs], 500));
        self.node(Op::MatMul { weight, bias }, &[x], &shape)
    }

    pub fn unary(&mut self, x: TensorId, shift: i32, table: usize) -> TensorId {
        let shape = self.graph.tensors[x].shape.clone();
        let op = Op::Unary {
            multiplier: Coefficients::scalar(1),
            offset: Coefficients::scalar(0),
            shift: Coefficients::scalar(shift),
            table,
        };
        self.node(op, &[x], &shape)
    }

    pub fn binary(&mut self, a: TensorId, b: TensorId, alpha: i32, table: usize) -> TensorId {
        let shape = self.graph.tensors[a].shape.clone();
        let op = Op::Binary { alpha, beta: 3, gamma: -2, delta: 7, shift: 9, table };
        self.node(op, &[a, b], &shape)
    }

    pub fn pool(&mut self, x: TensorId, kind: PoolKind, k: usize, s: usize) -> TensorId {
        let [n, c, h, w] = *self.graph.tensors[x].shape.as_slice() else { panic!("rank") };
        let shape = [n, c, (h - k) / s + 1, (w - k) / s + 1];
        let pool = Pool { kind, kernel: [k, k], stride: [s, s], dilation: [1, 1], pads: [0; 4] };
        self.node(Op::Pool(pool), &[x], &shape)
    }

    pub fn argmax(&mut self, x: TensorId, last: bool) -> TensorId {
        let mut shape = self.graph.tensors[x].shape.clone();
        let axis = shape.len() - 1;
        shape.pop();
        let reduce = Reduce { kind: ReduceKind::ArgMax { last }, axes: vec![axis] };
        self.node(Op::Reduce(reduce), &[x], &shape)
    }

    pub fn reshape(&mut self, x: TensorId, shape: &[usize]) -> TensorId {
        self.node(Op::View(View::Reshape), &[x], shape)
    }

    pub fn finish(mut self, outputs: &[TensorId]) -> (Graph, Random) {
        self.graph.outputs = outputs.to_vec();
        bounds::propagate(&mut self.graph).expect("propagate");
        bounds::check(&self.graph).expect("check");
        (self.graph, self.random)
    }
}

/// A multi-layer perceptron: 2 dense layers.
pub fn mlp() -> (Graph, Random) {
    let mut b = GraphBuilder::new(1);
    let relu = b.relu();
    let x = b.input(&[1, 12]);
    let x = b.matmul(x, 9);
    let x = b.unary(x, 6, relu);
    let x = b.matmul(x, 3);
    b.finish(&[x])
}

/// No weights and no evaluations: two trees have no columns.
pub fn without_weights() -> (Graph, Random) {
    let mut b = GraphBuilder::new(3);
    let relu = b.relu();
    let x = b.input(&[1, 10]);
    let x = b.unary(x, 1, relu);
    b.finish(&[x])
}

/// Every chip and every operation: convolutions of all kinds, pools, views, element-wise
/// operations, arg-max, decision trees.
pub fn everything() -> (Graph, Random) {
    let mut b = GraphBuilder::new(2);
    let relu = b.relu();
    let clamp = b.table("clamp", 9, |q| q.clamp(-255, 255));
    let x = b.input(&[1, 4, 9, 7]);
    let a = b.conv(x, 6, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1);
    let a = b.unary(a, 7, relu);
    let d = b.conv(a, 6, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 6);
    let d = b.unary(d, 7, relu);
    let s = b.conv(d, 8, [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], 1);
    let s = b.unary(s, 7, relu);
    let g = b.conv(a, 8, [3, 2], [2, 3], [2, 1], [2, 1, 2, 2], 2);
    let g = b.unary(g, 7, clamp);
    let shape = b.graph.tensors[s].shape.clone();
    assert_eq!(shape[2], b.graph.tensors[g].shape[2]);
    let width = b.graph.tensors[g].shape[3];
    let s = b.node(
        Op::View(View::Slice { starts: vec![0, 0, 0, 0], steps: vec![1, 1, 1, 1] }),
        &[s],
        &[shape[0], shape[1], shape[2], width],
    );
    let sum = b.binary(s, g, 5, clamp);
    let parameter = b.parameter(&[8, 1, 1], 40);
    let loaded = b.node(Op::Load(parameter), &[], &[8, 1, 1]);
    let full = b.graph.tensors[sum].shape.clone();
    let loaded = b.node(Op::View(View::Broadcast), &[loaded], &full);
    let scaled = b.binary(sum, loaded, 3, clamp);
    let pad = View::Pad { before: vec![0, 0, 1, 0], after: vec![0, 0, 0, 1], value: -5 };
    let padded = b.node(Op::View(pad), &[scaled], &[1, 8, full[2] + 1, full[3] + 1]);
    let m = b.pool(padded, PoolKind::Max, 2, 1);
    let v = b.pool(padded, PoolKind::Sum, 2, 1);
    let v = b.unary(v, 2, clamp);
    let both = b.node(Op::View(View::Concat { axis: 1 }), &[m, v], &[1, 16, full[2], full[3]]);
    let n = full[2] * full[3];
    let rows = b.reshape(both, &[16, n]);
    let t = b.node(Op::View(View::Transpose { perm: vec![1, 0] }), &[rows], &[n, 16]);
    let y = b.matmul(t, 5);
    let y = b.unary(y, 8, clamp);
    let flat = b.reshape(y, &[1, 5 * n]);
    let z = b.matmul(flat, 10);
    let q = b.unary(z, 9, clamp);
    let first = b.argmax(q, false);
    let last = b.argmax(q, true);
    // Paths of more than a row, and of several values.
    let plan = trees::Plan { trees: 3, depth: 4, features: 10, values: 2 };
    let forest = trees::ensemble(&mut b, q, plan);
    b.finish(&[z, first, last, forest])
}

/// Linear layers that are only requantised: with factors and offsets of each channel, through views, with
/// free coefficients inside of segments and apart, with groups, over positions, of two activations. One
/// more has another reader, one a factor without inverse.
pub fn fused() -> (Graph, Random) {
    let mut b = GraphBuilder::new(6);
    let clamp = b.table("clamp", 9, |q| q.clamp(-255, 255));
    let scaled = |b: &mut GraphBuilder, x: TensorId, factors: Vec<i32>, inner, shift| {
        let shape = b.graph.tensors[x].shape.clone();
        let offset = (0..factors.len() as i32).map(|o| 40 * o - 99).collect();
        let op = Op::Unary {
            multiplier: Coefficients { values: factors, inner },
            offset: Coefficients { values: offset, inner },
            shift: Coefficients::scalar(shift),
            table: clamp,
        };
        b.node(op, &[x], &shape)
    };
    let x = b.input(&[1, 2, 16, 24]);
    let a = b.conv(x, 16, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1);
    let factors = (0..16).map(|o| if o % 3 == 0 { -1 - o } else { o });
    let a = scaled(&mut b, a, factors.collect(), 16 * 24, 13);
    let g = b.conv(a, 8, [3, 2], [1, 2], [1, 1], [1, 1, 1, 1], 2);
    let size: usize = b.graph.tensors[g].shape[2..].iter().product();
    let g = b.reshape(g, &[8, size]);
    let g = b.node(Op::View(View::Transpose { perm: vec![1, 0] }), &[g], &[size, 8]);
    let g = scaled(&mut b, g, (1..9).collect(), 1, 14);
    let y = b.matmul(g, 12);
    let y = scaled(&mut b, y, (1..13).collect(), 1, 13);
    let heads = b.reshape(y, &[size / 16, 16, 12]);
    let scores = b.node(Op::Product, &[heads, heads], &[size / 16, 16, 16]);
    let scores = scaled(&mut b, scores, vec![3], 1, 15);
    let both = b.matmul(y, 3);
    let rounded = scaled(&mut b, both, vec![5], 1, 11);
    let none = b.matmul(y, 2);
    let none = scaled(&mut b, none, vec![0], 1, 2);
    b.finish(&[scores, rounded, both, none])
}

/// Products of activations, with more rows than columns and the other way, and a vector.
pub fn products() -> (Graph, Random) {
    let mut b = GraphBuilder::new(4);
    let clamp = b.table("clamp", 9, |q| q.clamp(-255, 255));
    let x = b.input(&[2, 5, 3]);
    let w = b.input(&[2, 4, 3]);
    let wide = b.node(Op::Product, &[w, x], &[2, 4, 5]);
    let y = b.unary(wide, 8, clamp);
    let x = b.node(Op::View(View::Transpose { perm: vec![0, 2, 1] }), &[x], &[2, 3, 5]);
    let tall = b.node(Op::Product, &[y, x], &[2, 4, 3]);
    let z = b.unary(tall, 8, clamp);
    let one = b.reshape(z, &[1, 1, 24]);
    let dot = b.node(Op::Product, &[one, one], &[1, 1, 1]);
    b.finish(&[wide, tall, dot])
}

/// The product of two inputs of one shape, so that another pair fits too.
pub fn product() -> (Graph, Random) {
    let mut b = GraphBuilder::new(5);
    let x = b.input(&[2, 3, 4]);
    let w = b.input(&[2, 3, 4]);
    let y = b.node(Op::Product, &[x, w], &[2, 3, 3]);
    b.finish(&[y])
}

/// Random inputs in range, for a batch.
pub fn inputs(graph: &Graph, random: &mut Random, batch: usize) -> Vec<Vec<Vec<i64>>> {
    let mut tensor = |id: &usize| -> Vec<i64> {
        let t = &graph.tensors[*id];
        (0..t.len()).map(|_| random.within(t.range.lo, t.range.hi)).collect()
    };
    (0..batch).map(|_| graph.inputs.iter().map(&mut tensor).collect()).collect()
}

/// Sets up with all outputs public.
pub fn package(graph: &Graph, preset: Preset, batch: usize, hiding: HidingOption) -> Package {
    let public: BTreeSet<TensorId> = graph.outputs.iter().copied().collect();
    setup(graph.clone(), &SetupOptions { preset, batch, public, hiding }).expect("setup")
}

/// Prepares for the preset whose proofs a contract on Starknet checks.
pub fn prepared_for_starknet(
    graph: &Graph,
    batch: usize,
    hiding: HidingOption,
) -> Prepared<Poseidon252MerkleChannel> {
    let package = package(graph, Preset::Starknet, batch, hiding);
    Prepared::hashed(package).expect("prepare")
}

/// Sets up with hiding and prepares.
pub fn prepared(graph: &Graph, preset: Preset, batch: usize) -> Prepared {
    Prepared::new(package(graph, preset, batch, HidingOption::Fitting)).expect("prepare")
}
