//! The same witness, altered in the same cell, before three judges: the row-by-row checker, stwo and
//! Winterfell. They agree, case by case: on honest witnesses, on altered cells of active rows, and on
//! cells of reserved rows, of which some are free.

#[path = "../../../prover/tests/common/mod.rs"]
mod common;
mod models;
mod stwo;

use common::{everything, inputs, mlp, without_weights, GraphBuilder, Random};
use std::collections::BTreeSet;
use veristar_air::program::Layout;
use veristar_model::{Digits, Graph, Op, Range};
use veristar_prover::HidingOption;
use veristar_winterfell::prover::prove::{prove_altered, Stage, Trace};
use veristar_winterfell::{setup, verify, Precision, Prepared, Preset, SetupOptions};
use winter_math::FieldElement;

/// A cell to which 1 is added: the first coordinate, where it has several.
#[derive(Clone, Copy, Debug)]
pub struct Alteration {
    stage: Stage,
    table: usize,
    column: usize,
    /// Active row; `None` for the last reserved row.
    row: Option<usize>,
}

/// Whether the checker, stwo and Winterfell accept.
type Verdicts = [bool; 3];

struct Judges {
    stwo: veristar_prover::Prepared,
    winterfell: Prepared,
    inputs: Vec<Vec<Vec<i64>>>,
}

impl Judges {
    fn of((graph, mut random): (Graph, Random)) -> Self {
        let inputs = inputs(&graph, &mut random, 1);
        Self::new(&graph, inputs)
    }

    fn new(graph: &Graph, inputs: Vec<Vec<Vec<i64>>>) -> Self {
        let package =
            common::package(graph, veristar_security::Preset::Fast, 1, HidingOption::None);
        let public: BTreeSet<usize> = graph.outputs.iter().copied().collect();
        let options =
            SetupOptions { preset: Preset::Fast, precision: Precision::Standard, batch: 1, public };
        let own = setup(graph.clone(), &options).expect("setup");
        assert_eq!(own.key.layout, package.key.layout, "one program for both");
        Self {
            stwo: veristar_prover::Prepared::new(package).expect("prepare"),
            winterfell: Prepared::new(own).expect("prepare"),
            inputs,
        }
    }

    fn layout(&self) -> &Layout {
        self.winterfell.layout()
    }

    fn judge(&self, alteration: Option<Alteration>) -> Verdicts {
        let [checker, stwo] = stwo::judge(&self.stwo, &self.inputs, alteration);
        let mut alter = |stage: Stage, trace: &mut Trace| {
            if let Some(alteration) = alteration.filter(|a| a.stage == stage) {
                self.alter(alteration, trace);
            }
        };
        let (proof, _) =
            prove_altered(&self.winterfell, &self.inputs, &mut alter).expect("a proof");
        [checker, stwo, verify(&self.winterfell.package.key, &proof).is_ok()]
    }

    fn alter(&self, alteration: Alteration, trace: &mut Trace) {
        alter(&self.winterfell, alteration, trace);
    }

    /// Cells of each column of each table, on the first, the last and a third row; every
    /// `reserved`-th column also on the reserved row, if the table is as tall as the trace. (A shorter
    /// one has a single reserved row with stwo and many with Winterfell. They are not the same: on row
    /// 0 the step from the last row ends, so fewer cells are free there.)
    fn alterations(&self, reserved: usize) -> Vec<Alteration> {
        let mut result = Vec::new();
        for (table, instance) in self.layout().instances.iter().enumerate() {
            let used = self.winterfell.program.tables[table].used;
            let shape = instance.shape();
            let tall = instance.log_size == self.layout().log_height();
            let stages = [
                (Stage::Values, shape.values),
                (Stage::Evaluations, shape.evaluations),
                (Stage::Sums, shape.sums()),
            ];
            for (stage, count) in stages {
                for column in 0..count {
                    let rows = BTreeSet::from([0, used - 1, column * 7919 % used]);
                    let at = |row| Alteration { stage, table, column, row: Some(row) };
                    result.extend(rows.into_iter().map(at));
                    if tall && column % reserved == 0 {
                        result.push(Alteration { stage, table, column, row: None });
                    }
                }
            }
        }
        result
    }
}

/// Adds 1 to a cell of a trace.
fn alter(prepared: &Prepared, alteration: Alteration, trace: &mut Trace) {
    let columns = &prepared.columns;
    let table = &columns.tables[alteration.table];
    let first = columns.rows() - table.active();
    let row = alteration.row.map_or(first - 1, |row| first + row);
    let column = alteration.column;
    match alteration.stage {
        Stage::Values => trace.values[table.values + column][row] += FieldElement::ONE,
        Stage::Evaluations => {
            trace.evaluations[table.evaluations + column][row] += FieldElement::ONE;
        }
        Stage::Sums => trace.sums[table.sums + column][row] += FieldElement::ONE,
    }
}

fn agree(name: &str, graph: (Graph, Random), reserved: usize) {
    let judges = Judges::of(graph);
    let alterations = judges.alterations(reserved);
    agree_on(name, &judges, alterations);
}

/// Three judges agree on the honest witness and on altered ones, of which some are refused.
fn agree_on(name: &str, judges: &Judges, alterations: Vec<Alteration>) {
    assert_eq!(judges.judge(None), [true; 3], "{name}: honest");
    let mut counts = [0; 2];
    for alteration in alterations {
        let verdicts = judges.judge(Some(alteration));
        let chip = judges.layout().instances[alteration.table].chip.name();
        let [checker, stwo, winterfell] = verdicts;
        assert!(
            checker == stwo && stwo == winterfell,
            "{name}, {chip}, {alteration:?}: checker {checker}, stwo {stwo}, Winterfell {winterfell}"
        );
        counts[usize::from(checker)] += 1;
    }
    println!("{name}: {} alterations refused by all, {} accepted by all", counts[0], counts[1]);
    assert!(counts[0] > 0);
}

#[test]
fn on_a_model_without_weights() {
    agree("without weights", without_weights(), 1);
}

#[test]
fn on_an_mlp() {
    agree("mlp", mlp(), 1);
}

/// Digits of an input too wide for a range table, of sums, and of a single number; read again by a layer.
fn digits() -> (Graph, Random) {
    let mut b = GraphBuilder::new(31);
    let x = b.input(&[1, 6]);
    b.graph.tensors[x].range = Range { lo: -(1 << 21), hi: (1 << 21) - 1 };
    let split = |bits: &[u32]| Op::Digits(Digits { bits: bits.to_vec() });
    let shown = b.node(split(&[12, 10]), &[x], &[2, 1, 6]);
    let digits = b.reshape(shown, &[2, 6]);
    let sums = b.matmul(digits, 3);
    let parts = b.node(split(&[5, 9, 14]), &[sums], &[3, 2, 3]);
    let flat = b.reshape(parts, &[1, 18]);
    let one = b.matmul(flat, 1);
    let last = b.node(split(&[10, 10, 9]), &[one], &[3, 1, 1]);
    b.finish(&[sums, last])
}

#[test]
fn on_digits() {
    agree("digits", digits(), 1);
}

#[test]
fn on_every_chip() {
    agree("everything", everything(), 4);
}
