//! Where the chips' columns lie in the common trace.
//!
//! All tables stand side by side in one trace of `N` rows, the height of the tallest, split into
//! trees by the time of their commitment. A shorter table is active on the *last* rows: all rows
//! before are reserved rows in the sense of [`veristar_air::logup`], where every program column is 0.
//!
//! | tree | columns over | committed |
//! |---|---|---|
//! | program | `F` | once, in the key |
//! | weights | `F` | once, in the key |
//! | values | `F` | each proof |
//! | evaluations | `K` | after `t`, `r` |
//! | sums | `K` | after `z`, `alpha`, `beta`, `delta` |
//! | composition | `K`, two halves | after the coefficients of constraints |

use alloc::vec::Vec;
use veristar_air::program::{Instance, Layout};
use veristar_air::survey::survey;

/// Trees, in the order of commitment.
pub const TREES: usize = 6;
/// Columns of the composition tree.
pub const COMPOSITION_COLUMNS: usize = 2;
/// Index of the composition tree.
pub const COMPOSITION: usize = 5;
/// Names of the trees, for errors.
pub const NAMES: [&str; TREES] =
    ["program", "weights", "values", "evaluations", "sums", "composition"];

/// Columns of one table: its first in each tree.
#[derive(Clone, Debug)]
pub struct TableColumns {
    /// The chip and its size.
    pub instance: Instance,
    /// The program tree's column of each of its program columns.
    pub program: Vec<usize>,
    /// First column in the weights tree.
    pub weights: usize,
    /// First column in the values tree.
    pub values: usize,
    /// First column in the evaluations tree.
    pub evaluations: usize,
    /// First column in the sums tree.
    pub sums: usize,
    /// Constraints of earlier tables.
    pub constraints: usize,
}

/// All columns.
#[derive(Clone, Debug)]
pub struct Columns {
    /// log2 of the rows.
    pub log_height: u32,
    /// The tables.
    pub tables: Vec<TableColumns>,
    /// Number of columns of each tree.
    pub counts: [usize; TREES],
    /// For each tree, the columns that are opened at the row before too, in increasing order.
    pub before: [Vec<usize>; TREES],
    /// Number of constraints.
    pub constraints: usize,
}

impl Columns {
    /// Of a layout.
    pub fn new(layout: &Layout) -> Self {
        let program = layout.program_columns();
        let mut columns = Self {
            log_height: layout.log_height(),
            tables: Vec::new(),
            counts: [program.log_sizes.len(), 0, 0, 0, 0, COMPOSITION_COLUMNS],
            before: Default::default(),
            constraints: 0,
        };
        for (instance, program) in layout.instances.iter().zip(program.indices) {
            let survey = survey(&instance.chip);
            let shape = survey.shape;
            let [_, weights, values, evaluations, sums, _] = &mut columns.counts;
            columns.tables.push(TableColumns {
                instance: *instance,
                program,
                weights: *weights,
                values: *values,
                evaluations: *evaluations,
                sums: *sums,
                constraints: columns.constraints,
            });
            let [_, _, values_before, evaluations_before, sums_before, _] = &mut columns.before;
            extend(values_before, *values, &survey.values_before);
            extend(evaluations_before, *evaluations, &survey.evaluations_before);
            extend(sums_before, *sums, &survey.sums_before);
            *weights += shape.weights;
            *values += shape.values;
            *evaluations += shape.evaluations;
            *sums += shape.sums();
            columns.constraints += survey.names.len();
        }
        columns
    }

    /// Rows of the trace.
    pub const fn rows(&self) -> usize {
        1 << self.log_height
    }

    /// Openings: every column at the point, some at the row before.
    pub fn openings(&self) -> usize {
        self.counts.iter().sum::<usize>() + self.before.iter().map(Vec::len).sum::<usize>()
    }

    /// Whether a tree's columns are over `K`.
    pub const fn extended(tree: usize) -> bool {
        tree > 2
    }
}

fn extend(before: &mut Vec<usize>, first: usize, flags: &[bool]) {
    before.extend((first..).zip(flags).filter(|(_, flag)| **flag).map(|(column, _)| column));
}

impl TableColumns {
    /// Active rows.
    pub const fn active(&self) -> usize {
        (1usize << self.instance.log_size).saturating_sub(self.instance.reserved as usize)
    }
}
