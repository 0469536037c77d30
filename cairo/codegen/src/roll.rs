//! From tapes of one chip at several widths to one loop over its lanes.
//!
//! A chip's code is `before; for each lane { body }; after`. The number of operations grows by the
//! body's length with each lane, so the tapes at a few widths give the parts: [`roll`] looks for
//! the split under which all tapes are the same but for columns that are affine in lane and width, and
//! values carried from lane to lane. It checks the result against every tape, so a chip of another form
//! is refused, not mistranslated. A first lane that differs from the others stays outside.

use crate::tape::{Kind, Tape};
use anyhow::{bail, Result};

/// `constant + lane * j + width * w`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affine {
    /// At lane 0 of width 0.
    pub constant: i64,
    /// Growth from lane to lane.
    pub lane: i64,
    /// Growth with the width.
    pub width: i64,
}

impl Affine {
    /// At a lane of a width.
    pub fn at(&self, lane: i64, width: i64) -> i64 {
        self.constant + self.lane * lane + self.width * width
    }

    /// Through samples `(lane, width, value)`, if they are on one.
    pub fn fit(samples: &[(i64, i64, i64)]) -> Option<Self> {
        let find = |l: i64, w: i64| samples.iter().find(|s| (s.0, s.1) == (l, w)).map(|s| s.2);
        let (l0, w0, v0) = *samples.iter().max_by_key(|s| (s.1, -s.0))?;
        let lane = find(l0 + 1, w0).map_or(0, |v| v - v0);
        let width = find(l0, w0 - 1).map_or(0, |v| v0 - v);
        let result = Self { constant: v0 - lane * l0 - width * w0, lane, width };
        samples.iter().all(|(l, w, v)| result.at(*l, *w) == *v).then_some(result)
    }
}

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An operation before the loop.
    Before(usize),
    /// An operation of the same lane.
    Body(usize),
    /// An operation of the lane before; after the loop: of the last lane.
    Carried(usize),
    /// An operation after the loop.
    After(usize),
}

/// An operation of a rolled chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub kind: Kind,
    /// Its parameter.
    pub parameter: Affine,
    /// Its operands.
    pub operands: Vec<Source>,
}

/// A chip's code at any width.
#[derive(Clone, Debug, Default)]
pub struct Rolled {
    /// Before the loop.
    pub before: Vec<Step>,
    /// First lane of the loop: 0 or 1.
    pub start: usize,
    /// Each lane; empty if the chip has no lanes.
    pub body: Vec<Step>,
    /// For operations of the body that are used after their lane: what the first lane uses instead,
    /// if it uses one.
    pub carried: Vec<(usize, Option<Source>)>,
    /// After the loop.
    pub after: Vec<Step>,
    /// Whether the chip has a running sum.
    pub finishes: bool,
}

/// Finds the loop in the tapes of widths 1, 2, and so on.
///
/// # Errors
/// There is none that explains them all.
pub fn roll(name: &str, tapes: &[Tape]) -> Result<Rolled> {
    if let [tape] = tapes {
        let one = |o: &crate::tape::Operation| Step {
            kind: o.kind,
            parameter: Affine { constant: o.parameter, ..Affine::default() },
            operands: o.operands.iter().map(|n| Source::Before(*n)).collect(),
        };
        let before = tape.operations.iter().map(one).collect();
        return Ok(Rolled { before, finishes: tape.finishes, ..Rolled::default() });
    }
    let lengths: Vec<usize> = tapes.iter().map(|t| t.operations.len()).collect();
    let [.., shorter, longest] = *lengths.as_slice() else { bail!("{name}: too few widths") };
    let body = longest - shorter;
    for start in 0..2 {
        // Where a body may begin at several places, the one that carries least reads best.
        let rolled = (0..lengths[0]).filter_map(|before| {
            let rolled = (Split { tapes, start, before, body }).rolled()?;
            Some((rolled.carried.len(), rolled))
        });
        if let Some((_, rolled)) = rolled.min_by_key(|(carried, _)| *carried) {
            return Ok(rolled);
        }
    }
    bail!("{name}: its constraints are not one loop over lanes")
}

/// A guess where the parts are.
struct Split<'a> {
    tapes: &'a [Tape],
    start: usize,
    before: usize,
    body: usize,
}

impl Split<'_> {
    fn rolled(&self) -> Option<Rolled> {
        let Self { tapes, start, before, body } = *self;
        let widths = 1..=tapes.len();
        let after = tapes.first()?.operations.len().checked_sub(before + body * (1 - start))?;
        let fits = |w: usize| tapes[w - 1].operations.len() == before + body * (w - start) + after;
        if !widths.clone().all(fits) {
            return None;
        }
        // For each carried operation, what the first lane uses.
        let mut initial: Vec<Option<usize>> = vec![None; body];
        let first: Vec<_> = widths.clone().map(|w| (0, w, 0)).collect();
        let lanes: Vec<_> = widths
            .clone()
            .flat_map(|w| (start..w).map(move |j| (j, w, before + body * (j - start))))
            .collect();
        let last: Vec<_> =
            widths.clone().map(|w| (w - 1, w, before + body * (w - start))).collect();
        let part = |length: usize, starts: &[(usize, usize, usize)], region, initial: &mut _| {
            let steps = (0..length).map(|k| self.step(k, starts, region, initial));
            steps.collect::<Option<Vec<_>>>()
        };
        let rolled = Rolled {
            before: part(before, &first, Region::Before, &mut initial)?,
            start,
            body: part(body, &lanes, Region::Body, &mut initial)?,
            carried: Vec::new(),
            after: part(after, &last, Region::After, &mut initial)?,
            finishes: tapes.first()?.finishes,
        };
        let mut carried = Vec::new();
        for step in rolled.body.iter().chain(&rolled.after) {
            for source in &step.operands {
                if let Source::Carried(o) = source {
                    // A loop that may have no lane needs a value for what follows.
                    if initial[*o].is_none() && start > 0 {
                        return None;
                    }
                    carried.push((*o, initial[*o].map(Source::Before)));
                }
            }
        }
        carried.sort_unstable();
        carried.dedup();
        Some(Rolled { carried, ..rolled })
    }

    /// Operation `k` of a part, which starts at `starts` (lane, width, position).
    fn step(
        &self,
        k: usize,
        starts: &[(usize, usize, usize)],
        region: Region,
        initial: &mut [Option<usize>],
    ) -> Option<Step> {
        let operation = |w: usize, at: usize| self.tapes[w - 1].operations.get(at + k);
        let (_, w, at) = *starts.last()?;
        let model = operation(w, at)?;
        let mut samples = Vec::new();
        let mut sources: Vec<Option<Source>> = vec![None; model.operands.len()];
        // Where the part has no lane before it, an operand before the loop may stand for a carried
        // one: these are looked at last.
        let (plain, edge): (Vec<_>, Vec<_>) =
            starts.iter().copied().partition(|(j, w, _)| !self.is_edge(region, *j, *w));
        for (j, w, at) in plain.into_iter().chain(edge) {
            let found = operation(w, at)?;
            if found.kind != model.kind || found.operands.len() != sources.len() {
                return None;
            }
            samples.push((j as i64, w as i64, found.parameter));
            for (operand, source) in found.operands.iter().zip(&mut sources) {
                let place = self.place(*operand, at, region)?;
                match (*source, place) {
                    (None, _) => *source = Some(place),
                    (Some(known), _) if known == place => {}
                    (Some(Source::Carried(o)), Source::Before(i)) if self.is_edge(region, j, w) => {
                        if *initial[o].get_or_insert(i) != i {
                            return None;
                        }
                    }
                    _ => return None,
                }
            }
        }
        Some(Step {
            kind: model.kind,
            parameter: Affine::fit(&samples)?,
            operands: sources.into_iter().collect::<Option<_>>()?,
        })
    }

    fn is_edge(&self, region: Region, lane: usize, width: usize) -> bool {
        match region {
            Region::Before => false,
            Region::Body => lane == self.start,
            Region::After => width == self.start,
        }
    }

    fn place(&self, operand: usize, at: usize, region: Region) -> Option<Source> {
        if operand < self.before {
            return Some(Source::Before(operand));
        }
        if operand >= at {
            return match region {
                Region::Before => None,
                Region::Body => (operand < at + self.body).then(|| Source::Body(operand - at)),
                Region::After => Some(Source::After(operand - at)),
            };
        }
        (operand + self.body >= at).then(|| Source::Carried(operand + self.body - at))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Region {
    Before,
    Body,
    After,
}

#[cfg(test)]
mod tests {
    use super::Affine;

    #[test]
    fn affine_functions_are_found() {
        let f = Affine { constant: 3, lane: -1, width: 2 };
        let samples: Vec<_> =
            (1..6).flat_map(|w| (0..w).map(move |j| (j, w, f.at(j, w)))).collect();
        assert_eq!(Affine::fit(&samples), Some(f));
        let mut other = samples;
        other[7].2 += 1;
        assert_eq!(Affine::fit(&other), None);
    }
}
