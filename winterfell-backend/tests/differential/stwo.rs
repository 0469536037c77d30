//! What the checker and stwo say of an altered witness: the stwo prover's steps, with a change before a
//! tree is committed.

use super::Alteration;
use std::sync::Arc;
use stwo::core::channel::{Blake2sChannel, Channel};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::proof_of_work::GrindOps;
use stwo::core::utils::MaybeOwned;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{CommitmentSchemeProver, ComponentProver};
use veristar_prover::check::OwnedWitness;
use veristar_prover::commitments::Fixed;
use veristar_prover::domain::{ChipProver, PackedChallenges};
use veristar_prover::masks::Masks;
use veristar_prover::memory::{execute, fill, public_values};
use veristar_prover::opening::open;
use veristar_prover::randomness::Randomness;
use veristar_prover::sums::{sums, TableColumns};
use veristar_prover::trace::evaluation;
use veristar_prover::witness::{self, uses::Uses};
use veristar_prover::Prepared;
use veristar_verifier::challenges::Challenges;
use veristar_verifier::component::components;
use veristar_verifier::verify::start;
use veristar_verifier::{verify, Proof};
use veristar_winterfell::prover::prove::Stage;

type Scheme<'a> = CommitmentSchemeProver<'a, SimdBackend, Blake2sMerkleChannel>;

/// Whether the checker finds nothing, and whether stwo makes a proof that verifies.
pub fn judge(
    prepared: &Prepared,
    inputs: &[Vec<Vec<i64>>],
    alteration: Option<Alteration>,
) -> [bool; 2] {
    let (program, layout) = (&prepared.program, prepared.layout());
    let (graph, key) = (&prepared.package.graph, &prepared.package.key);
    let shared = &prepared.commitments;
    let execution = execute(graph, inputs).expect("execute");
    let memory = fill(graph, program, &execution).expect("memory");
    let public = public_values(graph, &layout.public, &execution);
    let fixed_program: Fixed = Fixed::program(program, shared);
    let fixed_weights: Fixed = Fixed::weights(program, shared, Randomness::none());
    let alter = |stage: Stage, tables: &mut Vec<Vec<BaseColumn>>, width: usize| {
        let Some(a) = alteration.filter(|a| a.stage == stage) else { return };
        let placement = shared.placement(&layout.instances[a.table]);
        let row = a.row.map_or(placement.mask_row(), |row| placement.first_active() + row);
        tables[a.table][width * a.column].as_mut_slice()[placement.of(row)] += M31::from(1);
    };

    let channel: &mut Blake2sChannel = &mut start(key, &prepared.fingerprint, None, &public);
    let mut scheme = Scheme::with_memory_pool(shared.config, &shared.twiddles, &shared.pool);
    scheme.set_store_polynomials_coefficients();
    scheme.commit_tree(MaybeOwned::Borrowed(&fixed_program.tree), channel);
    scheme.commit_tree(MaybeOwned::Borrowed(&fixed_weights.tree), channel);
    let commit =
        |scheme: &mut Scheme<'_>, channel: &mut Blake2sChannel, tables: &[Vec<BaseColumn>]| {
            let mut builder = scheme.tree_builder();
            let tables = layout.instances.iter().zip(tables);
            let columns = tables.flat_map(|(i, columns)| columns.iter().map(|c| (i.log_size, c)));
            builder.extend_evals(columns.map(|(size, c)| evaluation(size, c.clone())).collect());
            builder.commit(channel);
        };

    let mut masks = Masks::new(layout, shared, Randomness::none());
    let uses = Uses::new(&prepared.directory);
    let cells = witness::values(graph, program, &memory, &uses).expect("values");
    let mut values: Vec<Vec<BaseColumn>> = layout
        .instances
        .iter()
        .zip(&cells)
        .map(|(i, columns)| columns.iter().map(|c| shared.placement(i).column(c)).collect())
        .collect();
    masks.values(&mut values);
    alter(Stage::Values, &mut values, 1);
    commit(&mut scheme, channel, &values);
    let mut challenges = Challenges::evaluation_points(channel, layout);

    let cells = witness::evaluations(program, &memory, &challenges);
    let mut evaluations: Vec<Vec<BaseColumn>> = layout
        .instances
        .iter()
        .zip(&cells)
        .map(|(i, columns)| columns.iter().flat_map(|c| shared.placement(i).extension(c)).collect())
        .collect();
    masks.evaluations(&mut evaluations);
    alter(Stage::Evaluations, &mut evaluations, 4);
    commit(&mut scheme, channel, &evaluations);
    let work = key.parameters().lookup_pow_bits;
    let lookup_nonce = (work > 0).then(|| SimdBackend::grind(channel, work));
    if let Some(nonce) = lookup_nonce {
        channel.mix_u64(nonce);
    }
    challenges.draw_lookups(channel);

    let indices = layout.program_columns().indices;
    let fixed = fixed_program.columns(shared);
    let mut weights = fixed_weights.columns(shared).iter();
    let (mut all_sums, mut claims) = (Vec::new(), Vec::new());
    for (i, instance) in layout.instances.iter().enumerate() {
        let columns = TableColumns {
            program: indices[i].iter().map(|c| &fixed[*c]).collect(),
            weights: weights.by_ref().take(instance.shape().weights).collect(),
            values: values[i].iter().collect(),
            evaluations: evaluations[i].iter().collect(),
        };
        let packed = PackedChallenges::new(&challenges, QM31::default());
        let placement = shared.placement(instance);
        let (columns, claim) =
            sums(&instance.chip, &columns, &packed, placement, masks.randomness());
        all_sums.push(columns);
        claims.push(claim);
    }
    alter(Stage::Sums, &mut all_sums, 4);
    channel.mix_felts(&claims);
    commit(&mut scheme, channel, &all_sums);

    let shared_challenges = Arc::new(challenges.clone());
    let tables = components(layout, &shared_challenges, &claims);
    let tables: Vec<ChipProver> = tables.into_iter().map(ChipProver).collect();
    let provers: Vec<&dyn ComponentProver<SimdBackend>> =
        tables.iter().map(|t| t as &dyn ComponentProver<SimdBackend>).collect();
    let pow_bits = key.parameters().opening_pow_bits;
    let opened = open(&provers, channel, scheme, layout.log_height(), pow_bits);
    let accepted = opened.is_some_and(|opened| {
        let (layers, last_layer) = Proof::layers_of(opened.fri);
        let proof = Proof {
            context: None,
            key: prepared.fingerprint,
            public: public.clone(),
            claims: claims.clone(),
            commitments: opened.roots[2..].try_into().expect("four roots"),
            samples: opened.samples,
            queried: opened.queried,
            paths: opened.paths,
            lookup_nonce,
            opening_nonce: opened.opening_nonce,
            nonce: opened.nonce,
            layers,
            last_layer,
        };
        verify(key, &proof).is_ok()
    });
    let witness = OwnedWitness { values, evaluations, sums: all_sums, challenges, claims, public };
    [witness.violations(prepared).is_empty() && witness.balances(prepared), accepted]
}
