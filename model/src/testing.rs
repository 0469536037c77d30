//! Graphs for tests: a builder, and random small graphs.

use crate::{
    bounds, Coefficients, Conv2d, Graph, Node, Op, Parameter, ParameterId, Pool, PoolKind, Range,
    Reduce, ReduceKind, Table, TableId, Tensor, TensorId, View,
};
use alloc::{format, vec, vec::Vec};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn between(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.next() % (hi - lo + 1) as u64) as i64
    }

    fn size(&mut self, lo: usize, hi: usize) -> usize {
        self.between(lo as i64, hi as i64) as usize
    }
}

#[derive(Default)]
pub struct Builder(Graph);

impl Builder {
    fn tensor(&mut self, shape: &[usize], range: Range) -> TensorId {
        let id = self.0.tensors.len();
        let (name, shape) = (format!("t{id}"), shape.to_vec());
        self.0.tensors.push(Tensor { name, shape, scale: 1.0, zero_point: 0, range });
        id
    }

    pub fn input(&mut self, shape: &[usize], lo: i64, hi: i64) -> TensorId {
        let id = self.tensor(shape, Range::new(lo, hi));
        self.0.inputs.push(id);
        id
    }

    pub fn parameter(&mut self, shape: &[usize], values: Vec<i32>) -> ParameterId {
        let id = self.0.parameters.len();
        let lo = values.iter().copied().min().unwrap_or(0).into();
        let hi = values.iter().copied().max().unwrap_or(0).into();
        let (name, shape, range) = (format!("p{id}"), shape.to_vec(), Range::new(lo, hi));
        self.0.parameters.push(Parameter { name, shape, values, range });
        id
    }

    pub fn random_parameter(&mut self, random: &mut Random, shape: &[usize], max: i64) -> usize {
        let count = shape.iter().product();
        let values = (0..count).map(|_| random.between(-max, max) as i32).collect();
        self.parameter(shape, values)
    }

    pub fn table(&mut self, first: i32, values: Vec<i32>) -> TableId {
        let id = self.0.tables.len();
        self.0.tables.push(Table { name: format!("f{id}"), first, values });
        id
    }

    pub fn node(&mut self, op: Op, inputs: &[TensorId], shape: &[usize]) -> TensorId {
        let output = self.tensor(shape, Range::new(0, 0));
        let (name, inputs) = (format!("n{output}"), inputs.to_vec());
        self.0.nodes.push(Node { name, op, inputs, output });
        output
    }

    pub fn finish(mut self, output: TensorId) -> Graph {
        self.0.outputs.push(output);
        self.0
    }

    fn random_table(&mut self, random: &mut Random, first: i32, last: i32) -> TableId {
        let values = (first..=last).map(|_| random.between(-40, 40) as i32).collect();
        self.table(first, values)
    }
}

/// A few random operations one after another on `[N, C, H, W]`, then sometimes a matrix product or
/// a reduction; ranges are filled. Tables cover about what accumulators reach, sometimes less.
pub fn random_graph(seed: u64) -> Graph {
    let random = &mut Random(seed);
    let mut b = Builder::default();
    let shape = [random.size(1, 2), random.size(1, 3), random.size(1, 5), random.size(1, 5)];
    let lo = random.between(-40, 40);
    let hi = random.between(lo, 40);
    let mut x = b.input(&shape, lo, hi);
    for _ in 0..random.size(1, 6) {
        x = random_node(&mut b, random, x);
    }
    let shape: [usize; 4] = b.0.tensors[x].shape.clone().try_into().unwrap();
    let count = shape.iter().product::<usize>();
    let x = match random.size(0, 3) {
        0 => {
            let flat = b.node(Op::View(View::Reshape), &[x], &[shape[0], count / shape[0]]);
            let weight = b.random_parameter(random, &[3, count / shape[0]], 20);
            let bias = Some(b.random_parameter(random, &[3], 99));
            b.node(Op::MatMul { weight, bias }, &[flat], &[shape[0], 3])
        }
        kind => {
            let kind =
                [ReduceKind::Sum, ReduceKind::Max, ReduceKind::ArgMax { last: false }][kind - 1];
            b.node(
                Op::Reduce(Reduce { kind, axes: vec![2] }),
                &[x],
                &[shape[0], shape[1], shape[3]],
            )
        }
    };
    let mut graph = b.finish(x);
    bounds::propagate(&mut graph).unwrap();
    graph
}

/// Row-major integers within the declared ranges.
pub fn random_input(graph: &Graph, seed: u64) -> Vec<Vec<i64>> {
    let random = &mut Random(seed);
    let values = |tensor: &Tensor, random: &mut Random| {
        (0..tensor.len()).map(|_| random.between(tensor.range.lo, tensor.range.hi)).collect()
    };
    graph.inputs.iter().map(|&id| values(&graph.tensors[id], random)).collect()
}

fn random_node(b: &mut Builder, random: &mut Random, x: TensorId) -> TensorId {
    bounds::propagate(&mut b.0).unwrap();
    let Tensor { shape, range, .. } = b.0.tensors[x].clone();
    let [n, c, h, w] = [shape[0], shape[1], shape[2], shape[3]];
    // Requantise as soon as values grow, so that accumulators stay in the field.
    let large = range.lo < -5000 || range.hi > 5000;
    match if large { 0 } else { random.size(0, 7) } {
        0 => {
            let channel = |random: &mut Random, lo, hi| match random.size(0, 1) {
                0 => Coefficients::scalar(random.between(lo, hi) as i32),
                _ => Coefficients {
                    values: (0..c).map(|_| random.between(lo, hi) as i32).collect(),
                    inner: h * w,
                },
            };
            let multiplier = channel(random, -3, 3);
            let offset = channel(random, -20, 20);
            let shift = channel(random, 0, 4);
            let reach = 3 * range.lo.abs().max(range.hi.abs()) as i32 + 21;
            let narrow = if random.size(0, 3) == 0 { reach / 8 } else { 0 };
            let table = b.random_table(random, narrow - reach, reach);
            let op = Op::Unary { multiplier, offset, shift, table };
            let y = b.node(op, &[x], &shape);
            // A channel that misses a narrow domain altogether is rightly refused: widen it.
            if bounds::propagate(&mut b.0).is_err() {
                let values = (-reach..=reach).map(|_| random.between(-40, 40) as i32).collect();
                b.0.tables[table] = Table { name: format!("f{table}"), first: -reach, values };
            }
            y
        }
        1 => {
            let reach = range.lo.abs().max(range.hi.abs()) as i32;
            let reach = 2 * reach * reach + 6 * reach + 9;
            let table = b.random_table(random, -(reach >> 6) - 1, (reach >> 6) + 1);
            let other = b.node(
                Op::View(View::Select { axis: 3, indices: (0..w).rev().collect() }),
                &[x],
                &shape,
            );
            let [alpha, beta, gamma] = [2, 3, 3].map(|max| random.between(-max, max) as i32);
            let op = Op::Binary { alpha, beta, gamma, delta: 9, shift: 6, table };
            let second = if random.size(0, 1) == 0 { x } else { other };
            b.node(op, &[x, second], &shape)
        }
        2 => {
            let kind = if random.size(0, 1) == 0 { PoolKind::Sum } else { PoolKind::Max };
            let kernel = [random.size(1, h.min(2)), random.size(1, w.min(2))];
            let pool = Pool { kind, kernel, stride: kernel, dilation: [1, 1], pads: [0; 4] };
            let output = [n, c, h.div_ceil(kernel[0]), w.div_ceil(kernel[1])];
            b.node(Op::Pool(pool), &[x], &output)
        }
        3 => {
            let pads = [0; 4].map(|_| random.size(0, 1));
            let value = random.between(-50, 50) as i32;
            let view = View::Pad {
                before: vec![0, 0, pads[0], pads[1]],
                after: vec![0, 0, pads[2], pads[3]],
                value,
            };
            b.node(Op::View(view), &[x], &[n, c, h + pads[0] + pads[2], w + pads[1] + pads[3]])
        }
        4 => b.node(Op::View(View::Transpose { perm: vec![0, 1, 3, 2] }), &[x], &[n, c, w, h]),
        5 => {
            let p = b.random_parameter(random, &[c], 60);
            let p = b.node(Op::Load(p), &[], &[c]);
            let p = b.node(Op::View(View::Reshape), &[p], &[c, 1, 1]);
            let p = b.node(Op::View(View::Broadcast), &[p], &shape);
            b.node(Op::View(View::Concat { axis: 2 }), &[x, p], &[n, c, 2 * h, w])
        }
        _ => {
            let groups = if random.size(0, 1) == 0 { 1 } else { c };
            let outputs = groups * random.size(1, 2);
            let dilation = [random.size(1, 2), random.size(1, 2)];
            let stride = [random.size(1, 2), random.size(1, 2)];
            let pads = if random.size(0, 1) == 0 { [0; 4] } else { [1, 2, 1, 0] };
            let padded = [h + pads[0] + pads[2], w + pads[1] + pads[3]];
            let kernel = [0, 1]
                .map(|axis: usize| random.size(1, 3).min((padded[axis] - 1) / dilation[axis] + 1));
            let weight =
                b.random_parameter(random, &[outputs, c / groups, kernel[0], kernel[1]], 20);
            let bias = Some(b.random_parameter(random, &[outputs], 99));
            let extent = |a: usize| (padded[a] - dilation[a] * (kernel[a] - 1) - 1) / stride[a] + 1;
            let shape = [n, outputs, extent(0), extent(1)];
            let conv = Conv2d { weight, bias, stride, dilation, pads, groups };
            b.node(Op::Conv2d(conv), &[x], &shape)
        }
    }
}
