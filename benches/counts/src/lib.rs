//! Small graphs with seeded random parameters, each dominated by one part of the machine: for instruction
//! counts and for the micro-benches.
//!
//! | graph | what it is mostly |
//! |---|---|
//! | [`perceptron`] | weights |
//! | [`convolutions`] | activations of linear layers |
//! | [`functions`] | functions, one activation after the other: lookups |

use anyhow::Result;
use std::collections::BTreeSet;
use veristar_model::{
    bounds, Coefficients, Conv2d, Graph, ModelError, Node, Op, Parameter, Range, Table, Tensor,
    TensorId,
};
use veristar_prover::{setup, HidingOption, Package, Prepared, SetupOptions};
use veristar_security::Preset;

/// SplitMix64: enough for variety.
struct Random(u64);

impl Random {
    fn within(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % (2 * bound + 1) as u64) as i64 - bound
    }
}

/// Appends layers: each takes the output of the one before.
struct Builder {
    graph: Graph,
    random: Random,
    last: TensorId,
}

/// Bound of weights and of activations.
const WEIGHT: i64 = 15;
const ACTIVATION: i64 = 127;

impl Builder {
    /// Begins with an input and a clamping table.
    fn new(name: &str, shape: &[usize]) -> Self {
        let mut graph = Graph { name: name.to_string(), ..Graph::default() };
        let first = -(1 << 11);
        let values = (first..-first).map(|q: i32| q.clamp(0, ACTIVATION as i32)).collect();
        graph.tables.push(Table { name: "relu".into(), first, values });
        graph.inputs.push(0);
        let mut builder = Self { graph, random: Random(1), last: 0 };
        builder.tensor(shape);
        builder
    }

    fn tensor(&mut self, shape: &[usize]) -> TensorId {
        let id = self.graph.tensors.len();
        let range = Range { lo: -ACTIVATION - 1, hi: ACTIVATION };
        let (name, shape) = (format!("t{id}"), shape.to_vec());
        self.graph.tensors.push(Tensor { name, shape, scale: 1.0, zero_point: 0, range });
        id
    }

    fn parameter(&mut self, shape: &[usize], bound: i64) -> usize {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|_| self.random.within(bound) as i32).collect();
        let name = format!("p{}", self.graph.parameters.len());
        let range = Range { lo: -bound, hi: bound };
        self.graph.parameters.push(Parameter { name, shape: shape.to_vec(), values, range });
        self.graph.parameters.len() - 1
    }

    fn node(mut self, op: Op, shape: &[usize]) -> Self {
        let output = self.tensor(shape);
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.nodes.push(Node { name, op, inputs: vec![self.last], output });
        self.last = output;
        self
    }

    fn dense(mut self, inputs: usize, outputs: usize) -> Self {
        let weight = self.parameter(&[outputs, inputs], WEIGHT);
        let bias = Some(self.parameter(&[outputs], 500));
        self.node(Op::MatMul { weight, bias }, &[1, outputs])
    }

    /// 3 by 3, padded.
    fn conv(mut self, channels: usize, outputs: usize, side: usize) -> Self {
        let weight = self.parameter(&[outputs, channels, 3, 3], WEIGHT);
        let bias = Some(self.parameter(&[outputs], 500));
        let (stride, dilation, pads, groups) = ([1, 1], [1, 1], [1; 4], 1);
        let conv = Conv2d { weight, bias, stride, dilation, pads, groups };
        self.node(Op::Conv2d(conv), &[1, outputs, side, side])
    }

    /// Drops bits and clamps; `terms` were summed.
    fn relu(self, terms: usize) -> Self {
        let shape = self.graph.tensors[self.last].shape.clone();
        let largest = terms as i64 * WEIGHT * ACTIVATION + 500;
        let shift = (0..24).find(|s| largest >> s < 1 << 10).unwrap_or(24);
        let op = Op::Unary {
            multiplier: Coefficients::scalar(1),
            offset: Coefficients::scalar(0),
            shift: Coefficients::scalar(shift),
            table: 0,
        };
        self.node(op, &shape)
    }

    fn finish(mut self) -> Result<Graph, ModelError> {
        self.graph.outputs = vec![self.last];
        bounds::propagate(&mut self.graph)?;
        bounds::check(&self.graph)?;
        Ok(self.graph)
    }
}

/// Two dense layers of `width * width` weights and a small one.
///
/// # Errors
/// A sum may overflow: the graph is too wide.
pub fn perceptron(width: usize) -> Result<Graph, ModelError> {
    let builder = Builder::new("perceptron", &[1, width]);
    let builder = builder.dense(width, width).relu(width).dense(width, width).relu(width);
    builder.dense(width, 10).finish()
}

/// Two convolutions of eight channels over an image.
///
/// # Errors
/// None for a side of at least 3.
pub fn convolutions(side: usize) -> Result<Graph, ModelError> {
    let builder = Builder::new("convolutions", &[1, 1, side, side]);
    builder.conv(1, 8, side).relu(9).conv(8, 8, side).relu(72).finish()
}

/// Four functions of each of `count` elements.
///
/// # Errors
/// None.
pub fn functions(count: usize) -> Result<Graph, ModelError> {
    let mut builder = Builder::new("functions", &[1, count]);
    for _ in 0..4 {
        builder = builder.relu(1);
    }
    builder.finish()
}

/// Set up for one inference, the output public.
///
/// # Errors
/// The graph does not fit the machine.
pub fn package(graph: Graph, hiding: HidingOption) -> Result<Package> {
    let public: BTreeSet<TensorId> = graph.outputs.iter().copied().collect();
    Ok(setup(graph, &SetupOptions { preset: Preset::Fast, batch: 1, public, hiding })?)
}

/// [`package`], made ready.
///
/// # Errors
/// As there.
pub fn prepared(graph: Graph, hiding: HidingOption) -> Result<Prepared> {
    Ok(Prepared::new(package(graph, hiding)?)?)
}

/// An input in range.
pub fn input(graph: &Graph) -> Vec<Vec<i64>> {
    let mut random = Random(2);
    let tensors = graph.inputs.iter().filter_map(|id| graph.tensors.get(*id));
    tensors
        .map(|tensor| {
            let count: usize = tensor.shape.iter().product();
            (0..count).map(|_| random.within(ACTIVATION)).collect()
        })
        .collect()
}
