//! Decision trees: paths agree with the interpreter, and nothing about a path can be changed.

mod common;

use common::trees::{ensemble, Plan};
use common::{inputs, package, prepared, GraphBuilder, Random};
use stwo::core::fields::m31::M31;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::Column;
use veristar_air::chips::{Chip, Features, Nodes, Table as TableChip, Tree, TreeLane};
use veristar_model::{Graph, Op, Parameter, Range, Trees};
use veristar_prover::check::{self, OwnedWitness, Violation};
use veristar_prover::ranges::prove_ranges;
use veristar_prover::{prove, HidingOption, Prepared, ProveError};
use veristar_security::{Hiding, Preset};
use veristar_verifier::{verify, Key, Proof, VerifyError};

/// A small ensemble.
const SMALL: Plan = Plan { trees: 5, depth: 4, features: 6, values: 1 };

fn forest(seed: u64, rows: usize, plan: Plan) -> (Graph, Random) {
    let mut b = GraphBuilder::new(seed);
    let x = b.input(&[rows, plan.features]);
    let y = ensemble(&mut b, x, plan);
    b.finish(&[y])
}

fn checks(graph: &Graph, random: &mut Random, batch: usize) {
    let prepared = prepared(graph, Preset::Fast, batch);
    let witness = check::witness(&prepared, &inputs(graph, random, batch)).expect("witness");
    let violations = witness.violations(&prepared);
    assert_eq!(violations.first(), None, "{} violations", violations.len());
    assert!(witness.balances(&prepared));
}

#[test]
fn random_forests_hold() {
    for (seed, plan) in [
        SMALL,
        Plan { trees: 1, depth: 1, features: 1, values: 1 },
        Plan { trees: 40, depth: 9, features: 3, values: 1 },
        Plan { trees: 3, depth: 3, features: 5, values: 4 },
        Plan { trees: 2, depth: 60, features: 2, values: 2 },
    ]
    .into_iter()
    .enumerate()
    {
        for (rows, batch) in [(1, 1), (2, 3)] {
            let (graph, mut random) = forest(seed as u64 + 10, rows, plan);
            checks(&graph, &mut random, batch);
        }
    }
}

#[test]
fn two_ensembles_share_their_tables() {
    let mut b = GraphBuilder::new(30);
    let x = b.input(&[1, 6]);
    let y = ensemble(&mut b, x, SMALL);
    let z = ensemble(&mut b, x, Plan { trees: 7, depth: 2, values: 2, ..SMALL });
    let y = b.reshape(y, &[1, 5]);
    let sum = b.matmul(y, 2);
    let (graph, mut random) = b.finish(&[sum, z]);
    checks(&graph, &mut random, 2);
}

#[test]
fn forests_are_proven() {
    for (seed, preset, batch) in [(40, Preset::Fast, 2), (41, Preset::Compact, 1)] {
        let (graph, mut random) = forest(seed, 1, Plan { values: 2, ..SMALL });
        let prepared = prepared(&graph, preset, batch);
        let proven = prove(&prepared, &inputs(&graph, &mut random, batch)).expect("prove");
        let key = Key::from_bytes(&prepared.package.key.to_bytes()).expect("key");
        let proof = Proof::from_bytes(&proven.proof.to_bytes(), &key).expect("proof bytes");
        let verified = verify(&key, &proof).expect("verify");
        let values: Vec<i64> = verified.public[0].1.iter().map(|v| i64::from(*v)).collect();
        let outputs: Vec<i64> = proven.outputs.iter().flat_map(|run| run[0].clone()).collect();
        assert_eq!(values, outputs);
    }
}

/// The program is the same for all trees of one architecture: what they hold is in the weights only.
#[test]
fn the_structure_is_not_in_the_program() {
    let chain = |records: Vec<i32>| {
        let mut b = GraphBuilder::new(50);
        let x = b.input(&[1, 3]);
        let parameter = Parameter {
            name: "records".into(),
            shape: vec![5, 3],
            values: records,
            range: Range { lo: -200, hi: 200 },
        };
        b.graph.parameters.push(parameter);
        let trees = Trees { records: 0, depth: 2 };
        let y = b.node(Op::Trees(trees), &[x], &[1, 1, 1]);
        let (mut graph, _) = b.finish(&[y]);
        graph.tensors[y].range = Range { lo: -200, hi: 200 };
        package(&graph, Preset::Fast, 1, HidingOption::None).key
    };
    let left = chain(vec![0, 3, 1, 1, -7, 3, -1, 10, 0, -1, 20, 0, -1, 30, 0]);
    let right = chain(vec![2, 0, 3, -1, 5, 0, -1, 0, 0, -1, 6, 0, 1, 100, 1]);
    assert_eq!(left.program_root, right.program_root);
    assert_eq!(left.layout, right.layout);
    assert_eq!(left.architecture, right.architecture);
    assert_ne!(left.weights_root, right.weights_root);
}

/// An honest witness of a small forest that uses all kinds of rows, with its tables.
struct Subject {
    prepared: Prepared,
    batch: Vec<Vec<Vec<i64>>>,
    tree: (usize, Tree),
    nodes: (usize, Nodes),
    features: (usize, Features),
    ranges: (usize, TableChip),
}

impl Subject {
    fn new(plan: Plan) -> Self {
        let (graph, mut random) = forest(60, 1, plan);
        let prepared = prepared(&graph, Preset::Compact, 1);
        let batch = inputs(&graph, &mut random, 1);
        let chips: Vec<Chip> = prepared.layout().instances.iter().map(|i| i.chip).collect();
        let find = |wanted: &str| chips.iter().position(|c| c.name() == wanted).expect("chip");
        let [t, n, f, r] = ["tree", "nodes", "features", "table"].map(find);
        let (Chip::Tree(tree), Chip::Nodes(nodes), Chip::Features(features), Chip::Table(ranges)) =
            (chips[t], chips[n], chips[f], chips[r])
        else {
            panic!("chips")
        };
        Self {
            prepared,
            batch,
            tree: (t, tree),
            nodes: (n, nodes),
            features: (f, features),
            ranges: (r, ranges),
        }
    }

    fn honest(&self) -> OwnedWitness {
        check::witness(&self.prepared, &self.batch).expect("witness")
    }

    fn place(&self, table: usize, row: usize) -> usize {
        let instance = &self.prepared.layout().instances[table];
        let placement = self.prepared.commitments.placement(instance);
        placement.of(placement.first_active() + row)
    }

    fn program(&self, column: usize, row: usize) -> i32 {
        self.prepared.program.tables[self.tree.0].program[column][row]
    }

    fn get(&self, w: &OwnedWitness, column: usize, row: usize) -> i64 {
        let value = w.values[self.tree.0][column].at(self.place(self.tree.0, row)).0;
        let p = i64::from(stwo::core::fields::m31::P);
        if i64::from(value) > p / 2 {
            i64::from(value) - p
        } else {
            value.into()
        }
    }

    fn set(&self, w: &mut OwnedWitness, column: usize, row: usize, value: i64) {
        let place = self.place(self.tree.0, row);
        w.values[self.tree.0][column].as_mut_slice()[place] = M31::from(value as i32);
    }

    fn record(&self, slot: i64) -> [i64; 3] {
        let (table, chip) = self.nodes;
        let (row, lane) = (slot as usize / chip.width, slot as usize % chip.width);
        let weights = &self.prepared.program.tables[table].weights;
        Nodes::record(lane).map(|column| weights[column][row].into())
    }

    /// Rows of a path with one value.
    fn rows(&self) -> usize {
        SMALL.depth.div_ceil(self.tree.1.width)
    }

    /// Steps that a path has room for.
    fn steps(&self) -> usize {
        self.rows() * self.tree.1.width
    }

    /// The row and lane of a step of the path that starts at `row`.
    fn lane(&self, row: usize, step: usize) -> (usize, TreeLane) {
        (row + step / self.tree.1.width, Tree::lane(step % self.tree.1.width))
    }

    /// Makes a step of a path at a slot a decision about the record `[feature, threshold, next]`.
    fn decide(&self, w: &mut OwnedWitness, row: usize, step: usize, record: [i64; 3], bit: i64) {
        let (row, lane) = self.lane(row, step);
        let x = self.batch[0][0][record[0] as usize];
        let rise = record[1] - x;
        let gap = if bit == 1 { -rise - 1 } else { rise };
        let [feature, threshold, next] = record;
        for (column, value) in [
            (lane.feature, feature),
            (lane.threshold, threshold),
            (lane.next, next),
            (lane.bit, bit),
            (lane.gap, gap),
            (lane.x, x),
            (lane.idle, 0),
        ] {
            self.set(w, column, row, value);
        }
    }

    /// Makes a step idle at a slot.
    fn idle(&self, w: &mut OwnedWitness, row: usize, step: usize, slot: i64) {
        self.decide(w, row, step, [0, self.batch[0][0][0], slot], 0);
        let (row, lane) = self.lane(row, step);
        self.set(w, lane.idle, row, 1);
        if lane == Tree::lane(0) {
            self.set(w, Tree::SLOT, row, slot);
        }
    }

    /// Ends a path in a value.
    fn end(&self, w: &mut OwnedWitness, row: usize, value: i64, pointer: i64) {
        let last = row + self.rows() - 1;
        self.set(w, Tree::VALUE, last, value);
        self.set(w, Tree::POINTER, last, pointer);
    }

    /// Walks on honestly from a step, and ends the path in the slot's value.
    fn walk(&self, w: &mut OwnedWitness, row: usize, from: usize, mut slot: i64) {
        for step in from..self.steps() {
            let (at, lane) = self.lane(row, step);
            let record = self.record(slot);
            if record[0] < 0 {
                self.idle(w, row, step, slot);
            } else {
                let bit = i64::from(self.batch[0][0][record[0] as usize] > record[1]);
                self.decide(w, row, step, record, bit);
                if lane == Tree::lane(0) {
                    self.set(w, Tree::SLOT, at, slot);
                }
                slot = record[2] + bit;
            }
        }
        let [_, value, pointer] = self.record(slot);
        self.end(w, row, value, pointer);
    }

    /// Counts every lookup anew, as a cheating prover would: what can be made to match, matches.
    fn recount(&self, w: &mut OwnedWitness) {
        for (counters, times) in [(self.counters(&self.honest()), -1), (self.counters(w), 1)] {
            for [table, column, row] in counters {
                let place = self.place(table, row);
                w.values[table][column].as_mut_slice()[place] += M31::from(times);
            }
        }
    }

    /// Table, column and row of the counter of everything that the paths look up.
    fn counters(&self, w: &OwnedWitness) -> Vec<[usize; 3]> {
        let mut result = Vec::new();
        let mut add = |table: usize, width: usize, entry: i64, column: &dyn Fn(usize) -> usize| {
            let rows = self.prepared.program.tables[table].rows;
            if let Some(entry) = usize::try_from(entry).ok().filter(|e| *e < rows * width) {
                result.push([table, column(entry % width), entry / width]);
            }
        };
        for row in 0..self.prepared.program.tables[self.tree.0].rows {
            let mut slot = self.get(w, Tree::SLOT, row);
            assert_eq!(self.program(Tree::GROUP, row), 0, "one inference");
            for j in 0..self.tree.1.width {
                let lane = Tree::lane(j);
                if self.get(w, lane.idle, row) == 0 {
                    add(self.nodes.0, self.nodes.1.width, slot, &|j| j);
                }
                let feature = self.get(w, lane.feature, row);
                if feature < SMALL.features as i64 {
                    let uses = |j| Features::lane(j)[1];
                    add(self.features.0, self.features.1.width, feature, &uses);
                }
                // The only table of the program is the one of gaps, from the first row on.
                let (gap, bits) = (self.get(w, lane.gap, row), self.program(Tree::BITS, row));
                if gap < 1 << bits {
                    add(self.ranges.0, self.ranges.1.width, gap, &|j| j);
                }
                slot = self.get(w, lane.next, row) + self.get(w, lane.bit, row);
            }
            if self.program(Tree::ENDS, row) == 1 {
                add(self.nodes.0, self.nodes.1.width, slot, &|j| j);
            }
        }
        result
    }

    /// Violations other than those of sums columns, which a cheating prover would compute anew.
    fn found(&self, w: &OwnedWitness) -> Vec<Violation> {
        let sums = ["lookup sum", "running sum", "sum at the edges"];
        let violations = w.violations(&self.prepared).into_iter();
        let counts = |v: &Violation| match v {
            Violation::Constraint { name, .. } => !sums.contains(name),
            Violation::Lookup { .. } => true,
        };
        violations.filter(counts).collect()
    }
}

/// Adds 1 to a cell.
fn bump(column: &mut BaseColumn, place: usize) {
    column.as_mut_slice()[place] += M31::from(1);
}

#[test]
fn every_column_is_constrained() {
    // Several values a tree: rows that follow rows. Paths longer than a row: rows that continue.
    for plan in [Plan { values: 3, ..SMALL }, Plan { trees: 2, depth: 60, ..SMALL }] {
        let subject = Subject::new(plan);
        let shape = subject.honest();
        for table in [subject.tree.0, subject.nodes.0, subject.features.0] {
            let used = subject.prepared.program.tables[table].used;
            let chip = subject.prepared.layout().instances[table].chip.name();
            let ends = (0..used)
                .filter(|row| table != subject.tree.0 || subject.program(Tree::ENDS, *row) == 1);
            let ends: Vec<usize> = ends.collect();
            // Further columns only hold the mask of the table's total.
            let columns = match subject.prepared.layout().instances[table].chip {
                Chip::Nodes(c) => c.width,
                Chip::Features(c) => 2 * c.width,
                _ => shape.values[table].len(),
            };
            for column in 0..columns {
                for row in [ends[0], ends[ends.len() / 2], ends[ends.len() - 1]] {
                    let mut w = subject.honest();
                    bump(&mut w.values[table][column], subject.place(table, row));
                    // The next value's slot of a tree's last value is nowhere used, but it is the record's.
                    assert!(!subject.found(&w).is_empty(), "{chip}: column {column}, row {row}");
                }
            }
        }
    }
}

/// The longest path: its first row, and the slots that it meets.
fn path(subject: &Subject, w: &OwnedWitness) -> (usize, Vec<i64>) {
    let paths = (0..SMALL.trees).map(|tree| {
        let row = tree * subject.rows();
        let mut slots = vec![subject.get(w, Tree::SLOT, row)];
        for step in 0..subject.steps() {
            let (row, lane) = subject.lane(row, step);
            slots.push(subject.get(w, lane.next, row) + subject.get(w, lane.bit, row));
        }
        slots.dedup();
        (row, slots)
    });
    paths.max_by_key(|(_, slots)| slots.len()).expect("a path")
}

#[test]
fn recounting_an_honest_path_is_honest() {
    let subject = Subject::new(SMALL);
    let mut w = subject.honest();
    let (row, slots) = path(&subject, &w);
    subject.walk(&mut w, row, 0, slots[0]);
    subject.recount(&mut w);
    assert_eq!(subject.found(&w), []);
    assert!(w.balances(&subject.prepared));
}

#[test]
fn attacks_on_a_path_are_found() {
    let subject = Subject::new(SMALL);
    let honest = subject.honest();
    let (row, slots) = path(&subject, &honest);
    let root = subject.record(slots[0]);
    let bit = slots[1] - root[2];
    let x = |feature: i64| subject.batch[0][0][feature as usize];
    let last = row + subject.rows() - 1;
    let steps = subject.steps();

    type Attack<'a> = (&'a str, Box<dyn Fn(&mut OwnedWitness) + 'a>);
    let attacks: Vec<Attack<'_>> = vec![
        (
            "the other child, gap out of range",
            Box::new(|w| {
                subject.decide(w, row, 0, root, 1 - bit);
                subject.walk(w, row, 1, root[2] + 1 - bit);
            }),
        ),
        (
            "the other child, gap of the right one",
            Box::new(|w| {
                let gap = subject.get(w, Tree::lane(0).gap, row);
                subject.decide(w, row, 0, root, 1 - bit);
                subject.set(w, Tree::lane(0).gap, row, gap);
                subject.walk(w, row, 1, root[2] + 1 - bit);
            }),
        ),
        (
            "a child that is none",
            Box::new(|w| {
                subject.decide(w, row, 0, [root[0], root[1], root[2] + 2 - bit], bit);
                subject.walk(w, row, 1, root[2] + 2);
            }),
        ),
        (
            "another feature",
            Box::new(|w| {
                let other = (0..SMALL.features as i64)
                    .find(|f| i64::from(x(*f) > root[1]) != bit)
                    .expect("a feature on the other side");
                subject.decide(w, row, 0, [other, root[1], root[2]], 1 - bit);
                subject.walk(w, row, 1, root[2] + 1 - bit);
            }),
        ),
        (
            "the value of another feature",
            Box::new(|w| {
                let lane = Tree::lane(0);
                let fake = if bit == 1 { root[1] } else { root[1] + 1 };
                subject.decide(w, row, 0, root, 1 - bit);
                subject.set(w, lane.x, row, fake);
                subject.set(w, lane.gap, row, 0);
                subject.walk(w, row, 1, root[2] + 1 - bit);
            }),
        ),
        (
            "another threshold",
            Box::new(|w| {
                let fake = if bit == 1 { x(root[0]) } else { x(root[0]) - 1 };
                subject.decide(w, row, 0, [root[0], fake, root[2]], 1 - bit);
                subject.walk(w, row, 1, root[2] + 1 - bit);
            }),
        ),
        (
            "a bit of 2",
            Box::new(|w| {
                subject.decide(w, row, 0, [root[0], root[1], root[2] - 2 + bit], 2);
                subject.walk(w, row, 1, slots[1]);
            }),
        ),
        (
            "another tree's root",
            Box::new(|w| {
                let other = if slots[0] == 0 { 1 } else { 0 };
                subject.set(w, Tree::SLOT, row, other);
                subject.walk(w, row, 0, other);
            }),
        ),
        (
            "a leaf of another tree",
            Box::new(|w| {
                let mine = slots[slots.len() - 1];
                let leaf = (0..).find(|s| *s != mine && subject.record(*s)[0] < 0).expect("a leaf");
                subject.walk(w, row, 0, slots[0]);
                let [_, value, pointer] = subject.record(leaf);
                subject.end(w, row, value, pointer);
            }),
        ),
        (
            "a jump while idle",
            Box::new(|w| {
                let leaf = (0..).find(|s| subject.record(*s)[0] < 0).expect("a leaf");
                subject.idle(w, row, 0, leaf);
                subject.walk(w, row, 1, leaf);
            }),
        ),
        (
            "an early stop, with the decision's threshold as value",
            Box::new(|w| {
                for step in 0..steps {
                    subject.idle(w, row, step, slots[0]);
                }
                subject.end(w, row, root[1], root[2]);
            }),
        ),
        (
            "an early stop, with the child's value",
            Box::new(|w| {
                for step in 0..steps {
                    subject.idle(w, row, step, slots[0]);
                }
            }),
        ),
        (
            "a step past a value",
            Box::new(|w| {
                let leaf = slots[slots.len() - 1];
                subject.walk(w, row, 0, slots[0]);
                let (last, lane) = subject.lane(row, steps - 1);
                let [feature, value, pointer] = subject.record(leaf);
                for (column, cell) in [
                    (lane.feature, feature),
                    (lane.threshold, value),
                    (lane.next, pointer),
                    (lane.bit, 0),
                    (lane.gap, 0),
                    (lane.x, value),
                    (lane.idle, 0),
                ] {
                    subject.set(w, column, last, cell);
                }
            }),
        ),
        (
            "half idle",
            Box::new(|w| {
                let half = (1 << 30) as i64;
                subject.set(w, Tree::lane(0).idle, row, half);
            }),
        ),
        (
            "another value",
            Box::new(|w| {
                let value = subject.get(w, Tree::VALUE, last);
                subject.set(w, Tree::VALUE, last, value + 1);
            }),
        ),
    ];
    for (what, attack) in attacks {
        let mut w = subject.honest();
        attack(&mut w);
        subject.recount(&mut w);
        let found = subject.found(&w);
        assert!(!found.is_empty(), "{what}");
        // The value is read by the verifier itself: that alone is not what refuses a path.
        let of_the_path = |v: &Violation| match v {
            Violation::Constraint { .. } => true,
            Violation::Lookup { chip, .. } => *chip != "public value",
        };
        assert!(found.iter().any(of_the_path), "{what}: {found:?}");
    }
}

/// A prover that walks other trees than the committed ones makes proofs that are refused.
#[test]
fn proofs_of_other_trees_are_refused() {
    let (graph, mut random) = forest(60, 1, SMALL);
    let batch = inputs(&graph, &mut random, 1);
    let package = package(&graph, Preset::Fast, 1, HidingOption::Fitting);
    let honest = {
        let prepared = Prepared::new(package.clone()).expect("prepare");
        verify(&package.key, &prove(&prepared, &batch).expect("prove").proof).expect("honest");
        package.key.clone()
    };
    // The root of tree 0 decides; slot `next` and `next + 1` are its children.
    let records = graph.parameters[0].values.clone();
    let record = |slot: usize| [records[3 * slot], records[3 * slot + 1], records[3 * slot + 2]];
    let [feature, threshold, next] = record(0);
    let x = batch[0][0][feature as usize];
    let flipped = if x > i64::from(threshold) { x as i32 } else { x as i32 - 1 };
    let slots = records.len() / 3;
    let leaves: Vec<usize> = (0..slots).filter(|slot| record(*slot)[0] < 0).collect();
    let far = leaves.iter().rev().find(|l| record(**l - 1)[0] < 0).expect("two leaves") - 1;
    let attacks: [(&str, [i32; 3]); 5] = [
        ("flipped comparison", [feature, flipped, next]),
        ("wrong feature", [(feature + 1) % 6, threshold, next]),
        ("leaves of another tree", [feature, threshold, far as i32]),
        ("early stop", [-1, 77, 0]),
        ("early stop with the threshold", [-1, threshold, next]),
    ];
    for (what, [feature, threshold, next]) in attacks {
        let mut cheater = Prepared::new(package.clone()).expect("prepare");
        // The interpreter and the witness see other records; the commitment stays.
        cheater.package.graph.parameters[0].values[..3]
            .copy_from_slice(&[feature, threshold, next]);
        let instances = &cheater.program.layout.instances;
        let nodes = instances.iter().position(|i| i.chip.name() == "nodes").expect("nodes");
        let weights = &mut cheater.program.tables[nodes].weights;
        for (column, value) in Nodes::record(0).into_iter().zip([feature, threshold, next]) {
            weights[column][0] = value;
        }
        match prove(&cheater, &batch) {
            Ok(proven) => {
                let error = verify(&honest, &proven.proof).expect_err(what);
                assert!(matches!(error, VerifyError::Totals), "{what}: {error}");
            }
            Err(ProveError::Constraint(_)) => {}
            Err(other) => panic!("{what}: {other}"),
        }
    }
}

/// Every proof opens the records: their table has random rows for all proofs of the key, or it is no key.
#[test]
fn records_keep_rows_for_every_proof() {
    let (graph, _) = forest(70, 1, SMALL);
    let key =
        package(&graph, Preset::Fast, 1, HidingOption::Proofs(50.try_into().expect("not 0"))).key;
    let hiding = Hiding::new(&key.parameters());
    let nodes = key.layout.instances.iter().position(|i| i.chip.name() == "nodes").expect("nodes");
    let least = hiding.reserved_weights(50) as u32;
    assert!(key.layout.instances[nodes].reserved >= least && least > hiding.reserved() as u32);
    let mut short = key.clone();
    short.layout.instances[nodes].reserved = least - 1;
    assert!(Key::from_bytes(&key.to_bytes()).is_ok());
    assert!(Key::from_bytes(&short.to_bytes()).is_err());
}

#[test]
fn trees_have_no_proof_of_ranges() {
    let (graph, _) = forest(70, 1, SMALL);
    let package = package(&graph, Preset::Fast, 1, HidingOption::None);
    let error = prove_ranges(&package).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("decision trees"), "{error}");
}
