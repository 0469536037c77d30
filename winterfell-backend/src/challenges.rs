//! Challenges, in the order in which they are drawn.

use crate::error::VerifyError;
use crate::field::K;
use crate::transcript::Transcript;
use alloc::vec::Vec;
use veristar_air::evaluator::Challenge;
use veristar_air::program::Layout;

/// All challenges that constraints use.
#[derive(Clone, Debug)]
pub struct Challenges {
    t: Vec<K>,
    r: Vec<K>,
    z: K,
    alpha: [K; 5],
    beta: K,
    delta: K,
}

impl Challenges {
    /// Draws `t` and `r`: after the values are committed.
    ///
    /// # Errors
    /// The hash gave no field element in a thousand tries.
    pub fn evaluation_points(
        transcript: &mut Transcript,
        layout: &Layout,
    ) -> Result<Self, VerifyError> {
        let width = layout.instances.iter().map(|i| i.chip.width()).max().unwrap_or(0);
        let count = width.saturating_add(2);
        let mut powers = || Ok::<_, VerifyError>(transcript.draw()?.powers(count).collect());
        let (t, r) = (powers()?, powers()?);
        let zero = K::ZERO;
        Ok(Self { t, r, z: zero, alpha: [zero; 5], beta: zero, delta: zero })
    }

    /// Draws `z`, `alpha`, `beta` and `delta`: after the evaluations are committed.
    ///
    /// # Errors
    /// As [`Challenges::evaluation_points`].
    pub fn draw_lookups(&mut self, transcript: &mut Transcript) -> Result<(), VerifyError> {
        self.z = transcript.draw()?;
        let alpha = transcript.draw()?;
        let square = alpha * alpha;
        self.alpha = [K::ONE, alpha, square, square * alpha, square * square];
        self.beta = transcript.draw()?;
        self.delta = transcript.draw()?;
        Ok(())
    }

    /// The value of a challenge; `claim` is the table's own.
    pub fn get(&self, challenge: Challenge, claim: K) -> K {
        let at = |powers: &[K], n: usize| powers.get(n).copied().unwrap_or_default();
        match challenge {
            Challenge::T(n) => at(&self.t, n),
            Challenge::R(n) => at(&self.r, n),
            Challenge::Z => self.z,
            Challenge::Alpha(n) => at(&self.alpha, n),
            Challenge::Beta => self.beta,
            Challenge::Delta => self.delta,
            Challenge::Claim => claim,
        }
    }

    /// `t`.
    pub fn t(&self) -> K {
        self.get(Challenge::T(1), K::ZERO)
    }

    /// `r`.
    pub fn r(&self) -> K {
        self.get(Challenge::R(1), K::ZERO)
    }
}
