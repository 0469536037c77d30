//! The fixed tables' entries: where each is, and how often it is used.

use super::error::ProveError;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use veristar_air::chips::{Chip, Table as TableChip};
use veristar_air::program::Program;

/// Of what an entry is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    /// A number of bits.
    Range(i64),
    /// A function, from 1.
    Function(i64),
}

/// Where all entries are, as row times width plus lane.
pub struct Entries {
    slots: HashMap<(Of, i64), usize>,
    count: usize,
}

impl Entries {
    /// Reads the table's program columns.
    pub fn new(program: &Program) -> Self {
        let mut entries = Self { slots: HashMap::new(), count: 0 };
        for (instance, table) in program.layout.instances.iter().zip(&program.tables) {
            let Chip::Table(chip) = instance.chip else { continue };
            entries.count = table.rows * chip.width;
            for slot in 0..entries.count {
                let (row, lane) = (slot / chip.width, slot % chip.width);
                let cell = |column: usize| i64::from(table.program[column][row]);
                let argument = cell(TableChip::ARGUMENT) + cell(TableChip::STEP) * lane as i64;
                let entry = match cell(TableChip::FUNCTION) {
                    0 => (Of::Range(argument), cell(TableChip::result(lane))),
                    function => (Of::Function(function), argument),
                };
                entries.slots.insert(entry, slot);
            }
        }
        entries
    }
}

/// Counts uses for one proof.
pub struct Uses<'a> {
    entries: &'a Entries,
    counts: Vec<AtomicU64>,
}

impl<'a> Uses<'a> {
    /// No uses yet.
    pub fn new(entries: &'a Entries) -> Self {
        Self { entries, counts: (0..entries.count).map(|_| AtomicU64::new(0)).collect() }
    }

    fn count(&self, of: Of, argument: i64, times: u64) -> Result<(), ProveError> {
        let slot = self.entries.slots.get(&(of, argument)).ok_or(ProveError::Entry { argument })?;
        self.counts[*slot].fetch_add(times, Ordering::Relaxed);
        Ok(())
    }

    /// Uses `0 <= value < 2^bits` so many times.
    ///
    /// # Errors
    /// It is not, or there is no such table.
    pub fn range(&self, bits: i64, value: i64, times: u64) -> Result<(), ProveError> {
        self.count(Of::Range(bits), value, times)
    }

    /// Uses a function (numbered from 1) at an argument so many times.
    ///
    /// # Errors
    /// The argument is outside its domain.
    pub fn function(&self, function: i64, argument: i64, times: u64) -> Result<(), ProveError> {
        self.count(Of::Function(function), argument, times)
    }

    /// How often the entry in a row and lane of a table of this width is used.
    pub fn of(&self, row: usize, lane: usize, width: usize) -> i64 {
        self.counts[row * width + lane].load(Ordering::Relaxed) as i64
    }
}
