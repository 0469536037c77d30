//! Values of `tree`, `nodes` and `features`: paths are walked record by record, and every record and feature
//! that a row looks up is counted.

use super::error::ProveError;
use super::witness::{Cells, Context};
use std::collections::HashMap;
use veristar_air::chips::{Chip, Features, Nodes, Tree};
use veristar_air::program::{Program, Table};
use veristar_model::tree::{Record, VALUE};

/// The records and features of a program, and how often a proof uses each.
#[derive(Default)]
pub struct Paths {
    records: Vec<Record>,
    record_uses: Vec<i64>,
    /// By group and index: the address, and the place in `feature_uses`.
    features: HashMap<(i64, i64), (u32, usize)>,
    feature_uses: Vec<i64>,
}

fn impossible(what: &str) -> ProveError {
    ProveError::Constraint(format!("a path of a decision tree {what}"))
}

impl Paths {
    /// Reads the program's and the weights' columns; nothing is used yet.
    pub fn new(program: &Program) -> Self {
        let mut paths = Self::default();
        for (instance, table) in program.layout.instances.iter().zip(&program.tables) {
            match &instance.chip {
                Chip::Nodes(chip) => paths.read_records(chip, table),
                Chip::Features(chip) => paths.read_features(chip, table),
                _ => {}
            }
        }
        paths
    }

    fn read_records(&mut self, chip: &Nodes, table: &Table) {
        for slot in 0..table.rows * chip.width {
            let (row, lane) = (slot / chip.width, slot % chip.width);
            let [feature, threshold, next] =
                Nodes::record(lane).map(|column| table.weights[column][row]);
            self.records.push(Record { feature, threshold, next });
        }
        self.record_uses = vec![0; self.records.len()];
    }

    /// Rows that repeat others are not used.
    fn read_features(&mut self, chip: &Features, table: &Table) {
        for place in 0..table.rows * chip.width {
            let (row, lane) = (place / chip.width, place % chip.width);
            let cells = Cells { table, row };
            let index = cells.at(Features::FIRST) + lane as i64;
            let address = cells.address(Features::address(lane));
            let key = (cells.at(Features::GROUP), index);
            self.features.entry(key).or_insert((address, place));
        }
        self.feature_uses = vec![0; table.rows * chip.width];
    }

    fn record(&self, slot: i64) -> Result<Record, ProveError> {
        let record = usize::try_from(slot).ok().and_then(|slot| self.records.get(slot));
        record.copied().ok_or_else(|| impossible("leaves the slots"))
    }

    fn feature(&mut self, group: i64, index: i64) -> Result<u32, ProveError> {
        let entry = self.features.get(&(group, index));
        let (address, place) = entry.ok_or_else(|| impossible("asks for an unknown feature"))?;
        self.feature_uses[*place] += 1;
        Ok(*address)
    }

    /// The rows of `tree`, path after path.
    pub fn walk(
        &mut self,
        chip: &Tree,
        table: &Table,
        context: &Context<'_>,
    ) -> Result<Vec<Vec<i64>>, ProveError> {
        let mut rows = Vec::with_capacity(table.rows);
        let (mut leads, mut pointer) = (0, 0);
        for row in 0..table.rows {
            let cells = Cells { table, row };
            let [root, continues, follows, ends] =
                [Tree::ROOT, Tree::CONTINUES, Tree::FOLLOWS, Tree::ENDS].map(|c| cells.at(c));
            let mut slot = root + continues * leads + follows * pointer;
            let mut values = vec![slot, 0, 0];
            for _ in 0..chip.width {
                let lane = self.lane(slot, cells, context)?;
                let [_, _, next, bit, ..] = lane;
                slot = next + bit;
                values.extend(lane);
            }
            leads = slot;
            if ends == 1 {
                let record = self.record(slot)?;
                if record.feature != VALUE {
                    return Err(impossible("ends in a decision"));
                }
                self.record_uses[slot as usize] += 1;
                pointer = record.next.into();
                values[Tree::VALUE] = record.threshold.into();
            }
            values[Tree::POINTER] = pointer;
            rows.push(values);
        }
        Ok(rows)
    }

    /// Feature, threshold, next, bit, gap, x, idle of a lane at a slot.
    fn lane(
        &mut self,
        slot: i64,
        cells: Cells<'_>,
        context: &Context<'_>,
    ) -> Result<[i64; 7], ProveError> {
        let record = self.record(slot)?;
        let group = cells.at(Tree::GROUP);
        let feature = if record.decides() { record.feature.into() } else { 0 };
        let x = context.memory[self.feature(group, feature)? as usize];
        let (threshold, next) = if record.decides() {
            self.record_uses[slot as usize] += 1;
            (record.threshold.into(), record.next.into())
        } else {
            (x, slot)
        };
        let bit = i64::from(x > threshold);
        let gap = if bit == 1 { x - threshold - 1 } else { threshold - x };
        context.uses.range(cells.at(Tree::BITS), gap, 1)?;
        Ok([feature, threshold, next, bit, gap, x, i64::from(!record.decides())])
    }

    /// The rows of `nodes`, once all paths are walked.
    pub fn nodes(&self, chip: &Nodes) -> Vec<Vec<i64>> {
        self.record_uses.chunks(chip.width).map(<[i64]>::to_vec).collect()
    }

    /// The rows of `features`, once all paths are walked.
    pub fn features(&self, chip: &Features, table: &Table, memory: &[i64]) -> Vec<Vec<i64>> {
        let row = |row: usize| {
            let cells = Cells { table, row };
            let lane = |j: usize| {
                let x = memory[cells.address(Features::address(j)) as usize];
                [x, self.feature_uses[row * chip.width + j]]
            };
            (0..chip.width).flat_map(lane).collect()
        };
        (0..table.rows).map(row).collect()
    }
}
