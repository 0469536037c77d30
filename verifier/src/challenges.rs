//! Challenges, and the constraints at the out-of-domain point.

use alloc::vec::Vec;
use num_traits::{One, Zero};
use stwo::core::channel::Channel;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use veristar_air::evaluator::Challenge;
use veristar_air::program::Layout;

/// All challenges that constraints use.
#[derive(Clone, Debug)]
pub struct Challenges {
    /// Powers of `t`.
    pub t: Vec<QM31>,
    /// Powers of `r`.
    pub r: Vec<QM31>,
    /// Where fractions are summed.
    pub z: QM31,
    /// Powers of `alpha`.
    pub alpha: [QM31; 5],
    /// Joins the linear identity to the lookup sum.
    pub beta: QM31,
    /// Joins the tables' masks to it.
    pub delta: QM31,
}

fn powers(base: QM31, count: usize) -> Vec<QM31> {
    core::iter::successors(Some(QM31::one()), |p| Some(*p * base)).take(count).collect()
}

impl Challenges {
    /// No challenges: for looking at shapes only.
    pub fn none() -> Self {
        let zero = QM31::zero();
        Self { t: Vec::new(), r: Vec::new(), z: zero, alpha: [zero; 5], beta: zero, delta: zero }
    }

    /// Draws `t` and `r`: after the values are committed.
    pub fn evaluation_points(channel: &mut impl Channel, layout: &Layout) -> Self {
        let width = layout.instances.iter().map(|i| i.chip.width()).max().unwrap_or(0);
        let count = width.max(1) + 1;
        let t = channel.draw_secure_felt();
        let r = channel.draw_secure_felt();
        Self { t: powers(t, count), r: powers(r, count), ..Self::none() }
    }

    /// Draws `z`, `alpha`, `beta` and `delta`: after the evaluations are committed.
    pub fn draw_lookups(&mut self, channel: &mut impl Channel) {
        self.z = channel.draw_secure_felt();
        let alpha = channel.draw_secure_felt();
        let square = alpha * alpha;
        self.alpha = [QM31::one(), alpha, square, square * alpha, square * square];
        self.beta = channel.draw_secure_felt();
        self.delta = channel.draw_secure_felt();
    }

    /// The value of a challenge; `claim` is the table's own.
    pub fn get(&self, challenge: Challenge, claim: QM31) -> QM31 {
        let at = |powers: &[QM31], n: usize| powers.get(n).copied().unwrap_or_else(QM31::zero);
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

    /// `value + alpha * address - z`: the compressed memory tuple.
    pub fn memory(&self, value: QM31, address: u32) -> QM31 {
        let [_, alpha, ..] = self.alpha;
        value + alpha * M31::from(address) - self.z
    }
}
