//! The verifier, step by step.
//!
//! 1. The proof names this key; its public values are in their ranges.
//! 2. The transcript absorbs the key, the parameters, the proof's context, the program and weights roots and the public
//!    values, then the values root; `t` and `r` are drawn.
//! 3. It absorbs the evaluations root; `z`, `alpha`, `beta` and `delta` are drawn.
//! 4. The tables' totals, the constants and the public values cancel.
//! 5. It absorbs the totals and the sums root; the coefficient that combines constraints is drawn.
//! 6. It absorbs the composition root; the out-of-domain point is drawn, and the constraints
//!    hold there.
//! 7. It absorbs the out-of-domain values and a proof of work; the coefficient that combines the
//!    openings is drawn. The low-degree test binds the values to the commitments.

use crate::challenges::Challenges;
use crate::component::{column_log_sizes, components, COMPOSITION_COLUMNS, SUMS, TREES};
use crate::error::VerifyError;
use crate::hash::{Hash, HashBytes};
use crate::key::Key;
use crate::poseidon::PoseidonMerkleChannel;
use crate::proof::{composition_at, decommitment, Proof};
use alloc::{format, string::String, string::ToString, sync::Arc, vec, vec::Vec};
use num_traits::Zero;
use stwo::core::air::{Component, Components};
use stwo::core::channel::{Channel, MerkleChannel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo::core::fri::{CirclePolyDegreeBound, FriVerifier};
use stwo::core::pcs::quotients::{fri_answers, PointSample};
use stwo::core::pcs::utils::prepare_preprocessed_query_positions;
use stwo::core::pcs::TreeVec;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::core::vcs_lifted::verifier::MerkleVerifierLifted;
use veristar_air::program::{Instance, Layout, PublicTensor, R, T};
use veristar_security::HashFunction;

/// What a valid proof states.
#[derive(Clone, Debug)]
pub struct Verified<'k> {
    /// The public tensors with their values, in the key's order.
    pub public: Vec<(&'k PublicTensor, Vec<i32>)>,
    /// What the proof was made for, if it says: it is no proof for anything else.
    pub context: Option<Hash>,
}

/// Starts the transcript: steps 1 and 2 up to the values root. Prover and verifier call this.
pub fn start<C: Channel>(
    key: &Key,
    fingerprint: &[u8; 32],
    context: Option<&Hash>,
    public: &[Vec<i32>],
) -> C {
    let mut channel = C::default();
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |w, b| w << 8 | u32::from(*b));
    let words = |hash: &[u8; 32]| hash.chunks(4).map(word).collect::<Vec<_>>();
    channel.mix_u32s(&words(fingerprint));
    key.config().mix_into(&mut channel);
    if let Some(context) = context {
        channel.mix_u32s(&words(&context.0));
    }
    for values in public {
        channel.mix_u64(values.len() as u64);
        channel.mix_u32s(&values.iter().map(|v| *v as u32).collect::<Vec<_>>());
    }
    channel
}

/// What the verifier itself adds to the global sum: constants it supplies, public values it reads.
pub fn public_sum(layout: &Layout, challenges: &Challenges, public: &[Vec<i32>]) -> QM31 {
    let t = challenges.t.get(1).copied().unwrap_or_else(QM31::zero);
    let r = challenges.r.get(1).copied().unwrap_or_else(QM31::zero);
    let mut multiplicities = Vec::new();
    let mut denominators = Vec::new();
    for constant in &layout.constants {
        let value = match constant.address {
            T => t,
            R => r,
            _ => M31::from(constant.value).into(),
        };
        multiplicities.push(-M31::from(constant.reads));
        denominators.push(challenges.memory(value, constant.address));
    }
    for (tensor, values) in layout.public.iter().zip(public) {
        for (address, value) in tensor.addresses.iter().zip(values) {
            multiplicities.push(M31::from(1));
            denominators.push(challenges.memory(M31::from(*value).into(), address));
        }
    }
    let inverses = QM31::batch_inverse(&denominators);
    multiplicities.iter().zip(inverses).fold(QM31::zero(), |sum, (m, i)| sum + i * *m)
}

/// Checks a proof.
///
/// # Errors
/// Why it is refused.
pub fn verify<'k>(key: &'k Key, proof: &Proof) -> Result<Verified<'k>, VerifyError> {
    match key.preset.hash() {
        HashFunction::Blake2s => verify_with::<Blake2sMerkleChannel>(key, proof),
        HashFunction::Poseidon252 => verify_with::<PoseidonMerkleChannel>(key, proof),
    }
}

/// [`verify()`] with an implementation of the hash function of the key's preset, which is not checked. For tests that
/// compare implementations: [`verify()`] chooses the right one.
///
/// # Errors
/// Why the proof is refused.
pub fn verify_with<'k, MC: MerkleChannel<H: HashBytes>>(
    key: &'k Key,
    proof: &Proof,
) -> Result<Verified<'k>, VerifyError> {
    let layout = &key.layout;
    // Step 1.
    let fingerprint = key.fingerprint();
    if proof.key != fingerprint {
        return Err(VerifyError::OtherKey { expected: hex(&fingerprint), got: hex(&proof.key) });
    }
    check_public(layout, &proof.public)?;
    if proof.claims.len() != layout.instances.len() {
        return Err(VerifyError::Shape);
    }

    // Step 2.
    let config = key.config();
    let log_blowup = config.fri_config.log_blowup_factor;
    let root =
        |tree: usize, bytes: &Hash| MC::H::from_bytes(bytes).ok_or(VerifyError::Opening { tree });
    let program = root(0, &Hash(key.program_root))?;
    let weights = root(1, &Hash(key.weights_root))?;
    let [values, evaluations, sums, composition] = &proof.commitments;
    let (values, evaluations) = (root(2, values)?, root(3, evaluations)?);
    let (sums, composition) = (root(4, sums)?, root(5, composition)?);
    let roots = [program, weights, values, evaluations, sums, composition];
    let channel: &mut MC::C = &mut start(key, &fingerprint, proof.context.as_ref(), &proof.public);
    let mix = |channel: &mut MC::C, root| MC::mix_root(channel, root);
    mix(channel, program);
    mix(channel, weights);
    mix(channel, values);
    let mut challenges = Challenges::evaluation_points(channel, layout);

    // Step 3.
    mix(channel, evaluations);
    let worked = match (key.parameters().lookup_pow_bits, proof.lookup_nonce) {
        (0, None) => true,
        (0, Some(_)) | (_, None) => return Err(VerifyError::Shape),
        (bits, Some(nonce)) => {
            let worked = channel.verify_pow_nonce(bits, nonce);
            channel.mix_u64(nonce);
            worked
        }
    };
    if !worked {
        return Err(VerifyError::ProofOfWork);
    }
    challenges.draw_lookups(channel);

    // Step 4. A table without lookups has no running sum that would tie its total to anything.
    let stray =
        |(instance, claim): (&Instance, &QM31)| !instance.shape().has_total() && !claim.is_zero();
    if layout.instances.iter().zip(&proof.claims).any(stray) {
        return Err(VerifyError::Totals);
    }
    let total = proof.claims.iter().fold(QM31::zero(), |sum, claim| sum + *claim);
    if !(total + public_sum(layout, &challenges, &proof.public)).is_zero() {
        return Err(VerifyError::Totals);
    }

    // Step 5.
    channel.mix_felts(&proof.claims);
    mix(channel, sums);
    let random_coefficient = channel.draw_secure_felt();

    // Step 6.
    mix(channel, composition);
    let log_degree = layout.log_height();
    let point = CirclePoint::<QM31>::get_random_point(channel);
    // Openings divide by the point's second coordinates over the complex subfield.
    if point.x.1.is_zero() || point.y.1.is_zero() {
        return Err(VerifyError::Point);
    }
    let tables = components(layout, &Arc::new(challenges), &proof.claims);
    let tables = Components {
        components: tables.iter().map(|table| table as &dyn Component).collect(),
        n_preprocessed_columns: layout.program_columns().log_sizes.len(),
    };
    let mut points = tables.mask_points(point, log_degree, false);
    points.push(vec![vec![point]; COMPOSITION_COLUMNS]);
    let samples = TreeVec::new(proof.samples.clone());
    let fits = points.len() == samples.len()
        && points.iter().zip(samples.iter()).all(|(points, samples)| {
            points.len() == samples.len()
                && points.iter().zip(samples).all(|(p, s)| p.len() == s.len())
        });
    if !fits {
        return Err(VerifyError::Shape);
    }
    let at_point = tables.eval_composition_polynomial_at_point(
        point,
        &samples,
        random_coefficient,
        log_degree,
    );
    if composition_at(&proof.samples, point, log_degree) != Some(at_point) {
        return Err(VerifyError::Constraints);
    }

    // Step 7.
    channel.mix_felts(&samples.clone().flatten_cols());
    if !channel.verify_pow_nonce(key.parameters().opening_pow_bits, proof.opening_nonce) {
        return Err(VerifyError::ProofOfWork);
    }
    channel.mix_u64(proof.opening_nonce);
    let quotient_coefficient = channel.draw_secure_felt();
    let coefficients = 1 << config.fri_config.log_last_layer_degree_bound;
    let fri_proof = proof.fri(coefficients).ok_or(VerifyError::Shape)?;
    let bound = CirclePolyDegreeBound::new(log_degree);
    let mut fri = FriVerifier::<MC>::commit(channel, config.fri_config, fri_proof, bound)
        .map_err(|error| VerifyError::LowDegree(error.to_string()))?;
    if !channel.verify_pow_nonce(config.pow_bits, proof.nonce) {
        return Err(VerifyError::ProofOfWork);
    }
    channel.mix_u64(proof.nonce);
    let positions = fri.sample_query_positions(channel);
    let log_domain = log_degree + log_blowup;
    let sizes = tree_log_sizes(layout, log_degree);
    let opened = proof.opened();
    let fits = opened.len() == sizes.len()
        && opened.iter().zip(&sizes).all(|(columns, sizes)| {
            columns.len() == sizes.len() && columns.iter().all(|c| c.len() == positions.len())
        });
    if !fits || proof.paths.len() != sizes.len() {
        return Err(VerifyError::Shape);
    }
    let trees = roots.into_iter().zip(&sizes).zip(opened.iter().zip(&proof.paths));
    for (tree, ((root, sizes), (columns, path))) in trees.enumerate() {
        // A tree without columns is one leaf, without paths.
        if sizes.is_empty() {
            if root != MC::H::of_no_column() || !path.is_empty() {
                return Err(VerifyError::Opening { tree });
            }
            continue;
        }
        let extended: Vec<u32> = sizes.iter().map(|size| size + log_blowup).collect();
        let verifier = MerkleVerifierLifted::<MC::H>::new(root, extended, config.lifting_log_size);
        let at = match tree {
            0 => prepare_preprocessed_query_positions(&positions, log_domain, verifier.height),
            _ => positions.clone(),
        };
        let path = decommitment(path).ok_or(VerifyError::Opening { tree })?;
        verifier.verify(&at, columns.clone(), path).map_err(|_| VerifyError::Opening { tree })?;
    }
    let samples = points.zip_cols(samples).map_cols(|(points, values)| {
        let pairs = points.into_iter().zip(values);
        pairs.map(|(point, value)| PointSample { point, value }).collect::<Vec<_>>()
    });
    let extended = TreeVec::new(
        sizes.iter().map(|tree| tree.iter().map(|size| size + log_blowup).collect()).collect(),
    );
    let answers =
        fri_answers(extended, samples, quotient_coefficient, &positions, opened, log_domain)?;
    fri.decommit(answers).map_err(|error| VerifyError::LowDegree(error.to_string()))?;

    let public = layout.public.iter().zip(proof.public.iter().cloned()).collect();
    Ok(Verified { public, context: proof.context })
}

fn check_public(layout: &Layout, public: &[Vec<i32>]) -> Result<(), VerifyError> {
    if public.len() != layout.public.len() {
        return Err(VerifyError::Shape);
    }
    for (tensor, values) in layout.public.iter().zip(public) {
        if values.len() != tensor.addresses.len() {
            return Err(VerifyError::Shape);
        }
        let range = tensor.range.lo..=tensor.range.hi;
        if let Some(value) = values.iter().find(|v| !range.contains(&i64::from(**v))) {
            return Err(VerifyError::PublicRange {
                tensor: tensor.name.clone(),
                value: *value,
                lo: tensor.range.lo,
                hi: tensor.range.hi,
            });
        }
    }
    Ok(())
}

/// log2 rows of every column of every tree, the composition polynomial's included.
pub(crate) fn tree_log_sizes(layout: &Layout, log_degree: u32) -> Vec<Vec<u32>> {
    let mut sizes: Vec<Vec<u32>> = column_log_sizes(layout).into();
    debug_assert!(sizes.len() == TREES && SUMS + 1 == TREES);
    sizes.push(vec![log_degree; COMPOSITION_COLUMNS]);
    sizes
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
