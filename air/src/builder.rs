//! What lowering collects: elements for each chip, and memory cells.
//!
//! Lowering appends elements here without caring how tables are shaped; [`crate::pack`] then
//! chooses widths and heights and writes the program columns.

use crate::error::AirError;
use crate::lower::trees::Forest;
use crate::program::{FIRST_FREE, ONE, R, T, ZERO};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use veristar_model::TableId;

/// Cells of a `weights` row besides the weights: two evaluations, two sums, two addresses.
pub const ROW_OVERHEAD: usize = 18;

/// Most memory cells of a program: addresses stay far below either field's characteristic.
const ADDRESS_LIMIT: u32 = 1 << 30;

/// The point a segment is evaluated at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// `t`: positions.
    T,
    /// `r`: outputs.
    R,
    /// 1: a sum.
    One,
}

/// What a segment does with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes it: the segment is where the value is committed.
    Write,
    /// Neither: a free coefficient.
    Free,
}

/// A run of elements evaluated as a polynomial; the first element has the highest exponent.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Where it is evaluated.
    pub point: Point,
    /// Range of [`Builder::elements`].
    pub elements: core::ops::Range<usize>,
    /// Address of the result.
    pub result: u32,
}

/// One row of the `field` chip.
#[derive(Clone, Copy, Debug)]
pub struct FieldRow {
    /// Addresses of `a`, `b`, `c`.
    pub operands: [u32; 3],
    /// Address of `a * b + c`.
    pub result: u32,
    /// Whether the result enters the global sum.
    pub sink: bool,
}

/// One row of a `weights` chip.
#[derive(Clone, Copy, Debug)]
pub struct WeightsRow {
    /// Address of the monomial.
    pub monomial: u32,
    /// Address of the activation or evaluation.
    pub activation: u32,
    /// First weight in [`Builder::weights`].
    pub start: usize,
    /// Number of weights, at most the class's width.
    pub count: usize,
}

/// `out = f(rshift(multiplier * x + offset, shift))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnaryKind {
    /// Factor.
    pub multiplier: i32,
    /// Added.
    pub offset: i32,
    /// Bits dropped.
    pub shift: u32,
    /// Function number (1-based).
    pub function: u32,
}

/// A run of accumulators that are only requantised, evaluated as a polynomial at `t`.
#[derive(Clone, Debug)]
pub struct Requantised {
    /// What is done with each.
    pub kind: UnaryKind,
    /// Range of [`Builder::requantised_elements`]; the first has the highest exponent.
    pub elements: core::ops::Range<usize>,
    /// Address of the evaluation.
    pub result: u32,
}

/// `out = f(rshift(alpha a b + beta a + gamma b + delta, shift))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BinaryKind {
    /// Factor of the product.
    pub alpha: i32,
    /// Factor of the left operand.
    pub beta: i32,
    /// Factor of the right operand.
    pub gamma: i32,
    /// Added.
    pub delta: i32,
    /// Bits dropped.
    pub shift: u32,
    /// Function number (1-based).
    pub function: u32,
}

/// A window whose maximum is taken.
#[derive(Clone, Debug)]
pub struct Window {
    /// Range of [`Builder::window_elements`].
    pub elements: core::ops::Range<usize>,
    /// Bits of a difference of two elements.
    pub bits: u32,
    /// Address of the maximum.
    pub maximum: u32,
    /// Address of its position.
    pub position: u32,
}

/// Private inputs of one range.
#[derive(Clone, Debug)]
pub struct InputRun {
    /// Smallest value.
    pub low: i32,
    /// log2 of the number of values.
    pub bits: u32,
    /// Their addresses.
    pub addresses: core::ops::Range<u32>,
}

/// Collects a program.
#[derive(Debug, Default)]
pub struct Builder {
    next: u32,
    /// Cells the verifier supplies, by value.
    pub constants: BTreeMap<i32, u32>,
    /// Elements of all segments.
    pub elements: Vec<(u32, Access)>,
    /// Segments of the `horner` chip.
    pub segments: Vec<Segment>,
    /// Rows of the `field` chip, each after those it reads.
    pub field: Vec<FieldRow>,
    /// Widths of the `weights` chips.
    pub widths: Vec<usize>,
    /// Rows of each `weights` chip.
    pub weights_rows: Vec<Vec<WeightsRow>>,
    /// The weights that rows refer to.
    pub weights: Vec<i32>,
    /// Arguments and results by kind.
    pub unary: BTreeMap<UnaryKind, Vec<[u32; 2]>>,
    /// Accumulators, which only the prover's memory holds, and where their results go
    /// ([`ZERO`]: nowhere, a free coefficient).
    pub requantised_elements: Vec<[u32; 2]>,
    /// Segments of the `requantise` chip.
    pub requantised: Vec<Requantised>,
    /// Operands and results by kind.
    pub binary: BTreeMap<BinaryKind, Vec<[u32; 3]>>,
    /// Addresses and positions of windows' elements.
    pub window_elements: Vec<(u32, i32)>,
    /// Windows.
    pub windows: Vec<Window>,
    /// Addresses and values of parameters in memory.
    pub parameters: Vec<(u32, i32)>,
    /// Private inputs.
    pub inputs: Vec<InputRun>,
    /// Functions used, in order of their numbers (from 1).
    pub functions: Vec<TableId>,
    /// Range tables used.
    pub ranges: BTreeSet<u32>,
    /// Decision trees.
    pub forest: Forest,
    /// Next free exponent of `r`.
    pub next_output: u64,
    powers: BTreeMap<(u32, u64), u32>,
    series: BTreeMap<u64, u32>,
    products: BTreeMap<(u32, u32), u32>,
}

impl Builder {
    /// An empty program with the fixed cells.
    pub fn new(widths: Vec<usize>) -> Self {
        let mut builder = Self {
            next: FIRST_FREE,
            weights_rows: widths.iter().map(|_| Vec::new()).collect(),
            widths,
            ..Self::default()
        };
        builder.constants.insert(0, ZERO);
        builder.constants.insert(1, ONE);
        builder
    }

    /// Memory cells so far.
    pub fn memory(&self) -> u32 {
        self.next
    }

    /// Reserves `count` consecutive cells.
    pub fn allocate(&mut self, count: usize) -> Result<u32, AirError> {
        let start = self.next;
        let end = u32::try_from(count).ok().and_then(|n| start.checked_add(n));
        self.next = end.filter(|e| *e <= ADDRESS_LIMIT).ok_or(AirError::AddressSpace)?;
        Ok(start)
    }

    /// The cell that holds an integer constant.
    pub fn constant(&mut self, value: i32) -> Result<u32, AirError> {
        if let Some(address) = self.constants.get(&value) {
            return Ok(*address);
        }
        let address = self.allocate(1)?;
        self.constants.insert(value, address);
        Ok(address)
    }

    /// The number of a function.
    pub fn function(&mut self, table: TableId) -> u32 {
        let index = match self.functions.iter().position(|t| *t == table) {
            Some(index) => index,
            None => {
                self.functions.push(table);
                self.functions.len() - 1
            }
        };
        index as u32 + 1
    }

    /// Appends a segment and gives the address of its value.
    pub fn segment(
        &mut self,
        point: Point,
        elements: impl IntoIterator<Item = (u32, Access)>,
    ) -> Result<u32, AirError> {
        let result = self.allocate(1)?;
        self.segment_at(point, elements, result);
        Ok(result)
    }

    /// Appends a segment whose value goes to a given address.
    pub fn segment_at(
        &mut self,
        point: Point,
        elements: impl IntoIterator<Item = (u32, Access)>,
        result: u32,
    ) {
        let start = self.elements.len();
        self.elements.extend(elements);
        self.segments.push(Segment { point, elements: start..self.elements.len(), result });
    }

    /// The address of `a * b + c`.
    pub fn multiply_add(&mut self, a: u32, b: u32, c: u32) -> Result<u32, AirError> {
        let result = self.allocate(1)?;
        self.field.push(FieldRow { operands: [a, b, c], result, sink: false });
        Ok(result)
    }

    /// The address of `a * b`.
    pub fn multiply(&mut self, a: u32, b: u32) -> Result<u32, AirError> {
        if a == ONE {
            return Ok(b);
        }
        if b == ONE {
            return Ok(a);
        }
        if let Some(known) = self.products.get(&(a, b)) {
            return Ok(*known);
        }
        let result = self.multiply_add(a, b, ZERO)?;
        self.products.insert((a, b), result);
        Ok(result)
    }

    /// Adds `a * b` to the left-hand side of the linear identity.
    pub fn sink(&mut self, a: u32, b: u32) -> Result<(), AirError> {
        let result = self.allocate(1)?;
        self.field.push(FieldRow { operands: [a, b, ZERO], result, sink: true });
        Ok(())
    }

    /// The address of `t^exponent`.
    pub fn power_of_t(&mut self, exponent: u64) -> Result<u32, AirError> {
        self.power(T, exponent)
    }

    /// The address of `r^exponent`.
    pub fn power_of_r(&mut self, exponent: u64) -> Result<u32, AirError> {
        self.power(R, exponent)
    }

    /// Known powers are reused: first a power one multiplication away, else square and multiply.
    fn power(&mut self, base: u32, exponent: u64) -> Result<u32, AirError> {
        match exponent {
            0 => return Ok(ONE),
            1 => return Ok(base),
            _ => {}
        }
        if let Some(known) = self.powers.get(&(base, exponent)) {
            return Ok(*known);
        }
        let below = self.powers.range((base, 0)..(base, exponent)).next_back();
        let near = below.map(|((_, n), address)| (*n, *address)).and_then(|(n, address)| {
            let rest = exponent - n;
            let factor = match rest {
                1 => Some(base),
                _ => self.powers.get(&(base, rest)).copied(),
            };
            factor.map(|factor| (address, factor))
        });
        let (a, b) = match near {
            Some(pair) => pair,
            None if exponent % 2 == 1 => (self.power(base, exponent - 1)?, base),
            None => {
                let root = self.power(base, exponent / 2)?;
                (root, root)
            }
        };
        let result = self.multiply(a, b)?;
        self.powers.insert((base, exponent), result);
        Ok(result)
    }

    /// The address of `1 + t + .. + t^(count - 1)`.
    pub fn ones(&mut self, count: u64) -> Result<u32, AirError> {
        match count {
            0 => return Ok(ZERO),
            1 => return Ok(ONE),
            _ => {}
        }
        if let Some(known) = self.series.get(&count) {
            return Ok(*known);
        }
        let result = if count % 2 == 1 {
            let shorter = self.ones(count - 1)?;
            self.multiply_add(shorter, T, ONE)?
        } else {
            let half = self.ones(count / 2)?;
            let power = self.power_of_t(count / 2)?;
            self.multiply_add(half, power, half)?
        };
        self.series.insert(count, result);
        Ok(result)
    }

    /// The class of `weights` chip that suits runs of `outputs` weights.
    pub fn class(&self, outputs: usize) -> usize {
        let cost = |width: usize| outputs.div_ceil(width.max(1)) * (width + ROW_OVERHEAD);
        let best = self.widths.iter().enumerate().min_by_key(|(_, width)| cost(**width));
        best.map_or(0, |(class, _)| class)
    }

    /// Appends a row of weights to a class.
    pub fn weights_row(
        &mut self,
        class: usize,
        monomial: u32,
        activation: u32,
        weights: impl IntoIterator<Item = i32>,
    ) {
        let start = self.weights.len();
        self.weights.extend(weights);
        let row = WeightsRow { monomial, activation, start, count: self.weights.len() - start };
        if let Some(rows) = self.weights_rows.get_mut(class) {
            rows.push(row);
        }
    }
}
