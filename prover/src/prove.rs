//! The prover, step by step (the verifier's steps are in `veristar_verifier::verify`).

use crate::check;
use crate::commitments::Keep;
use crate::domain::{ChipProver, PackedChallenges};
use crate::error::ProveError;
use crate::masks::Masks;
use crate::memory::{execute, fill, public_values, Execution};
use crate::opening::open;
use crate::prepared::Prepared;
use crate::randomness::Randomness;
use crate::sums::sums;
use crate::trace::{evaluation, Evaluation};
use crate::witness::{self, uses::Uses};
use rayon::prelude::*;
use std::sync::Arc;
use stwo::core::channel::{Channel, MerkleChannel};
use stwo::core::fields::qm31::QM31;
use stwo::core::proof_of_work::GrindOps;
use stwo::core::utils::MaybeOwned;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use stwo::prover::{CommitmentSchemeProver, ComponentProver};
use tracing::{info_span, instrument};
use veristar_air::program::Layout;
use veristar_verifier::challenges::Challenges;
use veristar_verifier::component::components;
use veristar_verifier::hash::{Hash, HashBytes};
use veristar_verifier::verify::start;
use veristar_verifier::{Key, Proof};

/// A proof with what it was made from.
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// The outputs of each inference, tensor by tensor.
    pub outputs: Vec<Vec<Vec<i64>>>,
}

/// Proves a batch of inferences (`inputs[inference][input]`, quantised).
///
/// Each proof uses up one of the key's proofs, which the caller counts.
///
/// # Errors
/// The number of inferences is not the key's, or an input is outside its range.
pub fn prove<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    inputs: &[Vec<Vec<i64>>],
) -> Result<Proven, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    prove_for(prepared, inputs, None)
}

/// [`prove()`] for a purpose: the proof is no proof for any other (`veristar_verifier::Proof::context`).
///
/// # Errors
/// As there.
#[instrument(skip_all, name = "prove")]
pub fn prove_for<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    inputs: &[Vec<Vec<i64>>],
    context: Option<Hash>,
) -> Result<Proven, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let randomness = match prepared.package.key.hides() {
        true => Randomness::from_os()?,
        false => Randomness::none(),
    };
    prove_all(prepared, inputs, context, randomness)
}

/// Proves with given random cells. For tests of what they hide.
#[doc(hidden)]
pub fn prove_with<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    inputs: &[Vec<Vec<i64>>],
    randomness: Randomness,
) -> Result<Proven, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    prove_all(prepared, inputs, None, randomness)
}

fn prove_all<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    inputs: &[Vec<Vec<i64>>],
    context: Option<Hash>,
    randomness: Randomness,
) -> Result<Proven, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let expected = prepared.layout().batch as usize;
    if inputs.len() != expected {
        return Err(ProveError::Batch { expected, got: inputs.len() });
    }
    let graph = &prepared.package.graph;
    let execution = execute(graph, inputs)?;
    let outputs =
        execution.0.iter().map(|run| graph.outputs.iter().map(|id| run[*id].clone()).collect());
    let outputs = outputs.collect();
    match prove_execution(prepared, execution, context, randomness)? {
        Some(proof) => Ok(Proven { proof, outputs }),
        // Executions are large, and this is never needed: so it is not kept, but made again.
        None => {
            Err(ProveError::Constraint(check::first_violation(prepared, &execute(graph, inputs)?)?))
        }
    }
}

/// `None` if a constraint does not hold.
fn prove_execution<MC: MerkleChannel<H: HashBytes>>(
    prepared: &Prepared<MC>,
    execution: Execution,
    context: Option<Hash>,
    randomness: Randomness,
) -> Result<Option<Proof>, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let (program, layout) = (&prepared.program, prepared.layout());
    let graph = &prepared.package.graph;
    let shared = &prepared.commitments;
    let memory = fill(graph, program, &execution)?;
    let public = public_values(graph, &layout.public, &execution);
    drop(execution);

    // The transcript starts with the key and the public values.
    let (key, fingerprint) = (&prepared.package.key, &prepared.fingerprint);
    let channel: &mut MC::C = &mut start(key, fingerprint, context.as_ref(), &public);
    let mut scheme = CommitmentSchemeProver::<SimdBackend, MC>::with_memory_pool(
        shared.config,
        &shared.twiddles,
        &shared.pool,
    );
    let keeps_all = shared.keep == Keep::All;
    if keeps_all {
        scheme.set_store_polynomials_coefficients();
    }
    scheme.commit_tree(MaybeOwned::Borrowed(&prepared.fixed_program.tree), channel);
    scheme.commit_tree(MaybeOwned::Borrowed(&prepared.fixed_weights.tree), channel);

    // Values, then t and r.
    let mut masks = Masks::new(layout, shared, randomness);
    let uses = Uses::new(&prepared.directory);
    let values = witness::values(graph, program, &memory, &uses)?;
    let mut values: Vec<Vec<BaseColumn>> = layout
        .instances
        .iter()
        .zip(values)
        .map(|(instance, columns)| {
            let placement = shared.placement(instance);
            columns.par_iter().map(|column| placement.column(column)).collect()
        })
        .collect();
    masks.values(&mut values);
    let kept_values = keeps_all.then(|| values.clone());
    commit(layout, &mut scheme, channel, values, "commit values");
    let mut challenges = Challenges::evaluation_points(channel, layout);

    // Evaluations, then z, alpha, beta and delta.
    let evaluations = witness::evaluations(program, &memory, &challenges);
    let mut evaluations: Vec<Vec<BaseColumn>> = layout
        .instances
        .iter()
        .zip(evaluations)
        .map(|(instance, columns)| {
            let placement = shared.placement(instance);
            columns.par_iter().flat_map_iter(|column| placement.extension(column)).collect()
        })
        .collect();
    masks.evaluations(&mut evaluations);
    let kept_evaluations = keeps_all.then(|| evaluations.clone());
    commit(layout, &mut scheme, channel, evaluations, "commit evaluations");
    drop(memory);
    let lookup_nonce = draw_lookups::<MC>(key, &mut challenges, channel);

    // Sums and totals.
    let span = info_span!("sums").entered();
    let mut columns = Vec::new();
    let mut claims = Vec::new();
    for (i, instance) in layout.instances.iter().enumerate() {
        let recovered;
        let table = match (&kept_values, &kept_evaluations) {
            (Some(values), Some(evaluations)) => prepared.columns(i, values, evaluations),
            _ => {
                recovered = prepared.recover(i, &scheme.evaluations());
                recovered.table()
            }
        };
        let placement = shared.placement(instance);
        // The claim is what is being computed; fractions do not depend on it.
        let packed = PackedChallenges::new(&challenges, Default::default());
        let (sums, claim) = sums(&instance.chip, &table, &packed, placement, masks.randomness());
        columns.push(sums);
        claims.push(claim);
    }
    drop(span);
    // What is committed stays with the scheme; composing the constraints takes room.
    drop((kept_values, kept_evaluations));
    channel.mix_felts(&claims);
    commit(layout, &mut scheme, channel, columns, "commit sums");

    // Constraints, out-of-domain values, low-degree test.
    let challenges = Arc::new(challenges);
    let statement = Statement {
        key: &prepared.package.key,
        fingerprint: prepared.fingerprint,
        context,
        public,
        claims: &claims,
        challenges: &challenges,
        lookup_nonce,
    };
    statement.close(scheme, channel)
}

/// What a proof states, once its columns are committed.
pub(crate) struct Statement<'a> {
    pub key: &'a Key,
    pub fingerprint: [u8; 32],
    pub context: Option<Hash>,
    pub public: Vec<Vec<i32>>,
    pub claims: &'a [QM31],
    pub challenges: &'a Arc<Challenges>,
    pub lookup_nonce: Option<u64>,
}

impl Statement<'_> {
    /// Proves the constraints over all columns of `scheme`; `None` if one does not hold.
    pub fn close<MC: MerkleChannel<H: HashBytes>>(
        self,
        scheme: CommitmentSchemeProver<'_, SimdBackend, MC>,
        channel: &mut MC::C,
    ) -> Result<Option<Proof>, ProveError>
    where
        SimdBackend: BackendForChannel<MC>,
    {
        let layout = &self.key.layout;
        let tables = components(layout, self.challenges, self.claims);
        let tables: Vec<ChipProver> = tables.into_iter().map(ChipProver).collect();
        let provers: Vec<&dyn ComponentProver<SimdBackend>> =
            tables.iter().map(|t| t as &dyn ComponentProver<SimdBackend>).collect();
        let pow_bits = self.key.parameters().opening_pow_bits;
        let opened = open(&provers, channel, scheme, layout.log_height(), pow_bits);
        let Some(opened) = opened else { return Ok(None) };
        let commitments = opened.roots.get(2..).and_then(|roots| roots.try_into().ok());
        let (layers, last_layer) = Proof::layers_of(opened.fri);
        Ok(Some(Proof {
            key: self.fingerprint,
            public: self.public,
            claims: self.claims.to_vec(),
            commitments: commitments.ok_or(ProveError::Mismatch)?,
            samples: opened.samples,
            queried: opened.queried,
            paths: opened.paths,
            lookup_nonce: self.lookup_nonce,
            opening_nonce: opened.opening_nonce,
            nonce: opened.nonce,
            layers,
            last_layer,
            context: self.context,
        }))
    }
}

/// Draws the lookups' challenges, after the proof of work that the key's parameters ask for.
pub(crate) fn draw_lookups<MC: MerkleChannel>(
    key: &Key,
    challenges: &mut Challenges,
    channel: &mut MC::C,
) -> Option<u64>
where
    SimdBackend: BackendForChannel<MC>,
{
    let bits = key.parameters().lookup_pow_bits;
    let nonce = (bits > 0).then(|| SimdBackend::grind(channel, bits));
    if let Some(nonce) = nonce {
        channel.mix_u64(nonce);
    }
    challenges.draw_lookups(channel);
    nonce
}

/// Commits a tree of a proof: the columns of all tables, on the trace domain.
pub(crate) fn commit<'a, MC: MerkleChannel<H: HashBytes>>(
    layout: &Layout,
    scheme: &mut CommitmentSchemeProver<'a, SimdBackend, MC>,
    channel: &mut MC::C,
    tables: Vec<Vec<BaseColumn>>,
    name: &'static str,
) where
    SimdBackend: BackendForChannel<MC>,
{
    let _span = info_span!("commit", tree = name).entered();
    let instances = &layout.instances;
    let mut evaluations: Vec<Evaluation> = Vec::new();
    for (instance, columns) in instances.iter().zip(tables) {
        let size = instance.log_size;
        evaluations.extend(columns.into_iter().map(|column| evaluation(size, column)));
    }
    let mut builder = scheme.tree_builder();
    builder.extend_evals(evaluations);
    builder.commit(channel);
}
