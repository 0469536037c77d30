//! The prover, step by step (the verifier's steps are in [`mod@crate::verify`]).

use super::check::{violations, TraceRows};
use super::composition::Trees;
use super::entries::Uses;
use super::error::ProveError;
use super::memory::{fill, Execution};
use super::prepared::Prepared;
use super::sums::sums;
use super::trees::{column, Committed};
use super::witness;
use crate::challenges::Challenges;
use crate::columns::Columns;
use crate::field::{integer, Cube, F, K};
use crate::proof::{FriShape, Layer, WinterfellProof};
use crate::transcript::{Digest, Hash, Transcript, Tree};
use crate::verify::{public_sum, Domain, Quotients};
use rayon::prelude::*;
use winter_fri::{FriProof, FriProver, ProverChannel};
use winter_math::{add_in_place, batch_inversion, fft, mul_acc, ExtensionOf, FieldElement};

/// A proof with what it was made from.
pub struct Proven {
    /// The proof.
    pub proof: WinterfellProof,
    /// The outputs of each inference, tensor by tensor.
    pub outputs: Vec<Vec<Vec<i64>>>,
}

/// The columns that a proof commits to, on the rows of the trace, and the tables' totals.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Values, in the tree's order.
    pub values: Vec<Vec<F>>,
    /// Evaluations, in the tree's order.
    pub evaluations: Vec<Vec<Cube>>,
    /// Sums, in the tree's order.
    pub sums: Vec<Vec<Cube>>,
    /// Totals.
    pub claims: Vec<Cube>,
}

/// What a trace has just got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Values.
    Values,
    /// Evaluations.
    Evaluations,
    /// Sums and totals.
    Sums,
}

/// Proves a batch of inferences (`inputs[inference][input]`, quantised).
///
/// # Errors
/// The number of inferences is not the key's, or an input is outside its range.
pub fn prove(prepared: &Prepared, inputs: &[Vec<Vec<i64>>]) -> Result<Proven, ProveError> {
    let execution = execute(prepared, inputs)?;
    let made = prove_execution(prepared, &execution, &mut |_, _| {})?;
    // The verifier is quick: an honest prover checks its own work and names what is wrong.
    if let Err(error) = crate::verify(&prepared.package.key, &made.proof) {
        let fault = made.fault(prepared).unwrap_or_else(|| error.to_string());
        return Err(ProveError::Constraint(fault));
    }
    Ok(Proven { proof: made.proof, outputs: execution.outputs(&prepared.package.graph) })
}

/// Makes the proof of a witness that is altered before it is committed, even if it breaks
/// constraints: to test verifiers. And what the row-by-row checker finds, which looks at no proof.
///
/// # Errors
/// As [`prove`], but for broken constraints.
#[doc(hidden)]
pub fn prove_altered(
    prepared: &Prepared,
    inputs: &[Vec<Vec<i64>>],
    alter: &mut dyn FnMut(Stage, &mut Trace),
) -> Result<(WinterfellProof, Option<String>), ProveError> {
    let made = prove_execution(prepared, &execute(prepared, inputs)?, alter)?;
    let fault = made.fault(prepared);
    Ok((made.proof, fault))
}

/// A proof with its witness.
struct Made {
    proof: WinterfellProof,
    trace: Trace,
    challenges: Challenges,
}

impl Made {
    /// What is wrong with the witness: the first constraint that does not hold on a row, or totals that
    /// do not cancel.
    fn fault(&self, prepared: &Prepared) -> Option<String> {
        let found = violations(prepared, &self.trace, &self.challenges);
        if let Some(violation) = found.first() {
            return Some(violation.to_string());
        }
        let total = self.trace.claims.iter().fold(K::ZERO, |sum, claim| sum + K(*claim));
        let public = public_sum(prepared.layout(), &self.challenges, &self.proof.public);
        (total + public != K::ZERO).then(|| "the tables' totals do not cancel".into())
    }
}

fn execute(prepared: &Prepared, inputs: &[Vec<Vec<i64>>]) -> Result<Execution, ProveError> {
    let expected = prepared.layout().batch as usize;
    match inputs.len() == expected {
        true => {
            Execution::new(&prepared.package.graph, inputs, prepared.package.key.precision.bound())
        }
        false => Err(ProveError::Batch { expected, got: inputs.len() }),
    }
}

/// A proof, whether constraints hold or not.
fn prove_execution(
    prepared: &Prepared,
    execution: &Execution,
    alter: &mut dyn FnMut(Stage, &mut Trace),
) -> Result<Made, ProveError> {
    let (program, layout) = (&prepared.program, prepared.layout());
    let (columns, shared) = (&prepared.columns, &prepared.shared);
    let (graph, key) = (&prepared.package.graph, &prepared.package.key);
    let memory = fill(graph, program, execution)?;
    let public = execution.public(graph, &layout.public);
    let mut trace = Trace::default();

    // The transcript starts with the key and the public values.
    let mut transcript = Transcript::new(&prepared.fingerprint, &public);
    transcript.commitment(prepared.committed_program.root());
    transcript.commitment(prepared.committed_weights.root());

    // Values, then t and r.
    let uses = Uses::new(&prepared.entries);
    let values = witness::values(graph, program, &memory, &uses)?;
    trace.values = spread(columns, &values, |shape| shape.values, |cell| integer(*cell));
    alter(Stage::Values, &mut trace);
    let values = shared.commit(trace.values.clone());
    transcript.commitment(values.root());
    let mut challenges = Challenges::evaluation_points(&mut transcript, layout)?;

    // Evaluations, then z, alpha, beta and delta.
    let evaluations = witness::evaluations(program, &memory, &challenges);
    trace.evaluations = spread(columns, &evaluations, |shape| shape.evaluations, |cell| cell.0);
    alter(Stage::Evaluations, &mut trace);
    let evaluations = shared.commit(trace.evaluations.clone());
    transcript.commitment(evaluations.root());
    challenges.draw_lookups(&mut transcript)?;

    // Sums and totals, then the coefficients of the constraints.
    let rows = TraceRows::new(prepared, &trace);
    for table in &columns.tables {
        let (sums, claim) = sums(columns, table, &challenges, |row| rows.place(row))?;
        trace.sums.extend(sums);
        trace.claims.push(claim);
    }
    drop(rows);
    alter(Stage::Sums, &mut trace);
    let sums = shared.commit(trace.sums.clone());
    transcript.elements(&trace.claims);
    transcript.commitment(sums.root());
    let coefficients = transcript.draw_many(columns.constraints)?;

    // Composition, then the out-of-domain point.
    let trees = Trees { prepared, values: &values, evaluations: &evaluations, sums: &sums };
    let composition = trees.composition(&challenges, &trace.claims, &coefficients);
    let composition = shared.commit_polynomials(composition);
    transcript.commitment(composition.root());
    let point = transcript.draw()?;

    // Out-of-domain values, then the coefficients of the openings.
    let options = key.preset.options();
    let domain = Domain::new(columns, &options);
    let before = domain.before(point);
    let here = [
        prepared.committed_program.at(point.0),
        prepared.committed_weights.at(point.0),
        values.at(point.0),
        evaluations.at(point.0),
        sums.at(point.0),
        composition.at(point.0),
    ];
    let opened = [vec![], vec![], values.at(before.0), evaluations.at(before.0), sums.at(before.0)];
    let mut openings_before: [Vec<Cube>; crate::columns::TREES] = Default::default();
    for ((kept, all), indices) in openings_before.iter_mut().zip(opened).zip(&columns.before) {
        *kept = indices.iter().map(|index| all[*index]).collect();
    }
    let openings: Vec<Cube> = here.iter().chain(&openings_before).flatten().copied().collect();
    transcript.elements(&openings);
    let quotients = Quotients::new(columns, transcript.draw_many(columns.openings())?);

    // The low-degree test.
    let mut batch = Batch::new(columns.rows(), point, before);
    batch.add(&prepared.committed_program, 0, &quotients, columns);
    batch.add(&prepared.committed_weights, 1, &quotients, columns);
    batch.add(&values, 2, &quotients, columns);
    batch.add(&evaluations, 3, &quotients, columns);
    batch.add(&sums, 4, &quotients, columns);
    batch.add(&composition, 5, &quotients, columns);
    let word = batch.word(prepared, &domain);
    let mut channel = Channel { transcript, commitments: Vec::new() };
    let mut fri = FriProver::<Cube, Channel, Hash, Tree>::new(options.to_fri_options());
    fri.build_layers(&mut channel, word);
    let Channel { mut transcript, commitments: layer_commitments } = channel;
    let nonce = work(&transcript, options.grinding_factor());
    let positions = transcript.positions(options.num_queries(), domain.points, nonce)?;
    let (layers, remainder) = layers(fri.build_proof(&positions), FriShape::new(key))?;
    let (base_program, program_paths) = prepared.committed_program.open(&positions);
    let (base_weights, weights_paths) = prepared.committed_weights.open(&positions);
    let (base_values, values_paths) = values.open(&positions);
    let (opened_evaluations, evaluations_paths) = evaluations.open(&positions);
    let (opened_sums, sums_paths) = sums.open(&positions);
    let (opened_composition, composition_paths) = composition.open(&positions);
    let proof = WinterfellProof {
        key: prepared.fingerprint,
        public,
        claims: trace.claims.clone(),
        commitments: [values.root(), evaluations.root(), sums.root(), composition.root()],
        here,
        before: openings_before,
        layer_commitments,
        nonce,
        base: [base_program, base_weights, base_values],
        extended: [opened_evaluations, opened_sums, opened_composition],
        paths: [
            program_paths,
            weights_paths,
            values_paths,
            evaluations_paths,
            sums_paths,
            composition_paths,
        ],
        layers,
        remainder,
    };
    Ok(Made { proof, trace, challenges })
}

/// The smallest nonce that proves enough work.
fn work(transcript: &Transcript, bits: u32) -> u64 {
    const BLOCK: u64 = 1 << 14;
    let suffices = |nonce: &u64| transcript.work(*nonce) >= bits;
    let mut blocks = (0..u64::MAX / BLOCK).map(|block| block * BLOCK..(block + 1) * BLOCK);
    blocks.find_map(|block| block.into_par_iter().find_first(suffices)).unwrap_or(u64::MAX)
}

/// Columns of a tree from rows of the tables' active cells.
fn spread<T, E: FieldElement<BaseField = F>>(
    columns: &Columns,
    tables: &[Vec<Vec<T>>],
    width: impl Fn(&veristar_air::chips::Shape) -> usize,
    element: impl Fn(&T) -> E,
) -> Vec<Vec<E>> {
    let mut result = Vec::new();
    for (table, rows) in columns.tables.iter().zip(tables) {
        for j in 0..width(&table.instance.shape()) {
            // Columns that only hold masks have no cells.
            let cells = rows.iter().filter_map(|row| row.get(j)).map(&element);
            result.push(column(columns.rows(), cells));
        }
    }
    result
}

/// The openings' quotients as polynomials: one over each of the two points.
struct Batch {
    points: [K; 2],
    polynomials: [Vec<Cube>; 2],
}

impl Batch {
    fn new(rows: usize, point: K, before: K) -> Self {
        Self {
            points: [point, before],
            polynomials: [vec![Cube::ZERO; rows], vec![Cube::ZERO; rows]],
        }
    }

    fn add<E: FieldElement<BaseField = F>>(
        &mut self,
        tree: &Committed<E>,
        index: usize,
        quotients: &Quotients,
        columns: &Columns,
    ) where
        Cube: ExtensionOf<E>,
    {
        let [here, before] = &mut self.polynomials;
        let polynomials: Vec<&[E]> = tree.polynomials().collect();
        for (polynomial, coefficient) in polynomials.iter().zip(&quotients.here[index]) {
            mul_acc(here, polynomial, coefficient.0);
        }
        for (column, coefficient) in columns.before[index].iter().zip(&quotients.before[index]) {
            mul_acc(before, polynomials[*column], coefficient.0);
        }
    }

    /// `(a(x) - a(z)) / (x - z) + (b(x) - b(z')) / (x - z')` on the evaluation domain.
    fn word(self, prepared: &Prepared, domain: &Domain) -> Vec<Cube> {
        let shared = prepared.shared.domain();
        let mut word = vec![Cube::ZERO; domain.points];
        for (point, polynomial) in self.points.into_iter().zip(self.polynomials) {
            let value = winter_math::polynom::eval(&polynomial, point.0);
            let numerators: Vec<Cube> = fft::evaluate_poly_with_offset(
                &polynomial,
                shared.trace_twiddles(),
                shared.offset(),
                shared.trace_to_lde_blowup(),
            );
            let distance = |position| (K::from(domain.at(position)) - point).0;
            let inverses: Vec<Cube> = (0..domain.points).into_par_iter().map(distance).collect();
            let inverses = batch_inversion(&inverses);
            let quotients = numerators.into_par_iter().zip(inverses);
            let quotients: Vec<Cube> =
                quotients.map(|(n, inverse)| (n - value) * inverse).collect();
            add_in_place(&mut word, &quotients);
        }
        word
    }
}

/// Winterfell's FRI prover speaks through this.
struct Channel {
    transcript: Transcript,
    commitments: Vec<Digest>,
}

impl ProverChannel<Cube> for Channel {
    type Hasher = Hash;

    fn commit_fri_layer(&mut self, root: Digest) {
        self.commitments.push(root);
        self.transcript.commitment(root);
    }

    fn draw_fri_alpha(&mut self) -> Cube {
        // Fails with a probability below 2^-1000, and then the proof is refused.
        self.transcript.draw().unwrap_or_default().0
    }
}

/// Layers and remainder from Winterfell's encoding.
fn layers(proof: FriProof, shape: FriShape) -> Result<(Vec<Layer>, Vec<Cube>), ProveError> {
    let unreadable = |error| crate::FormatError::malformed("low-degree test", &error);
    let remainder = proof.parse_remainder().map_err(unreadable)?;
    let (values, paths) = proof
        .parse_layers::<Cube, Hash, Tree>(1 << shape.log_domain, shape.folding)
        .map_err(unreadable)?;
    let layer = |(values, paths): (Vec<Cube>, crate::transcript::Paths)| Layer {
        values,
        paths: paths.nodes,
    };
    Ok((values.into_iter().zip(paths).map(layer).collect(), remainder))
}
