//! Rows, columns and cells: of a key's tables, and, where the program is known, what of them is used.
//!
//! A table's active rows are always all filled. *Used* rows and elements are those a model's own
//! elements take; the rest of the table is padding.

use super::text;
use serde_json::{json, Value};
use veristar::air::chips::{Chip, Horner, Maximum, Requantise, Tree};
use veristar::air::program::{Garbage, Instance, Layout, Program, Table, ZERO};
use veristar::model::{bounds, Graph, Node, Op, Range, TensorId};

/// What of a table is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Rows.
    pub rows: usize,
    /// Weights placed.
    pub weights: usize,
    /// Elements whose value the table puts into memory: inputs, results.
    pub written: usize,
    /// Elements that the table commits again to read them: operands of Horner sums and windows.
    pub read: usize,
    /// Free coefficients of convolutions.
    pub free: usize,
    /// Cells of the values tree that written and read elements take.
    pub values: usize,
}

/// What of a table of `program` is used.
fn used(instance: &Instance, table: &Table, program: &Program) -> Used {
    let width = instance.chip.width();
    let cell = |column: usize, row: usize| {
        table.program.get(column).and_then(|c| c.get(row)).copied().unwrap_or(ZERO as i32)
    };
    let set = |column: usize, row: usize| cell(column, row) != ZERO as i32;
    let mut result = Used { rows: table.used, ..Used::default() };
    match &instance.chip {
        Chip::Weights(_) | Chip::Parameters(_) => result.weights = table.elements,
        Chip::Input(_) | Chip::Unary(_) | Chip::Binary(_) => result.written = table.elements,
        Chip::Field(_) | Chip::Table(_) | Chip::Features(_) => {}
        Chip::Nodes(_) => result.weights = 3 * table.elements,
        Chip::Tree(_) => {
            let ends = |row: &usize| cell(Tree::ENDS, *row) == 1;
            result.written = (0..result.rows).filter(ends).count();
        }
        Chip::Horner(_) => {
            let free = free_ranges(program);
            for row in 0..result.rows {
                for j in (0..width).filter(|j| set(Horner::address(*j), row)) {
                    let address = cell(Horner::address(j), row) as u32;
                    match cell(Horner::count(j), row) {
                        1 => result.read += 1,
                        0 if free.iter().any(|r| r.contains(&address)) => result.free += 1,
                        _ => result.written += 1,
                    }
                }
            }
        }
        Chip::Requantise(_) => {
            let lanes = (0..result.rows).flat_map(|row| (0..width).map(move |j| (row, j)));
            result.written = lanes.filter(|(row, j)| set(Requantise::address(*j), *row)).count();
            result.free = free_in(&table.accumulators, program);
        }
        Chip::Maximum(_) => {
            result.read = table.elements;
            for row in 0..result.rows {
                result.written += usize::from(set(Maximum::RESULT, row));
                // Most windows are asked for their maximum only.
                result.written += usize::from(cell(Maximum::POSITION_READS, row) != 0);
            }
        }
        // Chips that hide, or that stand in proofs about weights, have no elements.
        _ => {}
    }
    let per_element = instance.shape().values / width.max(1);
    let committed = match &instance.chip {
        // Results are not in the values tree.
        Chip::Maximum(_) => result.read,
        Chip::Tree(_) => return Used { values: table.elements * 7 + result.written, ..result },
        _ => result.written + result.read,
    };
    result.values = committed * per_element;
    result
}

/// How many of a list of addresses are free coefficients'.
fn free_in(addresses: &[u32], program: &Program) -> usize {
    let free = free_ranges(program);
    addresses.iter().filter(|address| free.iter().any(|r| r.contains(address))).count()
}

/// Addresses of free coefficients. A layer's own cells are allocated before them, and the next
/// layer's after.
fn free_ranges(program: &Program) -> Vec<core::ops::Range<u32>> {
    let range = |garbage: &Garbage| {
        let later = program.tensors.iter().flatten().filter(|start| **start > garbage.start);
        garbage.start..later.min().copied().unwrap_or(program.memory)
    };
    program.garbage.iter().map(range).collect()
}

/// One table for people and for JSON.
pub struct Row {
    instance: Instance,
    /// Degree of the extension: base-field columns of one of its columns.
    degree: usize,
    /// Rows that the table's columns have, padding included.
    log_height: u32,
    active: usize,
    used: Option<Used>,
}

/// How a backend commits to tables.
#[derive(Clone, Copy)]
pub enum Trace {
    /// Each as tall as it is; an extension of degree 4.
    Own,
    /// Side by side, as tall as the tallest; an extension of degree 3.
    Common,
}

/// All tables of a layout; with a program also what is used of them.
pub fn rows(layout: &Layout, program: Option<&Program>) -> Vec<Row> {
    rows_in(layout, program, Trace::Own)
}

/// [`rows`] as a backend commits to them.
pub fn rows_in(layout: &Layout, program: Option<&Program>, trace: Trace) -> Vec<Row> {
    let row = |(index, instance): (usize, &Instance)| Row {
        instance: *instance,
        degree: match trace {
            Trace::Own => 4,
            Trace::Common => 3,
        },
        log_height: match trace {
            Trace::Own => instance.log_size,
            Trace::Common => layout.log_height(),
        },
        active: (1usize << instance.log_size).saturating_sub(instance.reserved as usize),
        used: program.and_then(|p| p.tables.get(index).map(|table| used(instance, table, p))),
    };
    layout.instances.iter().enumerate().map(row).collect()
}

impl Row {
    /// Base-field columns of the weights, values, evaluations and sums trees.
    fn columns(&self) -> [usize; 4] {
        let shape = self.instance.shape();
        let extended = [shape.evaluations, shape.sums()].map(|columns| self.degree * columns);
        [shape.weights, shape.values, extended[0], extended[1]]
    }

    fn cells(&self) -> usize {
        self.columns().iter().sum::<usize>() << self.log_height
    }

    fn json(&self) -> Value {
        let [weights, values, evaluations, sums] = self.columns();
        let mut result = json!({
            "name": self.instance.chip.name(),
            "width": self.instance.chip.width(),
            "rows": {
                "total": 1usize << self.instance.log_size,
                "reserved": self.instance.reserved,
                "active": self.active,
            },
            "columns": {
                "program": self.instance.shape().program,
                "weights": weights,
                "values": values,
                "evaluations": evaluations,
                "sums": sums,
            },
            "cells": self.cells(),
        });
        if let Some(used) = self.used {
            result["rows"]["used"] = used.rows.into();
            result["weights"] = used.weights.into();
            result["activations"] = (used.written + used.read).into();
            result["elements"] =
                json!({ "written": used.written, "read": used.read, "free": used.free });
            result["used_cells"] = json!({ "weights": used.weights, "values": used.values });
        }
        result
    }
}

pub fn json(rows: &[Row]) -> Value {
    rows.iter().map(Row::json).collect()
}

/// `{columns, cells}` of all tables, and with a program what of them is used.
pub fn totals(layout: &Layout, rows: &[Row]) -> Value {
    let columns: usize = rows.iter().map(|row| row.columns().iter().sum::<usize>()).sum();
    let mut result = json!({
        "height": 1u64 << layout.log_height(),
        "program_columns": layout.program_columns().log_sizes.len(),
        "committed_columns": columns,
        "cells": rows.iter().map(Row::cells).sum::<usize>(),
    });
    if rows.iter().all(|row| row.used.is_some()) {
        let sum = |part: fn(&Used) -> usize| -> usize {
            rows.iter().filter_map(|row| row.used.as_ref()).map(part).sum()
        };
        let results = rows.iter().filter(|row| !matches!(row.instance.chip, Chip::Input(_)));
        let results = results.filter_map(|row| row.used).map(|used| used.written);
        result["weight_cells"] = sum(|used| used.weights).into();
        result["activation_cells"] = sum(|used| used.values).into();
        result["activations"] = results.sum::<usize>().into();
        result["free_cells"] = sum(|used| used.free).into();
    }
    result
}

/// What is used is shown where it is known.
pub fn table(rows: &[Row]) -> String {
    let count = |n: usize| text::count(n as u64);
    let lines = rows.iter().map(|row| {
        let shape = row.instance.shape();
        let mut line = vec![
            row.instance.chip.name().to_string(),
            row.instance.chip.width().to_string(),
            format!("2^{}", row.instance.log_size),
            row.instance.reserved.to_string(),
            shape.program.to_string(),
        ];
        line.extend(row.columns().map(|n| n.to_string()));
        line.push(count(row.cells()));
        if let Some(used) = row.used {
            line.extend([used.rows, used.weights, used.written + used.read].map(count));
        }
        line
    });
    let mut header = vec![
        "chip", "width", "rows", "reserved", "program", "weights", "values", "evals", "sums",
        "cells",
    ];
    if rows.iter().any(|row| row.used.is_some()) {
        header.extend(["used rows", "used weights", "activations"]);
    }
    text::table(&header, &lines.collect::<Vec<_>>())
}

/// One operation of a graph, in numbers of one inference.
pub struct LayerRow {
    name: String,
    operation: &'static str,
    shape: Vec<usize>,
    scale: f64,
    range: Range,
    multiplications: u64,
    weights: usize,
    activations: usize,
}

/// All operations of a graph.
pub fn layers(graph: &Graph) -> Vec<LayerRow> {
    // The counter works on graphs: give it one node at a time.
    let mut single = graph.architecture();
    let mut row = |node: &Node| {
        single.nodes = vec![node.clone()];
        let tensor = graph.tensors.get(node.output);
        let length = |id: TensorId| graph.parameters.get(id).map_or(0, |p| p.values.len());
        let (operation, weights) = match &node.op {
            Op::Load(id) => ("load", length(*id)),
            Op::View(_) => ("view", 0),
            Op::Conv2d(c) => ("conv2d", length(c.weight) + c.bias.map_or(0, length)),
            Op::MatMul { weight, bias } => ("matmul", length(*weight) + bias.map_or(0, length)),
            Op::Product => ("product", 0),
            Op::Unary { .. } => ("unary", 0),
            Op::Binary { .. } => ("binary", 0),
            Op::Pool(_) => ("pool", 0),
            Op::Reduce(_) => ("reduce", 0),
            Op::Trees(trees) => ("trees", length(trees.records)),
            Op::Digits(_) => ("digits", 0),
        };
        let own = !matches!(node.op, Op::View(_) | Op::Load(_));
        LayerRow {
            name: node.name.clone(),
            operation,
            shape: tensor.map(|t| t.shape.clone()).unwrap_or_default(),
            scale: tensor.map_or(0.0, |t| t.scale),
            range: tensor.map_or(Range::new(0, 0), |t| t.range),
            multiplications: bounds::macs(&single),
            weights,
            activations: tensor.filter(|_| own).map_or(0, |t| t.len()),
        }
    };
    graph.nodes.iter().map(&mut row).collect()
}

impl LayerRow {
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "operation": self.operation,
            "shape": self.shape,
            "scale": self.scale,
            "range": [self.range.lo, self.range.hi],
            "multiplications": self.multiplications,
            "weights": self.weights,
            "activations": self.activations,
        })
    }

    fn line(&self) -> Vec<String> {
        let count = |n: u64| if n == 0 { "-".to_string() } else { text::count(n) };
        vec![
            self.name.clone(),
            self.operation.to_string(),
            text::shape(&self.shape),
            text::number(self.scale),
            format!("{}..{}", self.range.lo, self.range.hi),
            count(self.multiplications),
            count(self.weights as u64),
            count(self.activations as u64),
        ]
    }
}

pub fn layer_table(layers: &[LayerRow]) -> String {
    let header = [
        "layer",
        "operation",
        "output",
        "scale",
        "range",
        "multiplications",
        "weights",
        "activations",
    ];
    text::table(&header, &layers.iter().map(LayerRow::line).collect::<Vec<_>>())
}
