//! How often each table entry is used.

use crate::error::ProveError;
use std::sync::atomic::{AtomicU32, Ordering};
use stwo::core::fields::m31::M31;
use veristar_air::chips::{Chip, Table as TableChip};
use veristar_air::program::Program;

/// Where a function's (or a range's) entries are in the table, and the smallest argument.
#[derive(Default)]
struct Entries {
    first: i32,
    slots: Vec<u32>,
}

/// Positions of all entries.
pub struct Directory {
    ranges: Vec<Entries>,
    functions: Vec<Entries>,
    rows: usize,
    width: usize,
}

impl Directory {
    /// Reads the table's program columns.
    pub fn new(program: &Program, functions: &[&veristar_model::Table]) -> Self {
        let mut directory = Self { ranges: Vec::new(), functions: Vec::new(), rows: 0, width: 0 };
        for function in functions {
            let slots = vec![u32::MAX; function.values.len()];
            directory.functions.push(Entries { first: function.first, slots });
        }
        for (instance, table) in program.layout.instances.iter().zip(&program.tables) {
            let Chip::Table(chip) = &instance.chip else { continue };
            (directory.rows, directory.width) = (table.rows, chip.width);
            for row in 0..table.rows {
                let column = |column: usize| table.program[column][row];
                let function = column(TableChip::FUNCTION) as usize;
                for lane in 0..chip.width {
                    let argument = column(TableChip::ARGUMENT);
                    let slot = (row * chip.width + lane) as u32;
                    if function == 0 {
                        let value = column(TableChip::result(lane)) as usize;
                        let bits = argument as usize;
                        if directory.ranges.len() <= bits {
                            directory.ranges.resize_with(bits + 1, Entries::default);
                        }
                        let slots = &mut directory.ranges[bits].slots;
                        slots.resize(1 << bits, u32::MAX);
                        slots[value] = slot;
                    } else {
                        let argument = argument + column(TableChip::STEP) * lane as i32;
                        let entries = &mut directory.functions[function - 1];
                        entries.slots[(argument - entries.first) as usize] = slot;
                    }
                }
            }
        }
        directory
    }
}

/// Counts uses for one proof.
pub struct Uses<'a> {
    directory: &'a Directory,
    counts: Vec<AtomicU32>,
}

impl<'a> Uses<'a> {
    /// No uses yet.
    pub fn new(directory: &'a Directory) -> Self {
        let entries = directory.rows * directory.width;
        Self { directory, counts: (0..entries).map(|_| AtomicU32::new(0)).collect() }
    }

    fn count(
        &self,
        entries: Option<&Entries>,
        argument: i64,
        times: u32,
    ) -> Result<(), ProveError> {
        let slot = entries.and_then(|entries| {
            let index = usize::try_from(argument - i64::from(entries.first)).ok()?;
            entries.slots.get(index).copied()
        });
        let counter = slot.and_then(|slot| self.counts.get(slot as usize));
        let counter = counter.ok_or_else(|| {
            ProveError::Constraint(format!("argument {argument} is outside its table"))
        })?;
        counter.fetch_add(times, Ordering::Relaxed);
        Ok(())
    }

    /// Uses `0 <= value < 2^bits` so many times.
    pub fn range(&self, bits: i32, value: i64, times: u32) -> Result<(), ProveError> {
        self.count(self.directory.ranges.get(bits as usize), value, times)
    }

    /// Uses a function (numbered from 1) at an argument so many times.
    pub fn function(&self, function: i32, argument: i64, times: u32) -> Result<(), ProveError> {
        self.count(self.directory.functions.get(function as usize - 1), argument, times)
    }

    /// The table's values columns.
    pub fn columns(&self, width: usize) -> Vec<Vec<M31>> {
        let lane = |lane: usize| {
            let counts = self.counts.iter().skip(lane).step_by(width);
            counts.map(|count| M31::from(count.load(Ordering::Relaxed))).collect()
        };
        (0..width).map(lane).collect()
    }
}
