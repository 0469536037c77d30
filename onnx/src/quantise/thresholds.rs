//! Requantisation with real scales, by integers: which formula gives exactly the file's results.
//!
//! A requantisation is a staircase: it is known by its *thresholds*, the smallest sum that gives `y` or more, for
//! each `y`. Two formulas are tried, and compared at every threshold within reach; both are monotone,
//! so that they agree everywhere if they do there.
//!
//! - *One step*: `rshift(m acc + o, s)`. Exact if the sums leave enough bits to `m`.
//! - *Corrected*: one step that is at most one too low, `y0` (after dropping bits and clamping, where sums reach far
//!   beyond what the result can hold); then `y0 + 1` where the sum has reached
//!   the threshold of `y0 + 1`. That threshold is a table of `y0`; or, with a scale for each channel, a
//!   [line](super::line).

use veristar_model::{interpret::rshift, Range};

use crate::requantise::Requantise;

/// A table's entries and the bits dropped before it share these.
const TABLE_AND_SHIFT: u32 = 30;
/// Sums with their factor stay below this.
const PRODUCT: i64 = (1 << 30) - (1 << 24);
/// Largest shift of an operation.
const MAX_SHIFT: u32 = 24;
/// Longest table after a step.
const LONGEST: u64 = 1 << 18;
/// Thresholds beyond are out of any sum's reach.
const FAR: i64 = 1 << 40;

/// `rshift(factor acc + offset, shift)`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub factor: i64,
    pub offset: i64,
    pub shift: u32,
}

/// `rshift(acc, drop)` within `+-end`, before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coarse {
    pub drop: u32,
    pub end: i64,
}

/// Steps whose results are at most one too low, one for each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    pub coarse: Option<Coarse>,
    pub steps: Vec<Step>,
    /// Arguments of the table after them.
    pub domain: (i64, i64),
}

/// One channel's staircase.
pub struct Staircase<'a> {
    requantise: &'a Requantise,
    channel: usize,
    reach: Range,
    /// For `y` from `lo + 1`.
    thresholds: Vec<i64>,
}

/// Where the product of a sum and the scale passes from below to above a half-way point, in 32-bit floats.
#[derive(Debug, Clone, Copy)]
pub struct Crossing {
    /// The smallest sum whose product is half-way or above.
    pub tie: i64,
    /// The smallest sum whose product is above.
    pub above: i64,
}

impl Step {
    pub fn at(&self, acc: i64) -> i64 {
        rshift(self.factor * acc + self.offset, self.shift)
    }
}

impl Coarse {
    /// Whatever the sum, as it is.
    pub const NONE: Self = Self { drop: 0, end: FAR };

    pub fn at(&self, acc: i64) -> i64 {
        rshift(acc, self.drop).clamp(-self.end, self.end)
    }

    /// Drops as many bits as an eighth of a step allows, and keeps what all staircases tell apart.
    pub fn of(stairs: &[Staircase<'_>]) -> Option<Self> {
        let largest = stairs.iter().map(Staircase::factor).fold(0.0, f64::max);
        let drop = (1.0 / (4.0 * largest)).log2().floor();
        if !(1.0..=f64::from(MAX_SHIFT)).contains(&drop) {
            return None;
        }
        let drop = drop as u32;
        let ends = stairs.iter().flat_map(|one| {
            [one.thresholds.first(), one.thresholds.last()].map(|t| t.map_or(0, |t| t.abs()))
        });
        let end = ends.max().unwrap_or(0);
        (end < FAR / 2).then_some(Self { drop, end: (end >> drop) + 4 })
    }
}

impl Near {
    /// Steps for all channels, of the sums or of coarser ones.
    pub fn of(stairs: &[Staircase<'_>]) -> Option<Self> {
        [None, Coarse::of(stairs)].into_iter().find_map(|coarse| {
            let domain = domain(stairs, coarse)?;
            let steps = stairs.iter().map(|one| one.nearly(coarse, entries(domain)));
            Some(Self { coarse, steps: steps.collect::<Option<_>>()?, domain })
        })
    }
}

/// The table's arguments after steps for all channels, if it is not too long.
pub fn domain(stairs: &[Staircase<'_>], coarse: Option<Coarse>) -> Option<(i64, i64)> {
    let all = stairs.iter().map(|one| one.domain(coarse));
    let domain = all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    (entries(domain) <= LONGEST).then_some(domain)
}

/// The smallest sum for which a monotone condition holds.
fn search(holds: impl Fn(i64) -> bool) -> i64 {
    let (mut below, mut enough) = (-FAR, FAR);
    while enough - below > 1 {
        let middle = below + (enough - below) / 2;
        if holds(middle) {
            enough = middle;
        } else {
            below = middle;
        }
    }
    enough
}

/// Entries of a table for such arguments.
pub fn entries((lo, hi): (i64, i64)) -> u64 {
    lo.abs_diff(hi) + 1
}

impl<'a> Staircase<'a> {
    /// The staircase of a channel for sums in `reach`.
    pub fn new(requantise: &'a Requantise, channel: usize, reach: Range) -> Self {
        let mut all = Self { requantise, channel, reach, thresholds: Vec::new() };
        let (lo, hi) = (i64::from(requantise.lo), i64::from(requantise.hi));
        all.thresholds = (lo + 1..=hi).map(|y| search(|acc| all.value(acc) >= y)).collect();
        all
    }

    pub fn value(&self, acc: i64) -> i64 {
        self.requantise.value(self.channel, acc as f32).into()
    }

    /// Where products pass half-way to `y`.
    pub fn crossing(&self, y: i64) -> Crossing {
        let half = (y - i64::from(self.requantise.zero)) as f32 - 0.5;
        let product = |acc: i64| self.requantise.scaled(self.channel, acc as f32);
        Crossing {
            tie: search(|acc| product(acc) >= half),
            above: search(|acc| product(acc) > half),
        }
    }

    /// The sums that come.
    pub fn reach(&self) -> Range {
        self.reach
    }

    /// The requantisation it is of.
    pub fn requantise(&self) -> &Requantise {
        self.requantise
    }

    /// The real factor.
    pub fn factor(&self) -> f64 {
        let scale = f64::from(self.requantise.scale_of(self.channel));
        match self.requantise.divide {
            true => 1.0 / scale,
            false => scale,
        }
    }

    /// Arguments of the table after a step: what sums in reach give, and one more on both sides.
    pub fn domain(&self, coarse: Option<Coarse>) -> (i64, i64) {
        let zero = i64::from(self.requantise.zero);
        let coarse = coarse.unwrap_or(Coarse::NONE);
        let grid = f64::from(1u32 << coarse.drop);
        let at = |acc: i64| coarse.at(acc) as f64 * grid * self.factor();
        let (lo, hi) = (at(self.reach.lo).floor() as i64, at(self.reach.hi).ceil() as i64);
        (lo + zero - 2, hi + zero + 2)
    }

    /// The smallest sum of each value after the first, in order.
    pub fn thresholds(&self) -> &[i64] {
        &self.thresholds
    }

    /// Steps of all shifts that the field and a table of `entries` leave, the finest first; `back` is
    /// how far below the real line they lie.
    fn steps(&self, coarse: Coarse, entries: u64, back: f64) -> impl Iterator<Item = Step> + '_ {
        let dropped = f64::from(1u32 << coarse.drop);
        let bits = 64 - entries.leading_zeros();
        let most = TABLE_AND_SHIFT.saturating_sub(bits).min(MAX_SHIFT);
        let largest = self.reach.lo.abs().max(self.reach.hi.abs());
        let largest = rshift(largest, coarse.drop).min(coarse.end) + 1;
        (0..=most).rev().filter_map(move |shift| {
            let grid = f64::from(1u32 << shift);
            let factor = (self.factor() * dropped * grid).round() as i64;
            let zero = f64::from(self.requantise.zero);
            let offset = ((zero - back) * grid).round() as i64;
            let product = factor.checked_mul(largest)?.checked_add(offset.abs())?;
            let fits = product < PRODUCT && i32::try_from(factor).is_ok();
            (fits && factor > 0).then_some(Step { factor, offset, shift })
        })
    }

    /// One step that gives exactly the staircase.
    pub fn exactly(&self, entries: u64) -> Option<Step> {
        let nudges = [0, -1, 1, -2, 2];
        self.steps(Coarse::NONE, entries, 0.0).take(3).find_map(|step| {
            let mut near = nudges.iter().map(|n| Step { offset: step.offset + n, ..step });
            near.find(|step| self.is_met(|acc| step.at(acc), 0))
        })
    }

    /// One step that gives the staircase or one less.
    pub fn nearly(&self, coarse: Option<Coarse>, entries: u64) -> Option<Step> {
        let coarse = coarse.unwrap_or(Coarse::NONE);
        let mut steps = self.steps(coarse, entries, 0.25).take(3);
        steps.find(|step| self.is_met(|acc| step.at(coarse.at(acc)), 1))
    }

    /// Whether a monotone function of sums in reach gives the staircase, or at most `slack` less.
    fn is_met(&self, at: impl Fn(i64) -> i64, slack: i64) -> bool {
        let first = i64::from(self.requantise.lo) + 1;
        self.thresholds.iter().zip(first..).all(|(threshold, y)| {
            let short = threshold - 1;
            (*threshold > self.reach.hi || at((*threshold).max(self.reach.lo)) >= y - slack)
                && (short < self.reach.lo || at(short.min(self.reach.hi)) < y)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::Arc;
    use tract_onnx::prelude::*;

    pub fn requantise(scale: f32, zero: i32) -> Requantise {
        let (divide, axis, to) = (false, 1, i8::datum_type());
        Requantise { scale: Arc::new(vec![scale]), divide, axis, zero, lo: -128, hi: 127, to }
    }

    #[test]
    fn one_step_is_exact_or_refused() {
        let r = requantise(0.030_123, 0);
        let stairs = Staircase::new(&r, 0, Range { lo: -4000, hi: 4000 });
        let domain = domain(std::slice::from_ref(&stairs), None).expect("a short table");
        let step = stairs.exactly(entries(domain)).expect("few sums leave many bits");
        for acc in -4000..=4000 {
            assert_eq!(step.at(acc).clamp(-128, 127), stairs.value(acc));
        }
    }
}
