//! Constraints and lookups row by row: the slow prover that says what is wrong.
//!
//! It states for every active row every constraint by name, and finds tuples that are used but not
//! yielded (or the reverse). The tests of chips, lowerings and mutations stand on it; the prover
//! calls it when a proof fails.

use crate::error::ProveError;
use crate::masks::Masks;
use crate::memory::{execute, fill, public_values, Execution};
use crate::prepared::Prepared;
use crate::randomness::Randomness;
use crate::sums::{sums, TableColumns};
use crate::witness::{self, uses::Uses};
use num_traits::Zero;
use std::collections::HashMap;
use std::fmt;
use stwo::core::channel::{Blake2sChannel, Channel, MerkleChannel};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::{BackendForChannel, Column};
use veristar_air::chips::Constraints;
use veristar_air::evaluator::{Challenge, Evaluator};
use veristar_air::pack::address_columns;
use veristar_air::program::{Program, R, T};
use veristar_model::Graph;
use veristar_verifier::challenges::Challenges;
use veristar_verifier::hash::HashBytes;
use veristar_verifier::verify::public_sum;

/// A broken constraint or an unmatched lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A constraint is not 0.
    Constraint {
        /// The chip.
        chip: &'static str,
        /// The layer whose cells the row mentions, if any.
        layer: String,
        /// The active row, from 0.
        row: usize,
        /// The constraint.
        name: &'static str,
    },
    /// Uses and yields of a tuple differ.
    Lookup {
        /// A chip whose rows mention the tuple.
        chip: &'static str,
        /// The active row, from 0.
        row: usize,
        /// Uses minus yields.
        excess: i64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constraint { chip, layer, row, name } => {
                write!(f, "layer '{layer}', chip '{chip}', row {row}: '{name}' does not hold")
            }
            Self::Lookup { chip, row, excess } => {
                write!(
                    f,
                    "chip '{chip}', row {row}: a looked-up tuple is {excess} times too often used"
                )
            }
        }
    }
}

/// The columns that a proof commits, on the trace domain in stored order, table by table.
pub struct Witness<'a> {
    /// Values.
    pub values: &'a [Vec<BaseColumn>],
    /// Evaluations, coordinate by coordinate.
    pub evaluations: &'a [Vec<BaseColumn>],
    /// Sums, coordinate by coordinate.
    pub sums: &'a [Vec<BaseColumn>],
}

/// A witness that owns its columns, with its challenges and totals: what a proof would commit.
pub struct OwnedWitness {
    /// Values.
    pub values: Vec<Vec<BaseColumn>>,
    /// Evaluations.
    pub evaluations: Vec<Vec<BaseColumn>>,
    /// Sums.
    pub sums: Vec<Vec<BaseColumn>>,
    /// Challenges.
    pub challenges: Challenges,
    /// Totals.
    pub claims: Vec<QM31>,
    /// Public values.
    pub public: Vec<Vec<i32>>,
}

/// Makes the witness of a batch without committing to anything; challenges come from a fixed seed.
///
/// # Errors
/// As for [`crate::prove()`].
pub fn witness(prepared: &Prepared, inputs: &[Vec<Vec<i64>>]) -> Result<OwnedWitness, ProveError> {
    let execution = execute(&prepared.package.graph, inputs)?;
    witness_of(prepared, &execution)
}

/// The first broken constraint of an execution's witness, with other challenges than the proof that failed:
/// none makes up for a wrong cell. Empty if all rows are right.
///
/// # Errors
/// As for [`crate::prove()`].
pub(crate) fn first_violation<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    execution: &Execution,
) -> Result<String, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let made = witness_of(prepared, execution)?;
    let witness =
        Witness { values: &made.values, evaluations: &made.evaluations, sums: &made.sums };
    let found = rows(prepared, &witness, &made.challenges, &made.claims);
    Ok(found.first().map_or_else(String::new, ToString::to_string))
}

fn witness_of<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    execution: &Execution,
) -> Result<OwnedWitness, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let (program, layout) = (&prepared.program, prepared.layout());
    let graph = &prepared.package.graph;
    let memory = fill(graph, program, execution)?;
    let mut channel = Blake2sChannel::default();
    channel.mix_u64(1);
    let mut challenges = Challenges::evaluation_points(&mut channel, layout);
    challenges.draw_lookups(&mut channel);
    let placement = |i: usize| prepared.commitments.placement(&layout.instances[i]);
    let randomness = match prepared.package.key.hides() {
        true => Randomness::from_seed([1; 32]),
        false => Randomness::none(),
    };
    let mut masks = Masks::new(layout, &prepared.commitments, randomness);

    let uses = Uses::new(&prepared.directory);
    let values = witness::values(graph, program, &memory, &uses)?;
    let mut values: Vec<Vec<BaseColumn>> = values
        .iter()
        .enumerate()
        .map(|(i, columns)| columns.iter().map(|c| placement(i).column(c)).collect())
        .collect();
    masks.values(&mut values);
    let evaluations = witness::evaluations(program, &memory, &challenges);
    let mut evaluations: Vec<Vec<BaseColumn>> = evaluations
        .iter()
        .enumerate()
        .map(|(i, columns)| columns.iter().flat_map(|c| placement(i).extension(c)).collect())
        .collect();
    masks.evaluations(&mut evaluations);
    let mut all_sums = Vec::new();
    let mut claims = Vec::new();
    for (i, instance) in layout.instances.iter().enumerate() {
        let columns = prepared.columns(i, &values, &evaluations);
        let packed = crate::domain::PackedChallenges::new(&challenges, QM31::zero());
        let (columns, claim) =
            sums(&instance.chip, &columns, &packed, placement(i), masks.randomness());
        all_sums.push(columns);
        claims.push(claim);
    }
    let public = public_values(graph, &layout.public, execution);
    Ok(OwnedWitness { values, evaluations, sums: all_sums, challenges, claims, public })
}

impl OwnedWitness {
    /// Every violation: constraints on all rows, and lookups.
    pub fn violations(&self, prepared: &Prepared) -> Vec<Violation> {
        let witness =
            Witness { values: &self.values, evaluations: &self.evaluations, sums: &self.sums };
        let mut found = rows(prepared, &witness, &self.challenges, &self.claims);
        found.extend(lookups(prepared, &witness, &self.challenges, &self.public));
        found
    }

    /// Whether the tables' totals and the public values cancel.
    pub fn balances(&self, prepared: &Prepared) -> bool {
        let total = self.claims.iter().fold(QM31::zero(), |sum, claim| sum + *claim);
        (total + public_sum(prepared.layout(), &self.challenges, &self.public)).is_zero()
    }
}

/// Broken constraints, on all rows (reserved ones too, where selectors switch them off).
pub fn rows<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    witness: &Witness<'_>,
    challenges: &Challenges,
    claims: &[QM31],
) -> Vec<Violation>
where
    SimdBackend: BackendForChannel<MC>,
{
    let layout = prepared.layout();
    let mut found = Vec::new();
    for (i, instance) in layout.instances.iter().enumerate() {
        let placement = prepared.commitments.placement(instance);
        let columns = prepared.columns(i, witness.values, witness.evaluations);
        for row in 0..placement.rows() {
            let before = (row + placement.rows() - 1) % placement.rows();
            let mut driver = Row {
                columns: &columns,
                sums: &witness.sums[i],
                at: placement.of(row),
                before: placement.of(before),
                challenges,
                claim: claims[i],
                broken: Vec::new(),
                fractions: None,
            };
            instance.chip.constrain(&mut driver);
            let row = row.saturating_sub(placement.first_active());
            let chip = instance.chip.name();
            for name in driver.broken {
                let layer = layer(&prepared.package.graph, &prepared.program, i, row);
                found.push(Violation::Constraint { chip, layer, row, name });
            }
        }
    }
    found
}

/// The layer that a row works for: lowering gives a node's result its cells first and then whatever
/// else the node needs, so the last address of the row belongs to the node before it.
fn layer(graph: &Graph, program: &Program, table: usize, row: usize) -> String {
    let columns = address_columns(&program.layout.instances[table].chip);
    let addresses = columns.iter().map(|c| program.tables[table].program[*c][row] as u32);
    let Some(address) = addresses.max() else { return String::new() };
    let starts = program.tensors.iter().enumerate().map(|(id, start)| (*start, id));
    let owner = starts.filter(|(start, _)| start.is_some_and(|s| s <= address)).max();
    let node = owner.and_then(|(_, id)| graph.nodes.iter().find(|node| node.output == id));
    let input = || owner.map(|(_, id)| graph.tensors[id].name.clone()).unwrap_or_default();
    node.map_or_else(input, |node| node.name.clone())
}

/// Tuples whose uses and yields differ.
fn lookups(
    prepared: &Prepared,
    witness: &Witness<'_>,
    challenges: &Challenges,
    public: &[Vec<i32>],
) -> Vec<Violation> {
    let layout = prepared.layout();
    let mut tuples: HashMap<[u32; 4], (M31, &'static str, usize)> = HashMap::new();
    let mut add = |tuple: QM31, times: M31, chip: &'static str, row: usize| {
        let key = tuple.to_m31_array().map(|c| c.0);
        tuples.entry(key).or_insert((M31::zero(), chip, row)).0 += times;
    };
    for (i, instance) in layout.instances.iter().enumerate() {
        let placement = prepared.commitments.placement(instance);
        let columns = prepared.columns(i, witness.values, witness.evaluations);
        for row in placement.first_active()..placement.rows() {
            let mut driver = Row {
                columns: &columns,
                sums: &witness.sums[i],
                at: placement.of(row),
                before: placement.of(row - 1),
                challenges,
                claim: QM31::zero(),
                broken: Vec::new(),
                fractions: Some(Vec::new()),
            };
            instance.chip.constrain(&mut driver);
            for (times, tuple) in driver.fractions.into_iter().flatten() {
                let row = row - placement.first_active();
                add(tuple, times, instance.chip.name(), row);
            }
        }
    }
    for constant in &layout.constants {
        let value = match constant.address {
            T => challenges.t[1],
            R => challenges.r[1],
            _ => M31::from(constant.value).into(),
        };
        let tuple = challenges.memory(value, constant.address);
        add(tuple, -M31::from(constant.reads), "constant", constant.address as usize);
    }
    for (tensor, values) in layout.public.iter().zip(public) {
        for (address, value) in tensor.addresses.iter().zip(values) {
            let tuple = challenges.memory(M31::from(*value).into(), address);
            add(tuple, M31::from(1), "public value", address as usize);
        }
    }
    let unmatched = tuples.into_values().filter(|(times, ..)| !times.is_zero());
    let mut found: Vec<Violation> = unmatched
        .map(|(times, chip, row)| {
            let half = i64::from(stwo::core::fields::m31::P) / 2;
            let times = i64::from(times.0);
            let excess = if times > half { times - 2 * half - 1 } else { times };
            Violation::Lookup { chip, row, excess }
        })
        .collect();
    found.sort_by_key(|v| match v {
        Violation::Lookup { chip, row, .. } | Violation::Constraint { chip, row, .. } => {
            (*chip, *row)
        }
    });
    found
}

/// Evaluates constraints at one row.
struct Row<'a> {
    columns: &'a TableColumns<'a>,
    sums: &'a [BaseColumn],
    at: usize,
    before: usize,
    challenges: &'a Challenges,
    claim: QM31,
    broken: Vec<&'static str>,
    /// Takes the fractions instead of checking sums.
    fractions: Option<Vec<(M31, QM31)>>,
}

impl Row<'_> {
    fn extension(
        columns: &[impl std::borrow::Borrow<BaseColumn>],
        column: usize,
        at: usize,
    ) -> QM31 {
        let coordinate = |i: usize| columns[4 * column + i].borrow().at(at);
        QM31::from_m31_array(std::array::from_fn(coordinate))
    }
}

impl Evaluator for Row<'_> {
    type F = M31;
    type E = QM31;

    fn program(&mut self, column: usize) -> M31 {
        self.columns.program[column].at(self.at)
    }
    fn weight(&mut self, column: usize) -> M31 {
        self.columns.weights[column].at(self.at)
    }
    fn value(&mut self, column: usize) -> M31 {
        self.columns.values[column].at(self.at)
    }
    fn value_before(&mut self, column: usize) -> M31 {
        self.columns.values[column].at(self.before)
    }
    fn evaluation(&mut self, column: usize) -> QM31 {
        Self::extension(&self.columns.evaluations, column, self.at)
    }
    fn evaluation_before(&mut self, column: usize) -> QM31 {
        Self::extension(&self.columns.evaluations, column, self.before)
    }
    fn sum(&mut self, column: usize) -> QM31 {
        Self::extension(self.sums, column, self.at)
    }
    fn sum_before(&mut self, column: usize) -> QM31 {
        Self::extension(self.sums, column, self.before)
    }
    fn integer(&self, value: i32) -> M31 {
        M31::from(value)
    }
    fn challenge(&self, challenge: Challenge) -> QM31 {
        self.challenges.get(challenge, self.claim)
    }
    fn zero(&self) -> QM31 {
        QM31::zero()
    }
    fn join(&self, coordinates: [M31; 4]) -> QM31 {
        QM31::from_m31_array(coordinates)
    }
    fn take_fractions(&mut self, fractions: &[(M31, QM31)], _: Option<&QM31>) -> bool {
        match &mut self.fractions {
            Some(taken) => {
                taken.extend_from_slice(fractions);
                true
            }
            None => false,
        }
    }
    fn assert_zero(&mut self, name: &'static str, value: M31) {
        if !value.is_zero() {
            self.broken.push(name);
        }
    }
    fn assert_zero_extension(&mut self, name: &'static str, value: QM31) {
        if !value.is_zero() {
            self.broken.push(name);
        }
    }
}
