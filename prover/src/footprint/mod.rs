//! How much memory preparing and proving take, buffer by buffer, before either is begun.
//!
//! A key's layout fixes the size of nearly everything that a prover allocates. So the estimate lists the
//! buffers, each with the phases of a proof through which it lives; the largest sum of a phase is what
//! proving needs. Where a key alone does not say (tensors of the run), the package's graph does.
//!
//! What it leaves out: stacks, and what an allocator wastes or keeps of what was freed. `tests/memory.rs`
//! compares with the peak of a process; docs/src/performance.md has the measurements.

mod sizes;

use crate::commitments::Keep;
use crate::package::Package;
use sizes::{accumulators, entries, evaluated, placements, written, Sizes};
use veristar_verifier::component::{
    column_log_sizes, COMPOSITION_COLUMNS, EVALUATIONS, PROGRAM, SUMS, VALUES, WEIGHTS,
};
use veristar_verifier::Key;

/// Bytes of a base-field element, of a program's or a package's integer, and of an address.
const WORD: u64 = 4;
/// Bytes of an extension-field element.
const EXTENSION: u64 = 16;
/// Bytes of a hash: Blake2s, or a felt.
const HASH: u64 = 32;
/// Bytes of an integer of the interpreter.
const INTEGER: u64 = 8;
/// Bytes of a memory cell that holds an extension-field element, in a hash map that is half full.
const EXTENDED: u64 = 48;
/// The program itself, its threads, and what reading a package leaves behind. Measured.
const PROCESS: u64 = 24 << 20;
/// Out-of-domain points: one, and the row before it.
const POINTS: u64 = 2;

/// Steps of preparing and proving, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Committing to the program.
    Program,
    /// Committing to the weights.
    Weights,
    /// Running the model, and the values of all chips.
    Witness,
    /// Committing to values.
    Values,
    /// Evaluations at the first challenges, and committing to them.
    Evaluations,
    /// Lookup and running sums, and committing to them.
    Sums,
    /// Composing the constraints.
    Constraints,
    /// Openings, their quotients, and the low-degree test.
    Openings,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::Program,
        Self::Weights,
        Self::Witness,
        Self::Values,
        Self::Evaluations,
        Self::Sums,
        Self::Constraints,
        Self::Openings,
    ];
}

/// Memory for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// What it holds.
    pub what: &'static str,
    /// How much.
    pub bytes: u64,
    /// The first phase that has it.
    pub first: Phase,
    /// The last one.
    pub last: Phase,
}

/// What preparing a model and making one proof of it take. Later proofs take no more.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// All buffers.
    pub buffers: Vec<Buffer>,
}

/// What a layout does not say of a model.
struct Model {
    /// Weights, constants and table entries of the graph.
    parameters: u64,
    /// Elements of all tensors of a batch.
    elements: u64,
}

impl Footprint {
    /// For a key's prover; the sizes of tensors, which a key does not say, are estimated too.
    pub fn of_key(key: &Key, keep: Keep) -> Self {
        let weights = column_log_sizes(&key.layout)[WEIGHTS].iter().map(|log| 1 << log).sum();
        // Most tensors are written once; views of them are kept by the interpreter too.
        let model = Model { parameters: weights, elements: 2 * written(&key.layout) };
        Self::new(key, &model, keep)
    }

    /// For whoever has the package.
    pub fn of_package(package: &Package, keep: Keep) -> Self {
        let graph = &package.graph;
        let parameters: usize = graph.parameters.iter().map(|p| p.values.len()).sum();
        let tables: usize = graph.tables.iter().map(|t| t.values.len()).sum();
        let elements: usize = graph.tensors.iter().map(|t| t.len()).sum();
        let model = Model {
            parameters: (parameters + tables) as u64,
            elements: elements as u64 * u64::from(package.key.layout.batch),
        };
        Self::new(&package.key, &model, keep)
    }

    /// Most memory at once, in bytes.
    pub fn peak(&self) -> u64 {
        self.at(self.largest())
    }

    /// The phase that takes most.
    pub fn largest(&self) -> Phase {
        let largest = Phase::ALL.into_iter().max_by_key(|phase| self.at(*phase));
        largest.unwrap_or(Phase::Openings)
    }

    /// The buffers of a phase.
    pub fn during(&self, phase: Phase) -> impl Iterator<Item = &Buffer> {
        self.buffers.iter().filter(move |b| b.first <= phase && phase <= b.last)
    }

    fn at(&self, phase: Phase) -> u64 {
        self.during(phase).map(|buffer| buffer.bytes).sum()
    }

    fn new(key: &Key, model: &Model, keep: Keep) -> Self {
        let (layout, sizes) = (&key.layout, Sizes::new(key));
        let mut list = List { buffers: Vec::new(), last: Phase::Openings };
        use Phase::{Constraints, Evaluations, Openings, Program, Sums, Values, Weights, Witness};
        list.add("the process", PROCESS, Program);
        list.add("the graph's weights and tables", WORD * model.parameters, Program);
        // Of a program's rows only the active ones; its shared columns are empty.
        let program = sizes.cells[PROGRAM] + accumulators(layout);
        list.add("the compiled program", WORD * program, Program);
        let compiled = ("the compiled weights", WORD * sizes.cells[WEIGHTS]);
        match keep {
            Keep::All => list.add(compiled.0, compiled.1, Program),
            Keep::Least => list.until(compiled.0, compiled.1, Program, Weights),
        }
        list.add("twiddles", 2 * WORD * sizes.domain / 2, Program);
        list.add("places of rows", WORD * placements(layout), Program);
        list.add("where table entries are, and their uses", 2 * WORD * entries(layout), Program);

        for (what, tree, phase) in [
            ("the program on the trace domain", PROGRAM, Program),
            ("weights on the trace domain", WEIGHTS, Weights),
        ] {
            list.tree(&sizes, tree, phase, keep);
            if keep == Keep::All {
                list.add(what, WORD * sizes.cells[tree], phase);
            }
        }

        list.until("tensors of the run", INTEGER * model.elements, Witness, Witness);
        list.until("memory cells", WORD * written(layout), Witness, Evaluations);
        // Row by row, and at the end of it most of them placed.
        let values = WORD * sizes.cells[VALUES];
        list.until("values being computed", values, Witness, Witness);
        list.tree(&sizes, VALUES, Values, keep);
        let cells = EXTENDED * evaluated(layout);
        list.until("evaluated memory cells", cells, Evaluations, Evaluations);
        list.tree(&sizes, EVALUATIONS, Evaluations, keep);
        if keep == Keep::All {
            list.until("values on the trace domain", values, Values, Sums);
            let evaluations = WORD * sizes.cells[EVALUATIONS];
            list.until("evaluations on the trace domain", evaluations, Evaluations, Sums);
        } else {
            list.until("one table's columns", WORD * sizes.largest_table, Sums, Sums);
        }
        list.tree(&sizes, SUMS, Sums, keep);

        // Accumulators of each height, on twice the rows; then two times the coefficients.
        let heights: u64 = sizes.heights.iter().map(|log| 2u64 << log).sum();
        let rows = 1u64 << layout.log_height();
        list.until("constraints on their domain", EXTENSION * heights, Constraints, Constraints);
        list.until(
            "the composition polynomial",
            2 * EXTENSION * 2 * rows,
            Constraints,
            Constraints,
        );
        let composition = COMPOSITION_COLUMNS as u64 * rows;
        let kept = composition * if keep == Keep::All { 1 + sizes.blowup } else { sizes.blowup };
        list.add("the composition's tree", WORD * kept + sizes.hashes(), Openings);
        let all: u64 = sizes.heights.iter().map(|log| 1u64 << log).sum();
        list.add("quotients of each height", POINTS * EXTENSION * (all + 2 * rows), Openings);
        // The quotient, its layers (a quarter of it and less), and their hashes, four elements a leaf.
        let test = 2 * EXTENSION * sizes.domain + 2 * HASH * sizes.domain / 4;
        list.add("the low-degree test", test, Openings);
        Self { buffers: list.buffers }
    }
}

/// Names of trees and of their coefficients, by number.
const TREES: [(&str, &str); 5] = [
    ("the program's tree", "the program's coefficients"),
    ("the weights' tree", "the weights' coefficients"),
    ("the values' tree", "the values' coefficients"),
    ("the evaluations' tree", "the evaluations' coefficients"),
    ("the sums' tree", "the sums' coefficients"),
];

/// Bytes that committing to a program and weights takes at set-up, which keeps neither tree.
pub fn committing(key: &Key) -> u64 {
    let sizes = Sizes::new(key);
    let tree = |tree: usize| WORD * sizes.cells[tree] * (1 + sizes.blowup) + sizes.hashes();
    tree(PROGRAM).max(tree(WEIGHTS)) + WORD * (sizes.domain + placements(&key.layout))
}

struct List {
    buffers: Vec<Buffer>,
    last: Phase,
}

impl List {
    /// A buffer that stays.
    fn add(&mut self, what: &'static str, bytes: u64, first: Phase) {
        self.until(what, bytes, first, self.last);
    }

    fn until(&mut self, what: &'static str, bytes: u64, first: Phase, last: Phase) {
        self.buffers.push(Buffer { what, bytes, first, last });
    }

    /// A tree: evaluations, the coefficients they come from, hashes.
    fn tree(&mut self, sizes: &Sizes, tree: usize, at: Phase, keep: Keep) {
        let cells = WORD * sizes.cells[tree];
        self.add(TREES[tree].0, cells * sizes.blowup + sizes.hashes(), at);
        let last = if keep == Keep::All { self.last } else { at };
        self.until(TREES[tree].1, cells, at, last);
    }
}
