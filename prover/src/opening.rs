//! Composition, openings and low-degree test: the end of a proof, from stwo's own parts.
//!
//! This is `stwo::prover::prove` with one thing added: a proof of work before the challenge that
//! combines the openings. Many wide and tall tables leave that challenge fewer bits than the rest
//! of the proof has; a few bits of work make them up (`veristar_security::account`).

use crate::recover::Recovery;
use stwo::core::channel::{Channel, MerkleChannel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fri::FriProof;
use stwo::core::pcs::quotients::PointSample;
use stwo::core::pcs::TreeVec;
use stwo::core::proof_of_work::GrindOps;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use stwo::prover::fri::{FriDecommitResult, FriProver};
use stwo::prover::pcs::quotient_ops::compute_fri_quotients;
use stwo::prover::{CommitmentSchemeProver, ComponentProver, ComponentProvers};
use tracing::info_span;
use veristar_verifier::component::COMPOSITION_COLUMNS;
use veristar_verifier::hash::{Hash, HashBytes};
use veristar_verifier::proof::composition_at;

/// The end of a proof.
pub struct Opened<H: HashBytes> {
    /// Roots of all trees.
    pub roots: Vec<Hash>,
    /// Values at the out-of-domain points, by tree and column.
    pub samples: Vec<Vec<Vec<QM31>>>,
    /// Values at the query positions, by tree and column.
    pub queried: Vec<Vec<Vec<M31>>>,
    /// Hashes that complete the Merkle paths, by tree.
    pub paths: Vec<Vec<Hash>>,
    /// Proof of work before the openings are combined.
    pub opening_nonce: u64,
    /// Proof of work before the queries are drawn.
    pub nonce: u64,
    /// The low-degree test.
    pub fri: FriProof<H>,
}

/// Proves the tables' constraints over the columns committed in `scheme`, whose transcript is
/// `channel`; `None` if a constraint does not hold.
pub fn open<MC: MerkleChannel<H: HashBytes>>(
    tables: &[&dyn ComponentProver<SimdBackend>],
    channel: &mut MC::C,
    mut scheme: CommitmentSchemeProver<'_, SimdBackend, MC>,
    log_height: u32,
    opening_pow_bits: u32,
) -> Option<Opened<MC::H>>
where
    SimdBackend: BackendForChannel<MC>,
{
    let config = scheme.config;
    let log_blowup = config.fri_config.log_blowup_factor;
    let log_domain = log_height + log_blowup;
    let tables = ComponentProvers {
        components: tables.to_vec(),
        n_preprocessed_columns: scheme.trees[0].polynomials.len(),
    };

    let span = info_span!("constraints").entered();
    let coefficient = channel.draw_secure_felt();
    let composition = tables.compute_composition_polynomial(
        coefficient,
        &scheme.trace(),
        scheme.twiddles,
        log_blowup,
    );
    drop(span);
    let span = info_span!("commit", tree = "composition").entered();
    let mut builder = scheme.tree_builder();
    let (left, right) = composition.split_at_mid();
    builder.extend_polys(left.into_coordinate_polys());
    builder.extend_polys(right.into_coordinate_polys());
    builder.commit(channel);
    drop(span);

    let span = info_span!("out-of-domain values").entered();
    let point = CirclePoint::<QM31>::get_random_point(channel);
    let tables = tables.components();
    let mut points = tables.mask_points(point, log_height, false);
    points.push(vec![vec![point]; COMPOSITION_COLUMNS]);
    let polynomials = scheme.polynomials();
    let without = polynomials.iter().flatten().filter(|polynomial| polynomial.coeffs.is_none());
    let sizes = without.map(|polynomial| polynomial.evals.domain.log_size() - log_blowup);
    let recovery = Recovery::new(scheme.twiddles, log_blowup, sizes);
    let samples = polynomials.zip_cols(&points).par_map_cols(|(polynomial, points)| {
        let folds = log_domain - polynomial.evals.domain.log_size();
        let recovered;
        let coefficients = match &polynomial.coeffs {
            Some(kept) => kept,
            None => {
                recovered = recovery.coefficients(&polynomial.evals);
                &recovered
            }
        };
        let sample = |point: &CirclePoint<QM31>| PointSample {
            point: *point,
            value: coefficients.eval_at_point(point.repeated_double(folds)),
        };
        points.iter().map(sample).collect::<Vec<_>>()
    });
    let values: TreeVec<Vec<Vec<QM31>>> =
        samples.as_cols_ref().map_cols(|samples| samples.iter().map(|s| s.value).collect());
    drop(span);
    let at_point =
        tables.eval_composition_polynomial_at_point(point, &values, coefficient, log_height);
    if composition_at(&values, point, log_height) != Some(at_point) {
        return None;
    }

    channel.mix_felts(&values.clone().flatten_cols());
    let opening_nonce = SimdBackend::grind(channel, opening_pow_bits);
    channel.mix_u64(opening_nonce);
    let span = info_span!("quotients").entered();
    let quotients = compute_fri_quotients(
        &scheme.evaluations(),
        &samples,
        channel.draw_secure_felt(),
        log_domain,
        scheme.twiddles,
        log_blowup,
    );
    drop(span);
    let span = info_span!("low-degree test").entered();
    let fri = FriProver::<SimdBackend, MC>::commit(
        channel,
        config.fri_config,
        &quotients,
        scheme.twiddles,
    );
    drop(span);
    let span = info_span!("proof of work").entered();
    let nonce = SimdBackend::grind(channel, config.pow_bits);
    channel.mix_u64(nonce);
    drop(span);

    let _span = info_span!("queries").entered();
    // Every tree has the height of the domain, so positions are the same in all of them.
    let FriDecommitResult { fri_proof, query_positions, .. } = fri.decommit(channel);
    let (queried, paths) = scheme
        .trees
        .iter()
        .map(|tree| {
            let columns = tree.polynomials.iter().map(|p| &p.evals.values).collect();
            let (queried, path) = tree.commitment.decommit(&query_positions, columns);
            let path = path.decommitment.hash_witness.into_iter().map(MC::H::to_bytes);
            (queried, path.collect())
        })
        .unzip();
    Some(Opened {
        roots: scheme.roots().0.into_iter().map(MC::H::to_bytes).collect(),
        samples: values.0,
        queried,
        paths,
        opening_nonce,
        nonce,
        fri: fri_proof.proof,
    })
}
