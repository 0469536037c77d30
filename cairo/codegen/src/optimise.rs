//! Makes a rolled chip cheaper: constants folded, what no lane changes moved before the loop, equal
//! operations done once, unused ones left out.

use crate::roll::{Affine, Rolled, Source, Step};
use crate::tape::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// All passes.
pub fn optimise(mut rolled: Rolled) -> Rolled {
    fold(&mut rolled);
    hoist(&mut rolled);
    share(&mut rolled);
    drop_unused(rolled)
}

/// Replacements of operations, part by part.
struct Renamed {
    before: Vec<Source>,
    body: Vec<Source>,
    after: Vec<Source>,
}

impl Renamed {
    fn new(rolled: &Rolled) -> Self {
        Self {
            before: (0..rolled.before.len()).map(Source::Before).collect(),
            body: (0..rolled.body.len()).map(Source::Body).collect(),
            after: (0..rolled.after.len()).map(Source::After).collect(),
        }
    }

    fn of(&self, source: Source) -> Source {
        match source {
            Source::Before(n) => self.before[n],
            Source::Body(n) => self.body[n],
            Source::After(n) => self.after[n],
            Source::Carried(n) => Source::Carried(n),
        }
    }

    fn step(&self, step: &mut Step) {
        for operand in &mut step.operands {
            *operand = self.of(*operand);
        }
    }

    fn carried(&self, rolled: &mut Rolled) {
        for (_, initial) in &mut rolled.carried {
            *initial = initial.map(|source| self.of(source));
        }
    }
}

fn integer(rolled: &Rolled, source: Source) -> Option<i64> {
    let step = match source {
        Source::Before(n) => rolled.before.get(n),
        Source::Body(n) => rolled.body.get(n),
        Source::After(n) => rolled.after.get(n),
        Source::Carried(_) => None,
    }?;
    let Affine { constant, lane: 0, width: 0 } = step.parameter else { return None };
    (step.kind == Kind::Integer).then_some(constant)
}

/// What an operation is the same as.
fn simpler(rolled: &Rolled, step: &Step) -> Option<Source> {
    let [left, right] = *step.operands.as_slice() else { return None };
    match (step.kind, integer(rolled, left), integer(rolled, right)) {
        (Kind::Add, Some(0), _) | (Kind::Mul, Some(1), _) | (Kind::Mul, _, Some(0)) => Some(right),
        (Kind::Add | Kind::Sub, _, Some(0)) | (Kind::Mul, _, Some(1)) => Some(left),
        (Kind::Mul, Some(0), _) => Some(left),
        _ => None,
    }
}

fn fold(rolled: &mut Rolled) {
    let mut renamed = Renamed::new(rolled);
    let parts: [fn(&mut Rolled) -> &mut Vec<Step>; 3] =
        [|r| &mut r.before, |r| &mut r.body, |r| &mut r.after];
    for (number, part) in parts.into_iter().enumerate() {
        for k in 0..part(rolled).len() {
            let mut step = part(rolled)[k].clone();
            renamed.step(&mut step);
            if let Some(same) = simpler(rolled, &step) {
                // A carried operation keeps its place: others refer to it by number.
                let carried = number == 1 && rolled.carried.iter().any(|(o, _)| *o == k);
                if !carried {
                    [&mut renamed.before, &mut renamed.body, &mut renamed.after][number][k] = same;
                }
            } else if step.kind == Kind::Sub && integer(rolled, step.operands[0]) == Some(0) {
                step = Step { kind: Kind::Neg, operands: vec![step.operands[1]], ..step };
            }
            part(rolled)[k] = step;
        }
    }
    renamed.carried(rolled);
}

/// Moves operations of the body that are the same for every lane before the loop.
fn hoist(rolled: &mut Rolled) {
    let mut renamed = Renamed::new(rolled);
    for k in 0..rolled.body.len() {
        let mut step = rolled.body[k].clone();
        renamed.step(&mut step);
        let fixed = !step.kind.is_effect()
            && step.parameter.lane == 0
            && step.operands.iter().all(|o| matches!(o, Source::Before(_)))
            && rolled.carried.iter().all(|(o, _)| *o != k);
        if fixed {
            renamed.body[k] = Source::Before(rolled.before.len());
            rolled.before.push(step.clone());
        }
        rolled.body[k] = step;
    }
}

/// Does equal operations once.
fn share(rolled: &mut Rolled) {
    let mut renamed = Renamed::new(rolled);
    let mut known = BTreeMap::new();
    for k in 0..rolled.before.len() {
        let mut step = rolled.before[k].clone();
        renamed.step(&mut step);
        if !step.kind.is_effect() {
            let key = (step.kind, step.parameter, step.operands.clone());
            renamed.before[k] = *known.entry(key).or_insert(Source::Before(k));
        }
        rolled.before[k] = step;
    }
    let outside = known.clone();
    for k in 0..rolled.body.len() {
        let mut step = rolled.body[k].clone();
        renamed.step(&mut step);
        let carried = rolled.carried.iter().any(|(o, _)| *o == k);
        if !step.kind.is_effect() && !carried {
            let key = (step.kind, step.parameter, step.operands.clone());
            renamed.body[k] = *known.entry(key).or_insert(Source::Body(k));
        }
        rolled.body[k] = step;
    }
    let mut known = outside;
    for k in 0..rolled.after.len() {
        let mut step = rolled.after[k].clone();
        renamed.step(&mut step);
        if !step.kind.is_effect() {
            let key = (step.kind, step.parameter, step.operands.clone());
            renamed.after[k] = *known.entry(key).or_insert(Source::After(k));
        }
        rolled.after[k] = step;
    }
    renamed.carried(rolled);
}

/// Leaves out operations without use.
fn drop_unused(rolled: Rolled) -> Rolled {
    let mut used = BTreeSet::new();
    let mut left: Vec<Source> = Vec::new();
    for step in rolled.before.iter().chain(&rolled.body).chain(&rolled.after) {
        if step.kind.is_effect() {
            left.extend(&step.operands);
        }
    }
    while let Some(source) = left.pop() {
        if !used.insert(source) {
            continue;
        }
        match source {
            Source::Before(n) => left.extend(&rolled.before[n].operands),
            Source::Body(n) => left.extend(&rolled.body[n].operands),
            Source::After(n) => left.extend(&rolled.after[n].operands),
            Source::Carried(n) => {
                left.push(Source::Body(n));
                left.extend(rolled.carried.iter().filter(|c| c.0 == n).filter_map(|c| c.1));
            }
        }
    }
    let mut renamed = Renamed::new(&rolled);
    let keep = |part: &[Step], name: fn(usize) -> Source, names: &mut Vec<Source>| {
        let mut kept = Vec::new();
        for (n, step) in part.iter().enumerate() {
            if step.kind.is_effect() || used.contains(&name(n)) {
                names[n] = name(kept.len());
                kept.push(step.clone());
            }
        }
        kept
    };
    let mut result = Rolled {
        before: keep(&rolled.before, Source::Before, &mut renamed.before),
        body: keep(&rolled.body, Source::Body, &mut renamed.body),
        after: keep(&rolled.after, Source::After, &mut renamed.after),
        ..rolled
    };
    let number = |renamed: &Renamed, n: usize| match renamed.body[n] {
        Source::Body(n) => n,
        _ => n,
    };
    result.carried.retain(|(o, _)| used.contains(&Source::Carried(*o)));
    for step in result.before.iter_mut().chain(&mut result.body).chain(&mut result.after) {
        for operand in &mut step.operands {
            *operand = match *operand {
                Source::Carried(n) => Source::Carried(number(&renamed, n)),
                other => renamed.of(other),
            };
        }
    }
    for (operation, initial) in &mut result.carried {
        *operation = number(&renamed, *operation);
        *initial = initial.map(|source| renamed.of(source));
    }
    result
}
