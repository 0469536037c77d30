//! The values and evaluations of each chip, computed from program columns and memory.
//!
//! A chip's program columns say everything: which addresses it reads, what it does. So a witness
//! is a function of those columns and memory. One file a chip, named as in `veristar_air::chips`.

mod binary;
mod field;
mod horner;
mod input;
mod maximum;
mod requantise;
mod tree;
mod unary;
mod weights;

pub mod uses;

use crate::error::ProveError;
use crate::trace::m31;
use std::collections::HashMap;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use tracing::instrument;
use uses::Uses;
use veristar_air::chips::Chip;
use veristar_air::program::{Program, Table, R, T};
use veristar_model::Graph;
use veristar_verifier::challenges::Challenges;

/// What value witnesses read.
pub struct Context<'a> {
    /// Base-field memory.
    pub memory: &'a [i32],
    /// Functions by number, from 1.
    pub functions: Vec<&'a veristar_model::Table>,
    /// Counts table uses.
    pub uses: &'a Uses<'a>,
}

/// The values columns of every table: active rows.
#[instrument(skip_all, name = "values")]
pub fn values(
    graph: &Graph,
    program: &Program,
    memory: &[i32],
    uses: &Uses<'_>,
) -> Result<Vec<Vec<Vec<M31>>>, ProveError> {
    let functions = program.functions.iter().map(|id| &graph.tables[*id]).collect();
    let context = Context { memory, functions, uses };
    let forest = tree::Forest::new(program);
    let mut columns = Vec::new();
    for (instance, table) in program.layout.instances.iter().zip(&program.tables) {
        columns.push(match &instance.chip {
            Chip::Weights(_)
            | Chip::Parameters(_)
            | Chip::Field(_)
            | Chip::Table(_)
            | Chip::Blind(_)
            | Chip::Same(_)
            | Chip::Within(_)
            | Chip::Nodes(_)
            | Chip::Features(_) => Vec::new(),
            Chip::Tree(chip) => tree::values(chip, table, &context, &forest)?,
            Chip::Input(chip) => input::values(chip, table, &context)?,
            Chip::Horner(chip) => horner::values(chip, table, &context),
            Chip::Requantise(chip) => requantise::values(chip, table, &context)?,
            Chip::Unary(chip) => unary::values(chip, table, &context)?,
            Chip::Binary(chip) => binary::values(chip, table, &context)?,
            Chip::Maximum(chip) => maximum::values(chip, table, &context)?,
        });
    }
    // What is looked up comes last: all uses are counted now.
    let tables = program.layout.instances.iter().zip(&program.tables);
    for ((instance, table), columns) in tables.zip(&mut columns) {
        match &instance.chip {
            Chip::Table(chip) => *columns = uses.columns(chip.width),
            Chip::Nodes(chip) => *columns = forest.nodes(chip),
            Chip::Features(chip) => *columns = forest.features(chip, table, memory),
            _ => {}
        }
    }
    Ok(columns)
}

/// Memory cells that hold extension-field values.
pub struct Extended<'a> {
    base: &'a [i32],
    cells: HashMap<u32, QM31>,
}

impl Extended<'_> {
    /// The value at an address.
    pub fn get(&self, address: i32) -> QM31 {
        match self.cells.get(&(address as u32)) {
            Some(value) => *value,
            None => m31(self.base[address as usize]).into(),
        }
    }

    /// Writes an address.
    pub fn set(&mut self, address: i32, value: QM31) {
        self.cells.insert(address as u32, value);
    }
}

/// The evaluations columns of every table: active rows.
#[instrument(skip_all, name = "evaluations")]
pub fn evaluations(
    program: &Program,
    memory: &[i32],
    challenges: &Challenges,
) -> Vec<Vec<Vec<QM31>>> {
    let mut extended = Extended { base: memory, cells: HashMap::new() };
    extended.set(T as i32, challenges.t[1]);
    extended.set(R as i32, challenges.r[1]);
    let tables = || program.layout.instances.iter().zip(&program.tables);
    let mut columns: Vec<Vec<Vec<QM31>>> = tables().map(|_| Vec::new()).collect();
    // Horner before field before weights: each reads what the one before writes.
    for ((instance, table), columns) in tables().zip(&mut columns) {
        match &instance.chip {
            Chip::Horner(chip) => {
                *columns = horner::evaluations(chip, table, memory, challenges, &mut extended);
            }
            Chip::Requantise(chip) => {
                *columns = requantise::evaluations(chip, table, memory, challenges, &mut extended);
            }
            _ => {}
        }
    }
    for ((instance, table), columns) in tables().zip(&mut columns) {
        if let Chip::Field(_) = &instance.chip {
            *columns = field::evaluations(table, &mut extended);
        }
    }
    for ((instance, table), columns) in tables().zip(&mut columns) {
        if let Chip::Weights(_) = &instance.chip {
            *columns = weights::evaluations(table, &extended);
        }
    }
    columns
}

/// One program cell.
fn cell(table: &Table, column: usize, row: usize) -> i32 {
    table.program[column][row]
}
