//! Values of `tree`, `nodes` and `features`: paths are walked record by record, and every record and
//! feature that a row looks up is counted.

use super::Context;
use crate::error::ProveError;
use crate::trace::m31;
use std::sync::atomic::{AtomicU32, Ordering};
use stwo::core::fields::m31::M31;
use veristar_air::chips::{Chip, Features, Nodes, Tree, TreeLane};
use veristar_air::program::{Program, Table};
use veristar_model::tree::{Record, VALUE};

/// The records and features of a program, and how often one proof uses each.
#[derive(Default)]
pub struct Forest {
    records: Vec<Record>,
    record_uses: Vec<AtomicU32>,
    /// Per group and index: the address, and the place in `feature_uses`.
    features: Vec<Vec<Option<(i32, usize)>>>,
    feature_uses: Vec<AtomicU32>,
}

fn counters(count: usize) -> Vec<AtomicU32> {
    (0..count).map(|_| AtomicU32::new(0)).collect()
}

fn columns(uses: &[AtomicU32], width: usize) -> Vec<Vec<M31>> {
    let lane = |lane: usize| {
        let lane = uses.iter().skip(lane).step_by(width);
        lane.map(|count| M31::from(count.load(Ordering::Relaxed))).collect()
    };
    (0..width).map(lane).collect()
}

fn impossible(what: &str) -> ProveError {
    ProveError::Constraint(format!("a path of a decision tree {what}"))
}

impl Forest {
    /// Reads the program and weights columns; nothing is used yet.
    pub fn new(program: &Program) -> Self {
        let mut forest = Self::default();
        for (instance, table) in program.layout.instances.iter().zip(&program.tables) {
            match &instance.chip {
                Chip::Nodes(chip) => {
                    for row in 0..table.rows {
                        forest.records.extend((0..chip.width).map(|j| {
                            let [feature, threshold, next] =
                                Nodes::record(j).map(|column| table.weights[column][row]);
                            Record { feature, threshold, next }
                        }));
                    }
                    forest.record_uses = counters(forest.records.len());
                }
                Chip::Features(chip) => {
                    for row in 0..table.rows {
                        forest.read_group(chip, table, row);
                    }
                    forest.feature_uses = counters(table.rows * chip.width);
                }
                _ => {}
            }
        }
        forest
    }

    /// Rows that repeat others are not used.
    fn read_group(&mut self, chip: &Features, table: &Table, row: usize) {
        let group = table.program[Features::GROUP][row] as usize;
        let first = table.program[Features::FIRST][row] as usize;
        if self.features.len() <= group {
            self.features.resize_with(group + 1, Vec::new);
        }
        let features = &mut self.features[group];
        for j in 0..chip.width {
            let address = table.program[Features::address(j)][row];
            if features.len() <= first + j {
                features.resize(first + j + 1, None);
            }
            features[first + j].get_or_insert((address, row * chip.width + j));
        }
    }

    /// The record of a slot, without counting it.
    fn look(&self, slot: i64) -> Result<Record, ProveError> {
        let record = usize::try_from(slot).ok().and_then(|slot| self.records.get(slot));
        record.copied().ok_or_else(|| impossible("leaves the slots"))
    }

    /// Counts a use of a slot's record.
    fn use_record(&self, slot: i64) {
        if let Some(counter) = self.record_uses.get(slot as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The address of a feature, counting a use.
    fn use_feature(&self, group: i32, index: i32) -> Result<i32, ProveError> {
        let entry = self.features.get(group as usize).and_then(|g| g.get(index as usize));
        let (address, place) =
            entry.copied().flatten().ok_or_else(|| impossible("asks for an unknown feature"))?;
        self.feature_uses[place].fetch_add(1, Ordering::Relaxed);
        Ok(address)
    }

    /// The values columns of `nodes`, once all paths are walked.
    pub fn nodes(&self, chip: &Nodes) -> Vec<Vec<M31>> {
        columns(&self.record_uses, chip.width)
    }

    /// The values columns of `features`, once all paths are walked.
    pub fn features(&self, chip: &Features, table: &Table, memory: &[i32]) -> Vec<Vec<M31>> {
        let uses = columns(&self.feature_uses, chip.width);
        let lane = |(j, uses): (usize, Vec<M31>)| {
            let addresses = &table.program[Features::address(j)];
            [addresses.iter().map(|a| m31(memory[*a as usize])).collect(), uses]
        };
        uses.into_iter().enumerate().flat_map(lane).collect()
    }
}

/// Walks all paths.
pub(super) fn values(
    chip: &Tree,
    table: &Table,
    context: &Context<'_>,
    forest: &Forest,
) -> Result<Vec<Vec<M31>>, ProveError> {
    let mut columns: Vec<Vec<M31>> = vec![Vec::with_capacity(table.rows); 3 + 7 * chip.width];
    let (mut leads, mut pointer) = (0i64, 0i64);
    for row in 0..table.rows {
        let at = |column: usize| table.program[column][row];
        let flag = |column: usize| i64::from(at(column));
        let mut slot =
            flag(Tree::ROOT) + flag(Tree::CONTINUES) * leads + flag(Tree::FOLLOWS) * pointer;
        let (bits, group) = (at(Tree::BITS), at(Tree::GROUP));
        columns[Tree::SLOT].push(m31(slot as i32));
        for j in 0..chip.width {
            let record = forest.look(slot)?;
            let idle = !record.decides();
            let feature = if idle { 0 } else { record.feature };
            let x = context.memory[forest.use_feature(group, feature)? as usize];
            let (threshold, next) =
                if idle { (x, slot as i32) } else { (record.threshold, record.next) };
            if !idle {
                forest.use_record(slot);
            }
            let bit = i64::from(x > threshold);
            let rise = i64::from(threshold) - i64::from(x);
            let gap = if bit == 1 { -rise - 1 } else { rise };
            context.uses.range(bits, gap, 1)?;
            push(
                &mut columns,
                j,
                [feature, threshold, next, bit as i32, gap as i32, x, idle.into()],
            );
            slot = i64::from(next) + bit;
        }
        leads = slot;
        let mut value = 0;
        if at(Tree::ENDS) == 1 {
            let record = forest.look(slot)?;
            if record.feature != VALUE {
                return Err(impossible("ends in a decision"));
            }
            forest.use_record(slot);
            (value, pointer) = (record.threshold, record.next.into());
        }
        columns[Tree::VALUE].push(m31(value));
        columns[Tree::POINTER].push(m31(pointer as i32));
    }
    Ok(columns)
}

fn push(columns: &mut [Vec<M31>], j: usize, cells: [i32; 7]) {
    let TreeLane { feature, threshold, next, bit, gap, x, idle } = Tree::lane(j);
    for (column, cell) in [feature, threshold, next, bit, gap, x, idle].into_iter().zip(cells) {
        columns[column].push(m31(cell));
    }
}
