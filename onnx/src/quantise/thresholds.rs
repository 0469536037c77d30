//! Requantisation with real scales, by integers: which formula gives exactly the file's results.
//!
//! A requantisation is a staircase: it is known by its *thresholds*, the smallest sum that gives `y` or more, for
//! each `y`. Two formulas are tried, and compared at every threshold within reach; both are monotone,
//! so that they agree everywhere if they do there.
//!
//! - *One step*: `rshift(m acc + o, s)`. Exact if the sums leave enough bits to `m`.
//! - *Corrected*: one step that is at most one too low, `y0` (after dropping bits and clamping, where sums reach far
//!   beyond what the result can hold); then `y0 + 1` where the sum has reached
//!   the threshold of `y0 + 1`. That threshold is a table of `y0`; or, with a scale for each channel, a line:
//!   `a y0 + rshift(A y0 + B, 20) + odd(y0) e + b`, whose coefficients are the channel's.

use veristar_model::{interpret::rshift, Range};

use crate::requantise::Requantise;

/// Bits of a line's fractions.
pub const FRACTION: u32 = 20;
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

/// Thresholds as a line of `y0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// `a`
    pub whole: i64,
    /// `A`
    pub slope: i64,
    /// `B`
    pub offset: i64,
    /// `e`
    pub odd: i64,
    /// `b`
    pub start: i64,
}

/// One channel's staircase.
pub struct Staircase<'a> {
    requantise: &'a Requantise,
    channel: usize,
    reach: Range,
    /// For `y` from `lo + 1`.
    thresholds: Vec<i64>,
}

impl Step {
    fn at(&self, acc: i64) -> i64 {
        rshift(self.factor * acc + self.offset, self.shift)
    }
}

impl Coarse {
    /// Whatever the sum, as it is.
    const NONE: Self = Self { drop: 0, end: FAR };

    fn at(&self, acc: i64) -> i64 {
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

/// Entries of a table for such arguments.
pub fn entries((lo, hi): (i64, i64)) -> u64 {
    lo.abs_diff(hi) + 1
}

impl Line {
    /// The threshold after `y0`.
    pub fn at(&self, y0: i64, zero: i64) -> i64 {
        let fraction = rshift(self.slope * y0 + self.offset, FRACTION);
        self.whole * y0 + fraction + self.odd * is_odd(y0, zero) + self.start
    }
}

/// Whether the value after `y0`, before its zero point, is odd: sums half-way to it fall short of it.
pub fn is_odd(y0: i64, zero: i64) -> i64 {
    (y0 + 1 - zero).rem_euclid(2)
}

impl<'a> Staircase<'a> {
    /// The staircase of a channel for sums in `reach`.
    pub fn new(requantise: &'a Requantise, channel: usize, reach: Range) -> Self {
        let mut all = Self { requantise, channel, reach, thresholds: Vec::new() };
        let (lo, hi) = (i64::from(requantise.lo), i64::from(requantise.hi));
        all.thresholds = (lo + 1..=hi).map(|y| all.search(y)).collect();
        all
    }

    fn value(&self, acc: i64) -> i64 {
        self.requantise.value(self.channel, acc as f32).into()
    }

    /// The smallest sum that gives `y` or more, whether a sum reaches it or not.
    fn search(&self, y: i64) -> i64 {
        let (mut below, mut enough) = (-FAR, FAR);
        while enough - below > 1 {
            let middle = below + (enough - below) / 2;
            if self.value(middle) >= y {
                enough = middle;
            } else {
                below = middle;
            }
        }
        enough
    }

    /// The real factor.
    fn factor(&self) -> f64 {
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

    /// The thresholds as a line; and how many of those in reach it misses.
    pub fn line(&self) -> (Line, usize) {
        let run = 1.0 / self.factor();
        let span = self.reach.hi - self.reach.lo + 3;
        if run > span as f64 {
            return (self.lonely(span), 0);
        }
        let zero = i64::from(self.requantise.zero);
        let grid = f64::from(1u32 << FRACTION);
        let whole = run.floor().min(f64::from(1u32 << 29)) as i64;
        let slope = ((run - run.floor()) * grid).round() as i64;
        // The real line at y0 = 0.
        let first = run * (0.5 - zero as f64);
        let start = first.floor() as i64;
        let half = 1i64 << (FRACTION - 1);
        let offset = ((first - first.floor()) * grid).round() as i64 + half;
        let mut best: Option<(Line, usize)> = None;
        for odd in [0, 1] {
            for nudge in [0, -1, 1, -3, 3, -8, 8, -24, 24, -64, 64] {
                for steeper in [0, -1, 1] {
                    let line = Line {
                        whole,
                        slope: slope + steeper,
                        offset: offset - 1 + nudge,
                        odd,
                        start,
                    };
                    let missed = self.missed(&line, zero);
                    if best.is_none_or(|(_, least)| missed < least) {
                        best = Some((line, missed));
                    }
                    if missed == 0 {
                        return (line, 0);
                    }
                }
            }
        }
        best.unwrap_or((Line { whole, slope, offset, odd: 0, start }, self.thresholds.len()))
    }

    /// At most one threshold is in reach: any line through it that leaves the others out of reach.
    fn lonely(&self, span: i64) -> Line {
        let first = i64::from(self.requantise.lo);
        // The first threshold that not all sums have reached.
        let place = self.thresholds.iter().position(|t| *t > self.reach.lo);
        let (y0, threshold) = match place {
            Some(k) => (first + k as i64, self.thresholds[k].min(self.reach.hi + 1)),
            None => (first + self.thresholds.len() as i64, self.reach.hi + 1),
        };
        Line { whole: span, slope: 0, offset: 0, odd: 0, start: threshold - span * y0 }
    }

    fn missed(&self, line: &Line, zero: i64) -> usize {
        let first = i64::from(self.requantise.lo);
        let wrong = |(threshold, y0): (&i64, i64)| {
            let given = line.at(y0, zero);
            match *threshold {
                t if t > self.reach.hi => given <= self.reach.hi,
                t if t <= self.reach.lo => given > self.reach.lo,
                t => given != t,
            }
        };
        self.thresholds.iter().zip(first..).filter(|pair| wrong(*pair)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use tract_onnx::prelude::*;

    fn requantise(scale: f32, zero: i32) -> Requantise {
        let (divide, axis, to) = (false, 1, i8::datum_type());
        Requantise { scale: Arc::new(vec![scale]), divide, axis, zero, lo: -128, hi: 127, to }
    }

    /// Result of the corrected formula.
    fn corrected(stairs: &Staircase<'_>, near: &Near, line: &Line, acc: i64) -> i64 {
        let zero = i64::from(stairs.requantise.zero);
        let coarse = near.coarse.unwrap_or(Coarse::NONE);
        let y0 = near.steps[0].at(coarse.at(acc));
        let y0 = y0.clamp(stairs.requantise.lo.into(), i64::from(stairs.requantise.hi) - 1);
        y0 + i64::from(acc >= line.at(y0, zero))
    }

    /// Whether 32-bit floats take a sum for one half-way between two results.
    fn is_tie(stairs: &Staircase<'_>, acc: i64) -> bool {
        let product = acc as f32 * stairs.requantise.scale_of(0);
        product.fract().abs() == 0.5
    }

    proptest! {
        /// Exact everywhere but where rounding of the product to 32 bits makes a tie.
        #[test]
        fn corrected_steps_are_exact(
            exponent in -14.0f32..-5.0,
            zero in -128i32..=127,
            bits in 8u32..22,
            sums in prop::collection::vec(-1.0f64..1.0, 32),
        ) {
            let r = requantise(exponent.exp2(), zero);
            let end = 1i64 << bits;
            let stairs = Staircase::new(&r, 0, Range { lo: -end, hi: end });
            let near = Near::of(std::slice::from_ref(&stairs)).expect("steps");
            let (line, missed) = stairs.line();
            // Products below 2^24 steps of a float round to ties at some thresholds.
            prop_assert!(missed <= 24, "{missed}");
            let near_thresholds = stairs.thresholds().iter().flat_map(|t| [t - 1, *t]);
            let all = sums.iter().map(|s| (s * end as f64) as i64).chain(near_thresholds);
            for acc in all.filter(|acc| acc.abs() <= end && !is_tie(&stairs, *acc)) {
                prop_assert_eq!(corrected(&stairs, &near, &line, acc), stairs.value(acc));
            }
        }
    }

    #[test]
    fn powers_of_two_round_half_to_even() {
        for exponent in -12..0 {
            let r = requantise(2f32.powi(exponent), 3);
            let stairs = Staircase::new(&r, 0, Range { lo: -40_000, hi: 40_000 });
            let near = Near::of(std::slice::from_ref(&stairs)).expect("steps");
            let (line, missed) = stairs.line();
            assert_eq!(missed, 0, "2^{exponent}");
            for acc in (-40_000..=40_000).step_by(7).chain([-1536, -512, 512, 1536, 2560]) {
                assert_eq!(corrected(&stairs, &near, &line, acc), stairs.value(acc));
            }
        }
    }

    #[test]
    fn far_sums_are_coarsened_first() {
        let r = requantise(0.000_931, -128);
        let stairs = Staircase::new(&r, 0, Range { lo: -9_000_000, hi: 9_000_000 });
        let near = Near::of(std::slice::from_ref(&stairs)).expect("steps");
        assert!(near.coarse.is_some());
        let (line, missed) = stairs.line();
        assert!(missed <= 2, "{missed}");
        for acc in (-9_000_000..=9_000_000).step_by(101).filter(|acc| !is_tie(&stairs, *acc)) {
            assert_eq!(corrected(&stairs, &near, &line, acc), stairs.value(acc), "{acc}");
        }
    }

    #[test]
    fn a_line_keeps_to_the_field_where_steps_are_long() {
        let r = requantise(1e-8, 5);
        for bias in [-3_000_000, 0, 49_999_000, 90_000_000] {
            let stairs = Staircase::new(&r, 0, Range { lo: bias - 1000, hi: bias + 1_000_000 });
            let (line, missed) = stairs.line();
            assert_eq!(missed, 0);
            assert_eq!(stairs.missed(&line, 5), 0, "{bias}");
            assert!(line.at(-128, 5).abs().max(line.at(127, 5).abs()) < 1 << 29);
        }
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
