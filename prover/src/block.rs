//! A few neighbouring rows of many columns, brought together before they are computed with.
//!
//! A row of a wide table is a cell of each of hundreds of columns, each in another part of memory: more
//! streams than a processor fetches ahead. Copied column by column, some rows at a time, they are in the nearest
//! cache when constraints read them.

use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::m31::PackedM31;

/// Packed rows of a block: of the widest tables as much as the second cache of a core holds.
pub const ROWS: usize = 16;

/// A table's columns in stored order, but those of its sums.
#[derive(Default)]
pub struct TableColumns<'a> {
    /// Program columns, the shared ones included.
    pub program: Vec<&'a BaseColumn>,
    /// Weights columns.
    pub weights: Vec<&'a BaseColumn>,
    /// Values columns.
    pub values: Vec<&'a BaseColumn>,
    /// Evaluations columns, coordinate by coordinate.
    pub evaluations: Vec<&'a BaseColumn>,
}

/// Some rows of them.
#[derive(Default)]
pub struct Blocks {
    /// Of the program.
    pub program: Block,
    /// Of the weights.
    pub weights: Block,
    /// Of the values.
    pub values: Block,
    /// Of the evaluations.
    pub evaluations: Block,
}

impl Blocks {
    /// Takes up to [`ROWS`] packed rows from `first` on.
    pub fn fill(&mut self, columns: &TableColumns<'_>, first: usize) {
        self.program.fill(&columns.program, first);
        self.weights.fill(&columns.weights, first);
        self.values.fill(&columns.values, first);
        self.evaluations.fill(&columns.evaluations, first);
    }
}

/// Some rows of some columns.
#[derive(Default)]
pub struct Block {
    /// [`ROWS`] cells of each column.
    cells: Vec<PackedM31>,
}

impl Block {
    /// Takes up to [`ROWS`] packed rows from `first` on.
    pub fn fill(&mut self, columns: &[&BaseColumn], first: usize) {
        self.cells.resize(columns.len() * ROWS, PackedM31::broadcast(0.into()));
        for (cells, column) in self.cells.chunks_exact_mut(ROWS).zip(columns) {
            for (cell, value) in cells.iter_mut().zip(&column.data[first..]) {
                *cell = *value;
            }
        }
    }

    /// A column's cell in a row of the block.
    pub fn cell(&self, column: usize, row: usize) -> PackedM31 {
        self.cells[column * ROWS + row]
    }
}
