//! A compiled model: which chips, how large, and what their program columns hold.

use crate::chips::{Chip, Constraints, Shape};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Address that holds 0.
pub const ZERO: u32 = 0;
/// Address that holds 1.
pub const ONE: u32 = 1;
/// Address that holds the challenge `t`.
pub const T: u32 = 2;
/// Address that holds the challenge `r`.
pub const R: u32 = 3;
/// First address that a program may use freely.
pub const FIRST_FREE: u32 = 4;

/// One chip with its size: what a verifier knows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The chip and its width.
    pub chip: Chip,
    /// log2 of the rows.
    pub log_size: u32,
    /// Rows at the start that are reserved for hiding; at least 1.
    pub reserved: u32,
}

impl Instance {
    /// The chip's columns.
    pub fn shape(&self) -> Shape {
        self.chip.shape()
    }
}

/// A cell whose value the verifier itself puts into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constant {
    /// Its address.
    pub address: u32,
    /// Its value; for [`T`] and [`R`] the challenge instead.
    pub value: i32,
    /// How often it is read.
    pub reads: u32,
}

/// What a verifier must know of a model besides commitments: enough to check any proof of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// The tables, in commitment order.
    pub instances: Vec<Instance>,
    /// Cells supplied by the verifier.
    pub constants: Vec<Constant>,
    /// Inferences in one proof.
    pub batch: u32,
    /// Tensors whose values are public; the verifier reads each address once.
    pub public: Vec<PublicTensor>,
}

/// A public input or output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublicTensor {
    /// Name in the ONNX file.
    pub name: String,
    /// Extents of one inference.
    pub shape: Vec<usize>,
    /// Real value of one step.
    pub scale: f64,
    /// The integer of real zero.
    pub zero_point: i64,
    /// Smallest and largest integer.
    pub range: veristar_model::Range,
    /// Whether it is an input.
    pub input: bool,
    /// Where its elements are: inference by inference, row-major.
    pub addresses: Addresses,
}

/// Addresses of a tensor's elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addresses {
    /// `start, start + 1, ..`
    Run {
        /// First address.
        start: u32,
        /// How many.
        count: u32,
    },
    /// Any.
    List(Vec<u32>),
}

impl Addresses {
    /// The shortest form of a list.
    pub fn new(list: &[u32]) -> Self {
        let start = list.first().copied().unwrap_or(ZERO);
        let run = list.iter().zip(start..).all(|(&a, b)| a == b);
        match (run, u32::try_from(list.len())) {
            (true, Ok(count)) => Self::Run { start, count },
            _ => Self::List(list.to_vec()),
        }
    }

    /// How many addresses.
    pub fn len(&self) -> usize {
        match self {
            Self::Run { count, .. } => *count as usize,
            Self::List(list) => list.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each address in turn.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (run, list) = match self {
            Self::Run { start, count } => (*start..start.saturating_add(*count), [].as_slice()),
            Self::List(list) => (0..0, list.as_slice()),
        };
        run.chain(list.iter().copied())
    }
}

/// The active rows of one table's public and private constants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Program columns: the active rows. All have the same length; the two shared columns
    /// ([`crate::logup::ACTIVE`], [`crate::logup::EDGE`]) are left empty, as they follow from it.
    pub program: Vec<Vec<i32>>,
    /// Weights columns: the active rows (all 0 if compiled without parameters).
    pub weights: Vec<Vec<i32>>,
    /// Active rows.
    pub rows: usize,
    /// Active rows that elements need; the rest write and add nothing.
    pub used: usize,
    /// Elements placed (lanes in use; weights for a `weights` table).
    pub elements: usize,
    /// For the prover alone, of a `requantise` table: the address of each lane's accumulator, row by row.
    pub accumulators: Vec<u32>,
}

/// Coefficients of a convolution's product that are no outputs; the prover computes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garbage {
    /// Index of the convolution in the graph's nodes.
    pub node: usize,
    /// Exponents (relative to [`crate::lower::conv::Geometry::lowest`]) of the free coefficients.
    pub exponents: Vec<u32>,
    /// Output `o`'s coefficient `i` is at `start + o * exponents.len() + i`.
    pub start: u32,
}

/// Everything a prover needs besides the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// What the verifier knows.
    pub layout: Layout,
    /// The tables' constants, in the order of [`Layout::instances`].
    pub tables: Vec<Table>,
    /// Number of memory cells.
    pub memory: u32,
    /// For each tensor that owns cells (is not a view): the first address; elements of one
    /// inference follow one another, inferences too.
    pub tensors: Vec<Option<u32>>,
    /// Free coefficients of convolutions.
    pub garbage: Vec<Garbage>,
    /// The graph's table of each function number, from 1.
    pub functions: Vec<veristar_model::TableId>,
}

impl Layout {
    /// log2 of the tallest table's rows.
    pub fn log_height(&self) -> u32 {
        self.instances.iter().map(|i| i.log_size).max().unwrap_or(0)
    }

    /// Program column indices for each instance: the two shared columns are stored once for all
    /// tables of one height and number of reserved rows.
    pub fn program_columns(&self) -> ProgramColumns {
        let mut log_sizes = Vec::new();
        let mut shared: Vec<(Instance, usize)> = Vec::new();
        let mut indices = Vec::new();
        for instance in &self.instances {
            let log_size = instance.log_size;
            let same = |other: &Instance| {
                (other.log_size, other.reserved) == (instance.log_size, instance.reserved)
            };
            let first = match shared.iter().find(|(other, _)| same(other)) {
                Some((_, first)) => *first,
                None => {
                    let first = log_sizes.len();
                    shared.push((*instance, first));
                    log_sizes.extend([log_size; crate::logup::SHARED]);
                    first
                }
            };
            let mut columns: Vec<usize> = (first..first + crate::logup::SHARED).collect();
            for _ in crate::logup::SHARED..instance.shape().program {
                columns.push(log_sizes.len());
                log_sizes.push(log_size);
            }
            indices.push(columns);
        }
        ProgramColumns { log_sizes, indices }
    }
}

/// Where program columns lie in their tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramColumns {
    /// log2 rows of each column of the tree.
    pub log_sizes: Vec<u32>,
    /// For each instance, the tree's column of each of its program columns.
    pub indices: Vec<Vec<usize>>,
}
