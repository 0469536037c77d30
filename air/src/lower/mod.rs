//! Lowering: from a graph of integer operations to elements of chips.
//!
//! Every tensor that is computed owns memory cells; a view owns none, its elements are other
//! tensors' addresses. One file per family of operations.

pub mod conv;
mod digits;
mod elementwise;
mod linear;
mod matmul;
mod pooling;
mod product;
pub(crate) mod trees;

use crate::builder::{Builder, InputRun};
use crate::error::AirError;
use crate::fuse;
use crate::options::Options;
use crate::pack::{self, Plan};
use crate::program::{Garbage, Program, PublicTensor};
use alloc::{collections::BTreeSet, string::ToString, vec, vec::Vec};
use veristar_model::{bounds, view, FieldBound, Graph, Node, Op, Tensor, TensorId};

/// Most bits of an input: its range table has an entry for every value.
pub(crate) const INPUT_BITS: u32 = 20;

/// Fusion must save this part of all cells: a further chip costs columns, and so length of proofs, which
/// small models do not earn.
const LEAST_SAVED: usize = 32;

/// From this many positions on, outputs that are only requantised are segments at `t` even if those are more: a
/// segment costs a row of `field`, and fusion saves about seven cells an output.
pub(crate) const FUSED: usize = 8;

/// State of a lowering.
pub(crate) struct Lowering<'a> {
    pub graph: &'a Graph,
    pub batch: usize,
    pub builder: Builder,
    /// Addresses of each tensor's elements: inference by inference, row-major.
    pub addresses: Vec<Option<Vec<u32>>>,
    /// First address of tensors that own cells.
    pub owned: Vec<Option<u32>>,
    pub garbage: Vec<Garbage>,
    /// Tensors that are only requantised, if lowering is to prepare them for `fuse`.
    requantised: Vec<bool>,
    /// Inputs too wide for a range table, until their digits commit them.
    pub wide: BTreeSet<TensorId>,
}

/// [`compile_in`] the field M31.
///
/// # Errors
/// As there.
pub fn compile(graph: &Graph, options: &Options) -> Result<Program, AirError> {
    compile_in(graph, options, FieldBound::M31)
}

/// Compiles a graph for proofs over a field. The result depends on parameter *values* only in the
/// weights columns; on the field it does not depend at all, which only bounds what is compiled.
///
/// # Errors
/// The graph fails [`bounds::check_in`], or is too large.
pub fn compile_in(
    graph: &Graph,
    options: &Options,
    field: FieldBound,
) -> Result<Program, AirError> {
    bounds::check_in(graph, field)?;
    let requantised = requantised(graph);
    if requantised.contains(&true) {
        let (mut lowering, public) = lower(graph, options, requantised)?;
        let apart = lowering.plan(options)?.cost;
        fuse::fuse(&mut lowering.builder, &public);
        let fused = lowering.plan(options)?;
        if fused.cost < apart - apart / LEAST_SAVED {
            return lowering.pack(fused, options, public);
        }
    }
    let (lowering, public) = lower(graph, options, vec![false; graph.tensors.len()])?;
    let plan = lowering.plan(options)?;
    lowering.pack(plan, options, public)
}

fn lower<'a>(
    graph: &'a Graph,
    options: &Options,
    requantised: Vec<bool>,
) -> Result<(Lowering<'a>, Vec<PublicTensor>), AirError> {
    let mut lowering = Lowering {
        graph,
        batch: options.batch.max(1),
        builder: Builder::new(linear::choose_widths(graph)),
        addresses: graph.tensors.iter().map(|_| None).collect(),
        owned: graph.tensors.iter().map(|_| None).collect(),
        garbage: Vec::new(),
        requantised,
        wide: BTreeSet::new(),
    };
    for input in &graph.inputs {
        lowering.input(*input)?;
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        lowering.node(index, node)?;
    }
    if let Some(id) = lowering.wide.first() {
        return Err(input_range(lowering.tensor(*id)?));
    }
    let public = lowering.public(options)?;
    Ok((lowering, public))
}

/// Outputs of linear layers whose only reader is a `Unary`, be it through views. A hint: whether
/// segments can be fused, `fuse` finds from their cells.
fn requantised(graph: &Graph) -> Vec<bool> {
    let mut readers: Vec<Vec<&Node>> = graph.tensors.iter().map(|_| Vec::new()).collect();
    for node in &graph.nodes {
        for id in &node.inputs {
            if let Some(readers) = readers.get_mut(*id) {
                readers.push(node);
            }
        }
    }
    let mut result: Vec<bool> = graph.tensors.iter().map(|_| false).collect();
    let linear = |op: &Op| matches!(op, Op::Conv2d(_) | Op::MatMul { .. } | Op::Product);
    // Nodes are in execution order: what a view shows is known before what it is of.
    for node in graph.nodes.iter().rev() {
        let read = readers.get(node.output).map_or(&[][..], Vec::as_slice);
        let only = match read {
            [Node { op: Op::Unary { .. }, .. }] => true,
            [Node { op: Op::View(_), output, .. }] => result.get(*output) == Some(&true),
            _ => false,
        };
        let shown = matches!(node.op, Op::View(_)) || linear(&node.op);
        if let Some(slot) = result.get_mut(node.output) {
            *slot = only && shown && !graph.outputs.contains(&node.output);
        }
    }
    // Views were marked on the way.
    for node in graph.nodes.iter().filter(|node| !linear(&node.op)) {
        if let Some(slot) = result.get_mut(node.output) {
            *slot = false;
        }
    }
    result
}

impl<'a> Lowering<'a> {
    fn plan(&self, options: &Options) -> Result<Plan, AirError> {
        pack::plan(&self.builder, self.graph, &options.reserved)
    }

    fn pack(
        self,
        plan: Plan,
        options: &Options,
        public: Vec<PublicTensor>,
    ) -> Result<Program, AirError> {
        pack::pack(self.graph, self.builder, plan, options, public, self.owned, self.garbage)
    }

    /// Whether a layer's outputs should be segments that `fuse` can move.
    pub(crate) fn only_requantised(&self, node: &Node) -> bool {
        self.requantised.get(node.output) == Some(&true)
    }

    fn input(&mut self, id: TensorId) -> Result<(), AirError> {
        let tensor = self.tensor(id)?;
        let start = self.own(id)?;
        // The range table proves a power of two of values: it must be exactly the declared range,
        // on which all bounds rest.
        let values = i128::from(tensor.range.hi) - i128::from(tensor.range.lo) + 1;
        let bits = (0..=INPUT_BITS).find(|bits| values == 1 << bits);
        let (Some(bits), Ok(low)) = (bits, i32::try_from(tensor.range.lo)) else {
            // Its digits must show the range, and commit the values.
            self.wide.insert(id);
            return Ok(());
        };
        let end = start + (tensor.len() * self.batch) as u32;
        self.builder.ranges.insert(bits);
        self.builder.inputs.push(InputRun { low, bits, addresses: start..end });
        Ok(())
    }

    fn node(&mut self, index: usize, node: &'a Node) -> Result<(), AirError> {
        match &node.op {
            Op::Load(parameter) => self.load(node, *parameter),
            Op::View(v) => self.view(node, v),
            Op::Conv2d(conv) => self.conv(index, node, conv),
            Op::MatMul { weight, bias } => self.matmul(node, *weight, *bias),
            Op::Product => self.product(node),
            Op::Unary { multiplier, offset, shift, table } => {
                self.unary(node, multiplier, offset, shift, *table)
            }
            Op::Binary { alpha, beta, gamma, delta, shift, table } => {
                self.binary(node, [*alpha, *beta, *gamma, *delta], *shift, *table)
            }
            Op::Pool(pool) => self.pool(node, pool),
            Op::Reduce(reduce) => self.reduce(node, reduce),
            Op::Trees(trees) => self.trees(node, trees),
            Op::Digits(of) => self.digits(node, of),
        }
    }

    fn view(&mut self, node: &Node, v: &veristar_model::View) -> Result<(), AirError> {
        let shape = self.tensor(node.output)?.shape.clone();
        // Constants are allocated first: the closure below cannot report a failed allocation.
        if let veristar_model::View::Pad { value, .. } = v {
            self.builder.constant(*value)?;
        }
        let mut all = Vec::new();
        for b in 0..self.batch {
            let mut inputs = Vec::new();
            for id in &node.inputs {
                let tensor = self.tensor(*id)?;
                let n = tensor.len();
                let whole = self.addresses_of(*id)?;
                let part = whole.get(b * n..(b + 1) * n).ok_or_else(|| inconsistent(node))?;
                inputs.push((tensor.shape.as_slice(), part));
            }
            let constants = &self.builder.constants;
            let constant = |value| constants.get(&value).copied().unwrap_or(crate::program::ZERO);
            all.extend(view::apply(&node.name, v, &inputs, &shape, constant)?);
        }
        self.set(node.output, all)
    }

    fn load(&mut self, node: &Node, id: usize) -> Result<(), AirError> {
        let parameter = self.graph.parameters.get(id).ok_or_else(|| inconsistent(node))?;
        let n = self.tensor(node.output)?.len();
        // One copy serves the whole batch.
        let start = self.builder.allocate(n)?;
        for (i, address) in (start..).take(n).enumerate() {
            let value = parameter.values.get(i).copied().unwrap_or(0);
            self.builder.parameters.push((address, value));
        }
        if let Some(owned) = self.owned.get_mut(node.output) {
            *owned = Some(start);
        }
        let one: Vec<u32> = (start..).take(n).collect();
        let all = (0..self.batch).flat_map(|_| one.iter().copied()).collect();
        self.set(node.output, all)
    }

    fn public(&self, options: &Options) -> Result<Vec<PublicTensor>, AirError> {
        let ids = self.graph.inputs.iter().map(|id| (*id, true));
        let ids = ids.chain(self.graph.outputs.iter().map(|id| (*id, false)));
        ids.filter(|(id, _)| options.public.contains(id))
            .map(|(id, input)| {
                let tensor = self.tensor(id)?;
                Ok(PublicTensor {
                    name: tensor.name.clone(),
                    shape: tensor.shape.clone(),
                    scale: tensor.scale,
                    zero_point: tensor.zero_point,
                    range: tensor.range,
                    input,
                    addresses: crate::program::Addresses::new(self.addresses_of(id)?),
                })
            })
            .collect()
    }

    pub(crate) fn tensor(&self, id: TensorId) -> Result<&'a Tensor, AirError> {
        let graph: &'a Graph = self.graph;
        graph.tensors.get(id).ok_or_else(|| AirError::Inconsistent { node: id.to_string() })
    }

    pub(crate) fn addresses_of(&self, id: TensorId) -> Result<&[u32], AirError> {
        match self.addresses.get(id) {
            Some(Some(addresses)) => Ok(addresses),
            _ => Err(AirError::Inconsistent { node: id.to_string() }),
        }
    }

    /// Gives a tensor cells of its own and returns the first.
    pub(crate) fn own(&mut self, id: TensorId) -> Result<u32, AirError> {
        let n = self.tensor(id)?.len() * self.batch;
        let start = self.builder.allocate(n)?;
        if let Some(owned) = self.owned.get_mut(id) {
            *owned = Some(start);
        }
        self.set(id, (start..).take(n).collect())?;
        Ok(start)
    }

    fn set(&mut self, id: TensorId, addresses: Vec<u32>) -> Result<(), AirError> {
        let slot = self.addresses.get_mut(id);
        *slot.ok_or_else(|| AirError::Inconsistent { node: id.to_string() })? = Some(addresses);
        Ok(())
    }

    pub(crate) fn parameter(&self, node: &Node, id: usize) -> Result<&'a [i32], AirError> {
        let graph: &'a Graph = self.graph;
        Ok(&graph.parameters.get(id).ok_or_else(|| inconsistent(node))?.values)
    }
}

fn input_range(tensor: &Tensor) -> AirError {
    AirError::InputRange {
        tensor: tensor.name.clone(),
        lo: tensor.range.lo,
        hi: tensor.range.hi,
        limit: INPUT_BITS,
    }
}

pub(crate) fn inconsistent(node: &Node) -> AirError {
    AirError::Inconsistent { node: node.name.clone() }
}
