//! The low-degree test, by Winterfell's FRI verifier, behind checks that it leaves to its caller.
//!
//! - Numbers of layers, values and nodes are compared with the key's before it runs; it indexes and
//!   asserts.
//! - *The remainder is bound.* `winter-fri` 0.13.1 absorbs the hash of the last layer's polynomial
//!   before the positions are drawn, but its default channel never compares that hash with the
//!   polynomial it is then given. A prover who may choose the polynomial after seeing the positions
//!   interpolates it through whatever they show: with no more positions than coefficients every
//!   word passes (`tests/remainder.rs` does so). `Channel::read_remainder` makes the comparison.

use crate::field::{Cube, F};
use crate::proof::{FriShape, Layer, Nodes, WinterfellProof};
use crate::transcript::{Coin, Digest, Hash, Paths, Transcript, Tree};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::ToString;
use alloc::vec::Vec;
use winter_crypto::ElementHasher;
use winter_fri::folding::fold_positions;
use winter_fri::{FriOptions, FriVerifier, VerifierChannel, VerifierError};

use crate::error::VerifyError;

type Verifier = FriVerifier<Cube, Channel, Hash, Coin, Tree>;

/// What the prover sent for the low-degree test.
struct Channel {
    shape: FriShape,
    commitments: Vec<Digest>,
    layers: VecDeque<Layer>,
    taken: usize,
    remainder: Vec<Cube>,
    remainder_commitment: Option<Digest>,
    values: Vec<Cube>,
}

impl VerifierChannel<Cube> for Channel {
    type Hasher = Hash;
    type VectorCommitment = Tree;

    fn read_fri_num_partitions(&self) -> usize {
        1
    }

    fn read_fri_layer_commitments(&mut self) -> Vec<Digest> {
        core::mem::take(&mut self.commitments)
    }

    fn take_next_fri_layer_proof(&mut self) -> Paths {
        // Called once a layer, before the layer's values are taken; layers were counted.
        let layer = self.layers.pop_front().unwrap_or_default();
        let depth = self.shape.depth(self.taken);
        self.taken += 1;
        self.values = layer.values;
        Paths { nodes: layer.paths, depth }
    }

    fn take_next_fri_layer_queries(&mut self) -> Vec<Cube> {
        core::mem::take(&mut self.values)
    }

    fn take_fri_remainder(&mut self) -> Vec<Cube> {
        core::mem::take(&mut self.remainder)
    }

    fn read_remainder(&mut self) -> Result<Vec<Cube>, VerifierError> {
        let remainder = self.take_fri_remainder();
        match self.remainder_commitment == Some(Hash::hash_elements(&remainder)) {
            true => Ok(remainder),
            false => Err(VerifierError::LayerCommitmentMismatch),
        }
    }
}

/// The low-degree test after its commitments were absorbed and its challenges drawn.
pub struct LowDegreeTest {
    channel: Channel,
    verifier: Verifier,
}

impl LowDegreeTest {
    /// Absorbs the layers' commitments. `degree` is the largest that is accepted.
    ///
    /// # Errors
    /// Numbers of layers or coefficients are not the key's.
    pub fn commit(
        transcript: &mut Transcript,
        options: FriOptions,
        shape: FriShape,
        degree: usize,
        proof: &WinterfellProof,
    ) -> Result<Self, VerifyError> {
        let counts = proof.layer_commitments.len() == shape.layers + 1
            && proof.layers.len() == shape.layers
            && proof.remainder.len() == shape.remainder;
        if !counts {
            return Err(VerifyError::Shape);
        }
        let mut channel = Channel {
            shape,
            taken: 0,
            commitments: proof.layer_commitments.clone(),
            layers: proof.layers.iter().cloned().collect(),
            remainder: proof.remainder.clone(),
            remainder_commitment: proof.layer_commitments.last().copied(),
            values: Vec::new(),
        };
        let verifier = Verifier::new(&mut channel, transcript.coin(), options, degree)
            .map_err(|error| VerifyError::LowDegree(error.to_string()))?;
        Ok(Self { channel, verifier })
    }

    /// Checks that the word with these values at these positions is near a polynomial.
    ///
    /// # Errors
    /// It is not, or the opened values do not belong to the commitments.
    pub fn check(mut self, values: &[Cube], positions: &[usize]) -> Result<(), VerifyError> {
        let shape = self.channel.shape;
        let mut folded = positions.to_vec();
        let mut domain = 1usize << shape.log_domain;
        for (i, layer) in self.channel.layers.iter().enumerate() {
            folded = fold_positions(&folded, domain, shape.folding);
            domain /= shape.folding;
            let fits = layer.values.len() == folded.len() * shape.folding
                && is_exact(&layer.paths, &folded, shape.depth(i));
            if !fits {
                return Err(VerifyError::Shape);
            }
        }
        self.verifier
            .verify(&mut self.channel, values, positions)
            .map_err(|error| VerifyError::LowDegree(error.to_string()))
    }
}

/// Whether paths have exactly the nodes that opening `positions` in a tree of this depth takes.
/// (Winterfell ignores nodes that it does not need, so a proof would have many encodings.)
pub fn is_exact(paths: &Nodes, positions: &[usize], depth: u8) -> bool {
    let leaves: BTreeSet<usize> = positions.iter().copied().collect();
    let pairs: BTreeSet<usize> = leaves.iter().map(|leaf| leaf >> 1).collect();
    // Nodes are listed by the rank, at each level, of the node whose sibling they are.
    let both = |pair: &usize| leaves.contains(&(pair << 1)) && leaves.contains(&(pair << 1 | 1));
    let mut counts: Vec<usize> = pairs.iter().map(|pair| usize::from(!both(pair))).collect();
    let mut level: Vec<usize> = pairs.into_iter().collect();
    for _ in 1..depth {
        let mut parents = Vec::with_capacity(level.len());
        let mut nodes = level.iter().enumerate().peekable();
        while let Some((rank, node)) = nodes.next() {
            if nodes.next_if(|(_, next)| **next == node ^ 1).is_none() {
                counts.get_mut(rank).into_iter().for_each(|count| *count += 1);
            }
            parents.push(node >> 1);
        }
        level = parents;
    }
    paths.iter().map(Vec::len).eq(counts)
}

/// The evaluation domain's point at a position.
pub fn domain_point(generator: F, offset: F, position: usize) -> F {
    use winter_math::FieldElement;
    generator.exp_vartime(position as u64) * offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use winter_crypto::VectorCommitment;
    use winter_math::FieldElement;

    #[test]
    fn the_remainder_is_what_was_committed() {
        let shape = FriShape { layers: 0, folding: 8, log_domain: 7, remainder: 32 };
        let remainder = vec![Cube::ONE; 32];
        let mut channel = Channel {
            shape,
            commitments: Vec::new(),
            layers: VecDeque::new(),
            taken: 0,
            remainder: remainder.clone(),
            remainder_commitment: Some(Hash::hash_elements(&remainder)),
            values: Vec::new(),
        };
        assert_eq!(channel.read_remainder().as_deref(), Ok(remainder.as_slice()));
        channel.remainder = vec![Cube::ZERO; 32];
        assert!(channel.read_remainder().is_err());
    }

    #[test]
    fn honest_paths_are_exact() {
        let leaves = (0..32u64).map(|i| Hash::hash_elements(&[F::new(i)])).collect();
        let tree = <Tree as VectorCommitment<Hash>>::new(leaves).expect("tree");
        let positions = [vec![3], vec![0, 1], vec![5, 31, 4], vec![9, 8, 7, 6, 30], (0..32).collect()];
        for positions in positions {
            let (_, batch) = tree.prove_batch(&positions).expect("opening");
            assert!(is_exact(&batch.nodes, &positions, 5), "{positions:?}");
            let mut longer = batch.nodes.clone();
            longer[0].push(Default::default());
            assert!(!is_exact(&longer, &positions, 5), "{positions:?}");
        }
    }
}
