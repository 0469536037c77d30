//! Sizes that a key's layout fixes: cells of trees, rows, entries and memory cells of tables.

use super::HASH;
use veristar_air::chips::Chip;
use veristar_air::program::{Instance, Layout};
use veristar_verifier::component::column_log_sizes;
use veristar_verifier::Key;

/// Sizes of a key's trees.
pub struct Sizes {
    /// Cells of each tree, on the trace domain.
    pub cells: [u64; 5],
    /// Cells of the largest table, in all trees but that of the sums.
    pub largest_table: u64,
    /// log2 rows of the tables, each height once.
    pub heights: Vec<u32>,
    /// Evaluations of a row.
    pub blowup: u64,
    /// Points of the tallest evaluation domain.
    pub domain: u64,
}

impl Sizes {
    /// Of a key's layout and parameters.
    pub fn new(key: &Key) -> Self {
        let layout = &key.layout;
        let cells = column_log_sizes(layout)
            .map(|columns| columns.iter().map(|log| 1u64 << log).sum::<u64>());
        let mut heights: Vec<u32> = layout.instances.iter().map(|i| i.log_size).collect();
        heights.sort_unstable();
        heights.dedup();
        let table = |i: &Instance| {
            let shape = i.shape();
            let columns = shape.program + shape.weights + shape.values + 4 * shape.evaluations;
            (columns as u64) << i.log_size
        };
        let log_blowup = key.parameters().log_blowup;
        Self {
            cells,
            largest_table: layout.instances.iter().map(table).max().unwrap_or(0),
            heights,
            blowup: 1 << log_blowup,
            domain: 1 << (layout.log_height() + log_blowup),
        }
    }

    /// Bytes of a Merkle tree's hashes: all trees have the height of the domain.
    pub fn hashes(&self) -> u64 {
        2 * HASH * self.domain
    }
}

/// Entries of maps from rows to their places.
pub fn placements(layout: &Layout) -> u64 {
    let mut all: Vec<_> = layout.instances.iter().map(|i| (i.log_size, i.reserved)).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|(log, _)| 1u64 << log).sum()
}

/// Entries of fixed tables.
pub fn entries(layout: &Layout) -> u64 {
    sum(layout, |chip| match chip {
        Chip::Table(chip) => chip.width,
        _ => 0,
    })
}

/// Memory cells at most: every cell is written once, by one row, or is an accumulator that no row writes.
pub fn written(layout: &Layout) -> u64 {
    sum(layout, |chip| match chip {
        Chip::Input(_)
        | Chip::Parameters(_)
        | Chip::Horner(_)
        | Chip::Unary(_)
        | Chip::Binary(_) => chip.width(),
        // Accumulators have memory of the prover's too.
        Chip::Requantise(chip) => 2 * chip.width,
        Chip::Maximum(_) => 2,
        Chip::Field(_) | Chip::Tree(_) => 1,
        _ => 0,
    })
}

/// Lanes whose accumulators' addresses a compiled program lists.
pub fn accumulators(layout: &Layout) -> u64 {
    sum(layout, |chip| match chip {
        Chip::Requantise(chip) => chip.width,
        _ => 0,
    })
}

/// Memory cells that hold extension-field elements, at most.
pub fn evaluated(layout: &Layout) -> u64 {
    sum(layout, |chip| {
        usize::from(matches!(chip, Chip::Horner(_) | Chip::Requantise(_) | Chip::Field(_)))
    })
}

fn sum(layout: &Layout, cells: fn(&Chip) -> usize) -> u64 {
    let table = |i: &Instance| (cells(&i.chip) as u64) << i.log_size;
    layout.instances.iter().map(table).sum()
}
