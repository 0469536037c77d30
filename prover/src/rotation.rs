//! Rotation: a fresh commitment of a model's weights, with a proof that it holds the same weights.
//!
//! A weights commitment hides for a number of proofs, since all of them open it. A new one has new
//! random cells. `veristar_verifier::rotation` says what is proven; it takes one of each
//! commitment's proofs.

use crate::error::ProveError;
use crate::masks::Masks;
use crate::package::Package;
use crate::prepared::Prepared;
use crate::prove::{commit, draw_lookups, Statement};
use crate::randomness::{seed, Randomness};
use crate::sums::{sums, TableColumns};
use num_traits::Zero;
use std::sync::Arc;
use stwo::core::channel::{Channel, MerkleChannel};
use stwo::core::fields::qm31::QM31;
use stwo::core::utils::MaybeOwned;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::core::vcs_lifted::poseidon252_merkle::Poseidon252MerkleChannel;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::BackendForChannel;
use stwo::prover::CommitmentSchemeProver;
use tracing::instrument;
use veristar_security::HashFunction;
use veristar_verifier::challenges::Challenges;
use veristar_verifier::hash::HashBytes;
use veristar_verifier::rotation::statement;
use veristar_verifier::verify::start;
use veristar_verifier::Proof;

/// A package with a new commitment.
pub struct Rotation {
    /// The package: same graph, other weights root, all its proofs but one unused.
    pub package: Package,
    /// That both hold the same weights.
    pub proof: Proof,
}

/// Commits to a package's weights anew.
///
/// # Errors
/// The package hides nothing, or does not compile to its key.
#[instrument(skip_all, name = "rotate")]
pub fn rotate(package: &Package) -> Result<Rotation, ProveError> {
    match package.key.preset.hash() {
        HashFunction::Blake2s => rotate_with::<Blake2sMerkleChannel>(package),
        HashFunction::Poseidon252 => rotate_with::<Poseidon252MerkleChannel>(package),
    }
}

fn rotate_with<MC: MerkleChannel<H: HashBytes>>(package: &Package) -> Result<Rotation, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let old = Prepared::<MC>::hashed(package.clone())?;
    let mut renewed = package.clone();
    renewed.weights_seed = Some(seed()?);
    let randomness = renewed.weights_randomness();
    let new = Prepared::recommitted(renewed, randomness)?;
    let proof = prove(&old, &new)?;
    Ok(Rotation { package: new.package, proof })
}

fn prove<MC: MerkleChannel<H: HashBytes>>(
    old: &Prepared<MC>,
    new: &Prepared<MC>,
) -> Result<Proof, ProveError>
where
    SimdBackend: BackendForChannel<MC>,
{
    let key = statement(&old.package.key, &new.package.key)?;
    let (layout, shared) = (&key.layout, &old.commitments);
    let fingerprint = key.fingerprint();
    let channel: &mut MC::C = &mut start(&key, &fingerprint, None, &[]);
    let mut scheme = CommitmentSchemeProver::<SimdBackend, MC>::with_memory_pool(
        shared.config,
        &shared.twiddles,
        &shared.pool,
    );
    scheme.set_store_polynomials_coefficients();
    scheme.commit_tree(MaybeOwned::Borrowed(&old.fixed_program.tree), channel);
    scheme.commit_tree(MaybeOwned::Borrowed(&old.fixed_weights.tree), channel);
    scheme.commit_tree(MaybeOwned::Borrowed(&new.fixed_weights.tree), channel);
    let mut challenges = Challenges::evaluation_points(channel, layout);

    let mut masks = Masks::new(layout, shared, Randomness::from_os()?);
    let mut evaluations = vec![Vec::new(); layout.instances.len()];
    masks.evaluations(&mut evaluations);
    commit(layout, &mut scheme, channel, evaluations, "commit evaluations");
    let lookup_nonce = draw_lookups::<MC>(&key, &mut challenges, channel);

    // No table has lookups: the sums tree holds masks only, and totals are 0.
    let packed = crate::domain::PackedChallenges::new(&challenges, QM31::zero());
    let columns: Vec<_> = layout
        .instances
        .iter()
        .map(|instance| {
            let placement = shared.placement(instance);
            let none = TableColumns::default();
            sums(&instance.chip, &none, &packed, placement, masks.randomness()).0
        })
        .collect();
    let claims = vec![QM31::zero(); layout.instances.len()];
    channel.mix_felts(&claims);
    commit(layout, &mut scheme, channel, columns, "commit sums");

    let challenges = Arc::new(challenges);
    let public = Vec::new();
    let statement = Statement {
        key: &key,
        fingerprint,
        context: None,
        public,
        claims: &claims,
        challenges: &challenges,
        lookup_nonce,
    };
    let proof = statement.close(scheme, channel)?;
    proof.ok_or_else(|| ProveError::Constraint("two commitments of the same weights differ".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{setup, HidingOption, SetupOptions};
    use veristar_model::{bounds, Graph, Node, Op, Parameter, Range, Tensor};

    /// One dense layer of four weights.
    fn dense(weights: [i32; 4]) -> Package {
        let range = Range { lo: -128, hi: 127 };
        let tensor = |name: &str| Tensor {
            name: name.into(),
            shape: vec![1, 2],
            scale: 1.0,
            zero_point: 0,
            range,
        };
        let mut graph = Graph {
            name: "dense".into(),
            tensors: vec![tensor("x"), tensor("y")],
            inputs: vec![0],
            outputs: vec![1],
            parameters: vec![Parameter {
                name: "w".into(),
                shape: vec![2, 2],
                values: weights.to_vec(),
                range: Range { lo: -8, hi: 8 },
            }],
            nodes: vec![Node {
                name: "matmul".into(),
                op: Op::MatMul { weight: 0, bias: None },
                inputs: vec![0],
                output: 1,
            }],
            ..Graph::default()
        };
        bounds::propagate(&mut graph).expect("propagate");
        let options = SetupOptions {
            preset: veristar_security::Preset::Compact,
            batch: 1,
            public: Default::default(),
            hiding: HidingOption::Fitting,
        };
        setup(graph, &options).expect("setup")
    }

    #[test]
    fn other_weights_cannot_be_proven_the_same() {
        let old = Prepared::new(dense([1, 2, 3, 4])).expect("prepare");
        // The same ranges, so that the keys differ in their weights only.
        for (weights, same) in [([1, 2, 3, 4], true), ([2, 1, 3, 4], false)] {
            let new = Prepared::new(dense(weights)).expect("prepare");
            match prove(&old, &new) {
                Ok(proof) => {
                    let keys = (&old.package.key, &new.package.key);
                    veristar_verifier::rotation::verify_rotation(keys.0, keys.1, &proof)
                        .expect("verify");
                    assert!(same);
                }
                Err(ProveError::Constraint(_)) => assert!(!same),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
