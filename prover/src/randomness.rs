//! Random cells: what hides a witness.
//!
//! Every kind of mask has a stream of its own of one ChaCha20 generator, seeded by the operating
//! system for each proof. So a test can hold one kind still, or leave it out, and look at the rest.

use crate::error::ProveError;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;

/// What is random, and which messages of a proof it hides (docs/src/zero-knowledge.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Reserved rows of weights: openings of the weights tree.
    Weights,
    /// Reserved rows of values: openings of the values tree.
    Values,
    /// Reserved rows of evaluations: openings of the evaluations tree.
    Evaluations,
    /// Reserved rows of lookup and running sums: openings of the sums tree.
    Sums,
    /// Cells of the last reserved row: the tables' totals.
    Totals,
    /// `blind`'s evaluations: the composition polynomial's halves.
    Composition,
    /// `blind`'s other columns: the low-degree test, and the hashes of leaves.
    Salt,
}

impl Mask {
    /// Every kind.
    pub const ALL: [Mask; 7] = [
        Mask::Weights,
        Mask::Values,
        Mask::Evaluations,
        Mask::Sums,
        Mask::Totals,
        Mask::Composition,
        Mask::Salt,
    ];
}

/// The random cells of one proof.
pub struct Randomness {
    /// One generator a kind of mask; `None` leaves its cells 0.
    streams: [Option<ChaCha20Rng>; Mask::ALL.len()],
}

/// A fresh seed from the operating system.
///
/// # Errors
/// It has none.
pub fn seed() -> Result<[u8; 32], ProveError> {
    let mut seed = [0; 32];
    getrandom::getrandom(&mut seed).map_err(|error| ProveError::Random(error.to_string()))?;
    Ok(seed)
}

impl Randomness {
    /// For a new proof.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn from_os() -> Result<Self, ProveError> {
        Ok(Self::from_seed(seed()?))
    }

    /// From a seed. Two proofs from one seed hide nothing: for commitments that must be made again,
    /// and for tests.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let stream = |mask: Mask| {
            let mut generator = ChaCha20Rng::from_seed(seed);
            generator.set_stream(mask as u64);
            Some(generator)
        };
        Self { streams: Mask::ALL.map(stream) }
    }

    /// No random cells: nothing is hidden.
    pub fn none() -> Self {
        Self { streams: Mask::ALL.map(|_| None) }
    }

    /// Takes one kind of mask from another source. For tests of that mask.
    #[doc(hidden)]
    pub fn with(mut self, mask: Mask, other: &mut Self) -> Self {
        self.streams[mask as usize] = other.streams[mask as usize].take();
        self
    }

    /// A uniform field element.
    pub fn element(&mut self, mask: Mask) -> M31 {
        let Some(generator) = &mut self.streams[mask as usize] else { return M31::from(0) };
        loop {
            let word = generator.next_u32() >> 1;
            if word < P {
                return M31::from_u32_unchecked(word);
            }
        }
    }

    /// A uniform element of the extension field.
    pub fn extension(&mut self, mask: Mask) -> QM31 {
        QM31::from_m31_array(std::array::from_fn(|_| self.element(mask)))
    }

    /// Fills cells.
    pub fn fill(&mut self, mask: Mask, cells: &mut [M31]) {
        if self.streams[mask as usize].is_some() {
            cells.fill_with(|| self.element(mask));
        }
    }
}
