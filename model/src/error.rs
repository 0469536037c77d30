//! Every way a graph, or a run of it, can be wrong.
//!
//! One variant per cause. Each names the node, tensor or parameter, says what was expected and what
//! came, and what the user can do. `node` is [`Node::name`](crate::Node::name), or `graph input` /
//! `graph output` for the lists of the graph itself.

use alloc::{string::String, vec::Vec};
use core::fmt;
use thiserror::Error;

/// Why a graph or a run was refused.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A value outside the range of an input or the domain of a table.
    #[error(
        "input outside the calibrated range: at `{node}`, element {element} of tensor `{tensor}` \
         gives {value}, allowed are {lo} to {hi}{}; use inputs like the calibration data, or \
         calibrate again with data that covers this one",
        RealSuffix(.real)
    )]
    OutOfRange {
        /// The node that reads the value, or `graph input`.
        node: String,
        /// The tensor read.
        tensor: String,
        /// Row-major index of the element.
        element: usize,
        /// The input's integer, or the argument of the table.
        value: i64,
        /// Smallest allowed integer.
        lo: i64,
        /// Largest allowed integer.
        hi: i64,
        /// The same in real units, for graph inputs (a table's argument has no unit of its own).
        real: Option<RealRange>,
    },
    /// A run met an accumulator that the proof field cannot hold.
    #[error(
        "node `{node}`: element {element} of tensor `{tensor}` needs the accumulator {value}, but \
         the field holds only |v| < {limit}; quantise with fewer bits"
    )]
    AccumulatorOverflow {
        /// The node.
        node: String,
        /// The tensor written.
        tensor: String,
        /// Row-major index of the element.
        element: usize,
        /// The accumulator (saturated to 128 bits).
        value: i128,
        /// Exclusive bound on its absolute value.
        limit: i64,
    },
    /// A proven range that the proof field cannot hold.
    #[error(
        "node `{node}`: {what} ranges over {lo} to {hi}, but the field holds only |v| < {limit}; \
         quantise the weights or the activations with fewer bits"
    )]
    FieldOverflow {
        /// The node, or `graph input`.
        node: String,
        /// Tensor or accumulator.
        what: String,
        /// Smallest value (saturated to 128 bits).
        lo: i128,
        /// Largest value (saturated to 128 bits).
        hi: i128,
        /// Exclusive bound on the absolute value.
        limit: i64,
    },
    /// A linear layer whose sum of absolute products does not fit 64 bits.
    #[error(
        "node `{node}`: the absolute products of output channel {channel} add up to {sum}, beyond \
         64 bits; quantise the weights or the activations with fewer bits"
    )]
    ProductOverflow {
        /// The node.
        node: String,
        /// Output channel.
        channel: usize,
        /// Sum of the absolute values of all products and the bias (an upper bound).
        sum: i128,
    },
    /// `acc = q * 2^shift + rem - half` has more than one solution modulo the field's prime.
    #[error(
        "node `{node}`: accumulators and the domain of table `{table}` shifted by {shift} span {lo} \
         to {hi}, not less than the modulus {modulus}; shorten the table or lower the shift"
    )]
    AmbiguousShift {
        /// The node.
        node: String,
        /// The table.
        table: String,
        /// Bits dropped.
        shift: u32,
        /// Smallest value of the hull.
        lo: i128,
        /// Largest value of the hull.
        hi: i128,
        /// The field's prime.
        modulus: u64,
    },
    /// No accumulator of some channel reaches the table's domain, so no input can be proven.
    #[error(
        "node `{node}`: arguments {lo} to {hi} never meet the domain {first} to {last} of table \
         `{table}`; calibrate again"
    )]
    DisjointDomain {
        /// The node.
        node: String,
        /// The table.
        table: String,
        /// Smallest argument.
        lo: i128,
        /// Largest argument.
        hi: i128,
        /// Start of the domain.
        first: i64,
        /// End of the domain.
        last: i64,
    },
    /// A tensor's declared range does not hold what its node can compute.
    #[error(
        "node `{node}`: tensor `{tensor}` declares {declared_lo} to {declared_hi} but can hold {lo} \
         to {hi}; call bounds::propagate after the last change of the graph"
    )]
    StaleRange {
        /// The node.
        node: String,
        /// The tensor written.
        tensor: String,
        /// Smallest computed value.
        lo: i64,
        /// Largest computed value.
        hi: i64,
        /// Declared smallest value.
        declared_lo: i64,
        /// Declared largest value.
        declared_hi: i64,
    },
    /// An index into the graph's tensors, parameters or tables that does not exist.
    #[error("node `{node}` refers to {kind} {id}, but the graph has {count}; rebuild the graph")]
    UnknownId {
        /// The node.
        node: String,
        /// `tensor`, `parameter` or `table`.
        kind: &'static str,
        /// The index.
        id: usize,
        /// How many there are.
        count: usize,
    },
    /// A node with the wrong number of inputs.
    #[error("node `{node}` takes {expected} input(s), got {got}")]
    InputArity {
        /// The node.
        node: String,
        /// Inputs of the operation.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// A tensor written twice.
    #[error("node `{node}` writes tensor `{tensor}`, which has a producer already; give it its own output")]
    SecondProducer {
        /// The second producer.
        node: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor read before it is written.
    #[error("node `{node}` reads tensor `{tensor}` before any node writes it; sort the nodes in execution order")]
    NotYetProduced {
        /// The reader.
        node: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor that nothing writes.
    #[error("tensor `{tensor}` has no producer; remove it, or make it an input")]
    NoProducer {
        /// The tensor.
        tensor: String,
    },
    /// A tensor or parameter with too many elements.
    #[error(
        "`{name}` has shape {shape:?}, more than {limit} elements; use a smaller batch or model"
    )]
    TooLarge {
        /// Tensor, parameter, table or node.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The limit.
        limit: usize,
    },
    /// A tensor or parameter with no element.
    #[error(
        "`{name}` has shape {shape:?}, which holds no element; every extent must be at least 1"
    )]
    Empty {
        /// Tensor, parameter or node.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A list of values that does not fill its shape.
    #[error("`{name}` needs {expected} values, got {got}")]
    ValueCount {
        /// Tensor or parameter.
        name: String,
        /// Product of the extents.
        expected: usize,
        /// Length of the list.
        got: usize,
    },
    /// The wrong number of input tensors for a run.
    #[error("the model takes {expected} input tensor(s), got {got}")]
    InputCount {
        /// Inputs of the graph.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// A shape that does not fit the operation.
    #[error("node `{node}`: {what} must have shape {expected:?}, got {got:?}")]
    Shape {
        /// The node.
        node: String,
        /// Which tensor.
        what: &'static str,
        /// What the operation gives.
        expected: Vec<usize>,
        /// What the graph says.
        got: Vec<usize>,
    },
    /// A shape, or a list with one entry per axis, of the wrong length.
    #[error("node `{node}`: {what} must have {expected} axes, got {got}")]
    Rank {
        /// The node.
        node: String,
        /// Which shape or list.
        what: &'static str,
        /// Axes needed.
        expected: usize,
        /// Axes given.
        got: usize,
    },
    /// A reshape or reduction whose output has the wrong number of elements.
    #[error("node `{node}`: {what} must have {expected} elements, got {got}")]
    ElementCount {
        /// The node.
        node: String,
        /// Which tensor.
        what: &'static str,
        /// Elements needed.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// Shapes that do not broadcast.
    #[error("node `{node}`: shape {from:?} does not broadcast to {to:?}")]
    Broadcast {
        /// The node.
        node: String,
        /// Input shape.
        from: Vec<usize>,
        /// Output shape.
        to: Vec<usize>,
    },
    /// An axis that the tensor does not have.
    #[error("node `{node}`: axis {axis} of a tensor with {rank} axes")]
    Axis {
        /// The node.
        node: String,
        /// The axis.
        axis: usize,
        /// The tensor's rank.
        rank: usize,
    },
    /// A transposition that is none.
    #[error("node `{node}`: {perm:?} is no permutation of {rank} axes")]
    Permutation {
        /// The node.
        node: String,
        /// The list.
        perm: Vec<usize>,
        /// The tensor's rank.
        rank: usize,
    },
    /// Reduced axes that are not strictly increasing.
    #[error("node `{node}`: the reduced axes {axes:?} must be strictly increasing")]
    AxisOrder {
        /// The node.
        node: String,
        /// The list.
        axes: Vec<usize>,
    },
    /// A record of a decision tree that no path may reach.
    #[error("node `{node}`: slot {slot} of its trees {what}; import the model again")]
    Trees {
        /// The node.
        node: String,
        /// The slot.
        slot: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An arg-max over other than one axis.
    #[error("node `{node}`: arg-max takes exactly one axis, got {got}")]
    ArgMaxAxes {
        /// The node.
        node: String,
        /// How many were given.
        got: usize,
    },
    /// An index a view reads outside its input.
    #[error("node `{node}`: index {index} on axis {axis}, which has extent {extent}")]
    Index {
        /// The node.
        node: String,
        /// The axis.
        axis: usize,
        /// The index (saturated to 128 bits).
        index: i128,
        /// The axis' extent.
        extent: usize,
    },
    /// A stride, dilation, kernel extent, group count, step or `inner` of zero.
    #[error("node `{node}`: {what} must not be 0")]
    Zero {
        /// The node.
        node: String,
        /// Which number.
        what: &'static str,
    },
    /// Channel groups that do not divide the channels.
    #[error(
        "node `{node}`: {groups} groups must divide {inputs} input and {outputs} output channels"
    )]
    Groups {
        /// The node.
        node: String,
        /// Number of groups.
        groups: usize,
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
    },
    /// A convolution kernel larger than the padded input.
    #[error("node `{node}`: a kernel that spans {kernel} does not fit the padded extent {extent} of axis {axis}")]
    KernelSpan {
        /// The node.
        node: String,
        /// 2 or 3.
        axis: usize,
        /// `dilation * (kernel - 1) + 1` (saturated).
        kernel: usize,
        /// Extent plus padding.
        extent: usize,
    },
    /// A pooling window over padding only.
    #[error("node `{node}`: output index {index} on axis {axis} has a window of padding only; lower the padding or the output's extent")]
    EmptyWindow {
        /// The node.
        node: String,
        /// 2 or 3.
        axis: usize,
        /// Output index on the axis.
        index: usize,
    },
    /// A pooling output smaller than the window positions that fit.
    #[error(
        "node `{node}`: axis {axis} has {expected} full windows, but the output's extent is {got}"
    )]
    WindowCount {
        /// The node.
        node: String,
        /// 2 or 3.
        axis: usize,
        /// Windows that fit the padded input.
        expected: usize,
        /// Output extent.
        got: usize,
    },
    /// Coefficients that do not repeat a whole number of times.
    #[error(
        "node `{node}`: {what} has {values} value(s) of {inner} element(s) each, which must divide \
         the {elements} elements of the tensor"
    )]
    Coefficients {
        /// The node.
        node: String,
        /// `multiplier`, `offset` or `shift`.
        what: &'static str,
        /// Number of values.
        values: usize,
        /// Elements that share a value.
        inner: usize,
        /// Elements of the tensor.
        elements: usize,
    },
    /// Digits of no bits, of too many, or of more together than 64-bit integers leave.
    #[error("node `{node}`: digits of {bits:?} bits, expected 1 to {limit} each and at most {most} together")]
    Digits {
        /// The node.
        node: String,
        /// Bits of the digits, the lowest first.
        bits: Vec<u32>,
        /// Most bits of one.
        limit: u32,
        /// Most bits of all.
        most: u32,
    },
    /// A shift outside 0 to 24.
    #[error("node `{node}`: shift {got}, expected 0 to {limit}")]
    Shift {
        /// The node.
        node: String,
        /// The shift.
        got: i64,
        /// The largest allowed.
        limit: u32,
    },
    /// A parameter value outside its declared range.
    #[error("parameter `{parameter}`: element {element} is {value}, outside its declared {lo} to {hi}; widen the range or quantise again")]
    ParameterValue {
        /// The parameter.
        parameter: String,
        /// Row-major index.
        element: usize,
        /// The value.
        value: i32,
        /// Declared smallest value.
        lo: i64,
        /// Declared largest value.
        hi: i64,
    },
    /// A range with `lo > hi`.
    #[error("`{name}` declares the empty range {lo} to {hi}; lo must not exceed hi")]
    EmptyRange {
        /// Tensor or parameter.
        name: String,
        /// Declared smallest value.
        lo: i64,
        /// Declared largest value.
        hi: i64,
    },
    /// A scale that is not a positive finite number.
    #[error("tensor `{tensor}` has scale {scale}; it must be positive and finite")]
    Scale {
        /// The tensor.
        tensor: String,
        /// Its scale.
        scale: f64,
    },
    /// A table without values.
    #[error("table `{table}` has no values; give it a domain")]
    EmptyTable {
        /// The table.
        table: String,
    },
    /// A table whose arguments leave 32 bits.
    #[error("table `{table}` starts at {first} and has {count} values, so its arguments leave 32 bits; shorten it")]
    TableDomain {
        /// The table.
        table: String,
        /// Smallest argument.
        first: i32,
        /// Number of values.
        count: usize,
    },
}

/// A refused value and the range it should have been in, in real units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RealRange {
    /// The value.
    pub value: f64,
    /// Smallest allowed.
    pub lo: f64,
    /// Largest allowed.
    pub hi: f64,
}

struct RealSuffix<'a>(&'a Option<RealRange>);

impl fmt::Display for RealSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(real) => {
                write!(f, " (real value {}, allowed {} to {})", real.value, real.lo, real.hi)
            }
            None => Ok(()),
        }
    }
}
