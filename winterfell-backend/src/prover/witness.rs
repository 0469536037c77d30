//! Values and evaluations of each chip, computed from program columns and memory.
//!
//! A chip's program columns say everything: which addresses it reads, what it does. Values are
//! integers; row `i` of the result is active row `i` of the table.

use super::entries::Uses;
use super::error::ProveError;
use super::paths::Paths;
use crate::challenges::Challenges;
use crate::field::{integer, F, K};
use rayon::prelude::*;
use std::collections::HashMap;
use veristar_air::chips::{
    Binary, Chip, Field, Horner, Input, Maximum, Requantise, Unary, Weights,
};
use veristar_air::evaluator::Challenge;
use veristar_air::program::{Program, Table, R, T, ZERO};
use veristar_model::Graph;
use winter_math::StarkField;

/// What value witnesses read.
pub struct Context<'a> {
    /// Base-field memory.
    pub memory: &'a [i64],
    /// Functions by number, from 1.
    pub functions: Vec<&'a veristar_model::Table>,
    /// Counts table uses.
    pub uses: &'a Uses<'a>,
}

/// One row of program cells.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    pub(super) table: &'a Table,
    pub(super) row: usize,
}

impl Cells<'_> {
    pub(super) fn at(&self, column: usize) -> i64 {
        self.table.program[column][self.row].into()
    }

    pub(super) fn address(&self, column: usize) -> u32 {
        self.table.program[column][self.row] as u32
    }

    /// The address of a lane's accumulator.
    fn accumulator(&self, lane: usize, width: usize) -> u32 {
        self.table.accumulators[self.row * width + lane]
    }
}

type Row = Result<Vec<i64>, ProveError>;

/// The values of every table: rows of cells. What is looked up comes last, as it counts what others use.
///
/// # Errors
/// A looked-up value is in no table.
pub fn values(
    graph: &Graph,
    program: &Program,
    memory: &[i64],
    uses: &Uses<'_>,
) -> Result<Vec<Vec<Vec<i64>>>, ProveError> {
    let functions = program.functions.iter().map(|id| &graph.tables[*id]).collect();
    let context = Context { memory, functions, uses };
    let instances = &program.layout.instances;
    let mut result = vec![Vec::new(); instances.len()];
    let mut paths = Paths::new(program);
    let counts = |chip: &Chip| matches!(chip, Chip::Table(_) | Chip::Nodes(_) | Chip::Features(_));
    for counting in [false, true] {
        let tables = instances.iter().zip(&program.tables).zip(&mut result);
        for ((instance, table), rows) in tables {
            if counts(&instance.chip) == counting {
                *rows = match &instance.chip {
                    Chip::Tree(chip) => paths.walk(chip, table, &context)?,
                    Chip::Nodes(chip) => paths.nodes(chip),
                    Chip::Features(chip) => paths.features(chip, table, memory),
                    chip => context.rows(chip, table)?,
                };
            }
        }
    }
    Ok(result)
}

impl Context<'_> {
    fn rows(&self, chip: &Chip, table: &Table) -> Result<Vec<Vec<i64>>, ProveError> {
        if let Chip::Maximum(chip) = chip {
            return self.maximum(chip, table);
        }
        let row = |row: usize| {
            let cells = Cells { table, row };
            match chip {
                Chip::Input(chip) => self.input(chip, cells),
                Chip::Horner(chip) => {
                    let element = |j| self.memory[cells.address(Horner::address(j)) as usize];
                    Ok((0..chip.width).map(element).collect())
                }
                Chip::Requantise(chip) => self.requantise(chip, cells),
                Chip::Unary(chip) => self.unary(chip, cells),
                Chip::Binary(chip) => self.binary(chip, cells),
                Chip::Table(chip) => {
                    Ok((0..chip.width).map(|lane| self.uses.of(row, lane, chip.width)).collect())
                }
                // Their values only hold masks, which are 0 here.
                _ => Ok(Vec::new()),
            }
        };
        (0..table.rows).into_par_iter().map(row).collect()
    }

    /// Lanes without an input hold the smallest value.
    fn input(&self, chip: &Input, cells: Cells<'_>) -> Row {
        let (low, bits) = (cells.at(Input::LOW), cells.at(Input::BITS));
        let lane = |j: usize| {
            let value = match cells.address(Input::address(j)) {
                ZERO => low,
                address => self.memory[address as usize],
            };
            self.uses.range(bits, value - low, 1).map(|()| value)
        };
        (0..chip.width).map(lane).collect()
    }

    /// Quotient, remainder and result of an accumulator; counts both lookups, of so many uses each.
    fn shifted(
        &self,
        accumulator: i128,
        shift: i64,
        number: i64,
        times: u64,
    ) -> Result<[i64; 3], ProveError> {
        let quotient = (accumulator >> shift) as i64;
        let remainder = (accumulator - (i128::from(quotient) << shift)) as i64;
        self.uses.range(shift, remainder, times)?;
        self.uses.function(number, quotient, times)?;
        let function = self.functions[number as usize - 1];
        let index = quotient - i64::from(function.first);
        Ok([quotient, remainder, function.values[index as usize].into()])
    }

    fn unary(&self, chip: &Unary, cells: Cells<'_>) -> Row {
        let [multiplier, offset, shift, function] =
            [Unary::MULTIPLIER, Unary::OFFSET, Unary::SHIFT, Unary::FUNCTION].map(|c| cells.at(c));
        let mut row = Vec::with_capacity(4 * chip.width);
        for j in 0..chip.width {
            let x = self.memory[cells.address(Unary::argument(j)) as usize];
            let accumulator = i128::from(multiplier) * i128::from(x) + i128::from(offset);
            row.push(x);
            row.extend(self.shifted(accumulator, shift, function, 1)?);
        }
        Ok(row)
    }

    /// A lane that nobody reads is free: its remainder makes up for everything.
    fn requantise(&self, chip: &Requantise, cells: Cells<'_>) -> Row {
        let [multiplier, offset, shift, function] =
            [Requantise::MULTIPLIER, Requantise::OFFSET, Requantise::SHIFT, Requantise::FUNCTION]
                .map(|c| cells.at(c));
        let mut row = Vec::with_capacity(3 * chip.width);
        for j in 0..chip.width {
            let x = self.memory[cells.accumulator(j, chip.width) as usize];
            let scaled = i128::from(multiplier) * i128::from(x) + i128::from(offset);
            row.extend(match cells.at(Requantise::reads(j)) {
                0 => [0, centred(scaled), 0],
                reads => self.shifted(scaled, shift, function, reads as u64)?,
            });
        }
        Ok(row)
    }

    fn binary(&self, chip: &Binary, cells: Cells<'_>) -> Row {
        let [alpha, beta, gamma, delta] =
            [Binary::ALPHA, Binary::BETA, Binary::GAMMA, Binary::OFFSET]
                .map(|column| i128::from(cells.at(column)));
        let (shift, function) = (cells.at(Binary::SHIFT), cells.at(Binary::FUNCTION));
        let mut row = Vec::with_capacity(5 * chip.width);
        for j in 0..chip.width {
            let operands = [Binary::left(j), Binary::right(j)]
                .map(|column| self.memory[cells.address(column) as usize]);
            let [a, b] = operands.map(i128::from);
            row.extend(operands);
            row.extend(self.shifted(
                alpha * a * b + beta * a + gamma * b + delta,
                shift,
                function,
                1,
            )?);
        }
        Ok(row)
    }

    fn maximum(&self, chip: &Maximum, table: &Table) -> Result<Vec<Vec<i64>>, ProveError> {
        let mut rows = Vec::with_capacity(table.rows);
        let mut best = None;
        for row in 0..table.rows {
            let cells = Cells { table, row };
            best = best.filter(|_| cells.at(Maximum::CONTINUES) == 1);
            let mut values = Vec::with_capacity(5 * chip.width);
            for j in 0..chip.width {
                let a = self.memory[cells.address(Maximum::address(j)) as usize];
                let here = (a, cells.at(Maximum::position(j)));
                let (bit, gap, next) = match best {
                    None => (1, 0, here),
                    Some((largest, _)) if a > largest => (1, a - largest - 1, here),
                    Some(old) => (0, old.0 - a, old),
                };
                self.uses.range(cells.at(Maximum::BITS), gap, 1)?;
                values.extend([a, bit, gap, next.0, next.1]);
                best = Some(next);
            }
            rows.push(values);
        }
        Ok(rows)
    }
}

/// Memory cells that hold extension-field values, over those that do not.
struct Extended<'a> {
    base: &'a [i64],
    cells: HashMap<u32, K>,
}

impl Extended<'_> {
    fn get(&self, address: u32) -> K {
        let base = || integer(self.base[address as usize]).into();
        self.cells.get(&address).copied().unwrap_or_else(base)
    }

    /// Writes an address, if it is one.
    fn set(&mut self, address: u32, value: K) {
        if address != ZERO {
            self.cells.insert(address, value);
        }
    }
}

/// The evaluations of every table: rows of cells.
pub fn evaluations(program: &Program, memory: &[i64], challenges: &Challenges) -> Vec<Vec<Vec<K>>> {
    let mut extended = Extended { base: memory, cells: HashMap::new() };
    extended.set(T, challenges.t());
    extended.set(R, challenges.r());
    let instances = &program.layout.instances;
    let mut result = vec![Vec::new(); instances.len()];
    // Horner before field before weights: each reads what the one before writes.
    for stage in 0..3 {
        for ((instance, table), rows) in instances.iter().zip(&program.tables).zip(&mut result) {
            match (stage, &instance.chip) {
                (0, Chip::Horner(chip)) => *rows = horner(chip, table, challenges, &mut extended),
                (0, Chip::Requantise(chip)) => {
                    *rows = requantise(chip, table, challenges, &mut extended);
                }
                (1, Chip::Field(_)) => *rows = field(table, &mut extended),
                (2, Chip::Weights(_)) => {
                    let read = |row: usize| {
                        let cells = Cells { table, row };
                        let columns = [Weights::MONOMIAL, Weights::ACTIVATION];
                        columns.map(|column| extended.get(cells.address(column))).to_vec()
                    };
                    *rows = (0..table.rows).map(read).collect();
                }
                _ => {}
            }
        }
    }
    result
}

/// Accumulators, segment by segment.
fn horner(
    chip: &Horner,
    table: &Table,
    challenges: &Challenges,
    extended: &mut Extended<'_>,
) -> Vec<Vec<K>> {
    let width = chip.width;
    let mut rows = Vec::with_capacity(table.rows);
    let mut accumulator = K::ZERO;
    for row in 0..table.rows {
        let cells = Cells { table, row };
        let [at_t, at_r, at_one, continues] =
            [Horner::AT_T, Horner::AT_R, Horner::AT_ONE, Horner::CONTINUES]
                .map(|column| integer(cells.at(column)));
        let power = |n: usize| {
            let at = |challenge| challenges.get(challenge, K::ZERO);
            at(Challenge::T(n)) * at_t + at(Challenge::R(n)) * at_r + at_one
        };
        accumulator = accumulator * power(width) * continues;
        for j in 0..width {
            let element = integer(extended.base[cells.address(Horner::address(j)) as usize]);
            accumulator = accumulator + power(width - 1 - j) * element;
        }
        extended.set(cells.address(Horner::RESULT), accumulator);
        rows.push(vec![accumulator]);
    }
    rows
}

/// The representative of an integer's residue that is nearest to 0.
fn centred(value: i128) -> i64 {
    let p = i128::from(F::MODULUS);
    let residue = value.rem_euclid(p);
    (if residue > p / 2 { residue - p } else { residue }) as i64
}

/// Accumulators of a linear layer's outputs, segment by segment.
fn requantise(
    chip: &Requantise,
    table: &Table,
    challenges: &Challenges,
    extended: &mut Extended<'_>,
) -> Vec<Vec<K>> {
    let width = chip.width;
    let power = |n: usize| challenges.get(Challenge::T(n), K::ZERO);
    let mut rows = Vec::with_capacity(table.rows);
    let mut accumulator = K::ZERO;
    for row in 0..table.rows {
        let cells = Cells { table, row };
        if cells.at(Requantise::CONTINUES) == 0 {
            accumulator = K::ZERO;
        }
        accumulator = accumulator * power(width);
        for j in 0..width {
            let x = integer(extended.base[cells.accumulator(j, width) as usize]);
            accumulator = accumulator + power(width - 1 - j) * x;
        }
        extended.set(cells.address(Requantise::RESULT), accumulator);
        rows.push(vec![accumulator]);
    }
    rows
}

/// Rows read what earlier rows write.
fn field(table: &Table, extended: &mut Extended<'_>) -> Vec<Vec<K>> {
    let row = |row: usize| {
        let cells = Cells { table, row };
        let [a, b, c] = Field::OPERANDS.map(|column| extended.get(cells.address(column)));
        let out = a * b + c;
        extended.set(cells.address(Field::RESULT), out);
        vec![a, b, c, out]
    };
    (0..table.rows).map(row).collect()
}
