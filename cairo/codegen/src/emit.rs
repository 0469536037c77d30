//! Cairo code of a chip.
//!
//! Coordinates are field elements of the machine that are only sometimes reduced below
//! `p = 2^31 - 1`. Every value has a bound, a multiple of `p`; a product reduces, a difference adds the
//! multiple of `p` that keeps it from being negative.

use crate::roll::{Affine, Rolled, Source, Step};
use crate::tape::Kind;
use std::fmt::Write;

/// Largest bound, in multiples of `p`, that an operand may have: a product of two stays far below
/// what the reduction takes.
const LIMIT: u64 = 1 << 20;

/// Names and bounds of what was emitted.
struct Scope {
    text: String,
    before: Vec<u64>,
    body: Vec<u64>,
    after: Vec<u64>,
}

/// The function `constrain` of a chip.
pub fn constrain(rolled: &Rolled) -> String {
    let mut scope = Scope { text: String::new(), before: vec![], body: vec![], after: vec![] };
    let uses_width = !rolled.body.is_empty();
    let width = if uses_width { "width" } else { "_width" };
    let _ = writeln!(
        scope.text,
        "/// The constraints at the point.\npub fn constrain(p: Point, ref total: Combination, {width}: u32) {{"
    );
    if rolled.finishes {
        scope.line(1, "let mut fractions: Array<(QM31, QM31)> = array![];");
    }
    for (n, step) in rolled.before.iter().enumerate() {
        scope.step(1, step, Source::Before(n));
    }
    if !rolled.body.is_empty() {
        for (operation, initial) in &rolled.carried {
            let initial = initial.map_or_else(|| "base(0)".into(), |s| scope.reduced(s));
            scope.line(1, &format!("let mut m{operation} = {initial};"));
        }
        scope.line(1, &format!("let mut j = {};", rolled.start));
        scope.line(1, "while j != width {");
        for (n, step) in rolled.body.iter().enumerate() {
            scope.step(2, step, Source::Body(n));
        }
        for (operation, _) in &rolled.carried {
            let value = scope.reduced(Source::Body(*operation));
            scope.line(2, &format!("m{operation} = {value};"));
        }
        scope.line(2, "j += 1;");
        scope.line(1, "}");
    }
    for (n, step) in rolled.after.iter().enumerate() {
        scope.step(1, step, Source::After(n));
    }
    if rolled.finishes {
        let has_term =
            rolled.before.iter().chain(&rolled.after).any(|step| step.kind == Kind::Term);
        let term = if has_term { "Option::Some(term)" } else { "Option::None" };
        scope.line(1, &format!("finish(p, ref total, fractions.span(), {term});"));
    }
    scope.text.push_str("}\n");
    scope.text
}

impl Scope {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.text, "{}{text}", "    ".repeat(depth));
    }

    fn bound(&self, source: Source) -> u64 {
        match source {
            Source::Before(n) => self.before[n],
            Source::Body(n) => self.body[n],
            Source::After(n) => self.after[n],
            Source::Carried(_) => 1,
        }
    }

    fn name(source: Source) -> String {
        match source {
            Source::Before(n) => format!("a{n}"),
            Source::Body(n) => format!("b{n}"),
            Source::After(n) => format!("c{n}"),
            Source::Carried(n) => format!("m{n}"),
        }
    }

    fn reduced(&self, source: Source) -> String {
        match self.bound(source) {
            1 => Self::name(source),
            _ => format!("reduce({})", Self::name(source)),
        }
    }

    /// A name, reduced if its bound is beyond the limit, with the bound.
    fn operand(&self, source: Source) -> (String, u64) {
        match self.bound(source) {
            bound if bound <= LIMIT => (Self::name(source), bound),
            _ => (self.reduced(source), 1),
        }
    }

    fn step(&mut self, depth: usize, step: &Step, own: Source) {
        let operands: Vec<_> = step.operands.iter().map(|o| self.operand(*o)).collect();
        let (value, bound) = match (step.kind, operands.as_slice()) {
            (Kind::Assert(name), [(x, _)]) => {
                self.line(depth, &format!("total.assert_zero({x}); // {name}"));
                self.set(own, 0);
                return;
            }
            (Kind::Push, [(n, _), (d, _)]) => {
                self.line(depth, &format!("fractions.append(({n}, {d}));"));
                self.set(own, 0);
                return;
            }
            (Kind::Term, [(x, _)]) => {
                self.line(depth, &format!("let term = {x};"));
                self.set(own, 0);
                return;
            }
            (Kind::Add, [(x, m), (y, n)]) => (format!("add({x}, {y})"), m + n),
            (Kind::Sub, [(x, m), (y, n)]) => (format!("sub({x}, {y}, {})", multiple(*n)), m + n),
            (Kind::Neg, [(x, m)]) => (format!("sub(base(0), {x}, {})", multiple(*m)), *m),
            (Kind::Mul, [(x, _), (y, _)]) => (format!("mul({x}, {y})"), 1),
            (kind, _) => (leaf(kind, step.parameter), 1),
        };
        self.line(depth, &format!("let {} = {value};", Self::name(own)));
        self.set(own, bound);
    }

    fn set(&mut self, own: Source, bound: u64) {
        match own {
            Source::Before(_) => self.before.push(bound),
            Source::Body(_) => self.body.push(bound),
            _ => self.after.push(bound),
        }
    }
}

fn multiple(n: u64) -> String {
    match n {
        1 => "P".into(),
        n => format!("{n} * P"),
    }
}

fn leaf(kind: Kind, parameter: Affine) -> String {
    let index = affine(parameter, "width", "j");
    match kind {
        Kind::Program => format!("*p.program.at({index})"),
        Kind::Weight => format!("*p.weights.at({index})"),
        Kind::Value => format!("*p.values.at({index})"),
        Kind::ValueBefore => format!("*p.values_before.at({index})"),
        Kind::Evaluation => format!("*p.evaluations.at({index})"),
        Kind::EvaluationBefore => format!("*p.evaluations_before.at({index})"),
        Kind::T => format!("*p.t.at({index})"),
        Kind::R => format!("*p.r.at({index})"),
        Kind::Alpha => format!("p.alpha_{index}"),
        Kind::Z => "p.z".into(),
        Kind::Beta => "p.beta".into(),
        _ => format!("base({})", parameter.constant.rem_euclid((1 << 31) - 1)),
    }
}

/// An affine function as Cairo; no partial sum is negative.
pub fn affine(function: Affine, width: &str, lane: &str) -> String {
    let terms = [(function.width, width), (function.lane, lane), (function.constant, "")];
    let mut text = String::new();
    for positive in [true, false] {
        for (factor, name) in terms {
            if factor == 0 || (factor > 0) != positive {
                continue;
            }
            let term = match (factor.unsigned_abs(), name) {
                (n, "") => n.to_string(),
                (1, name) => name.to_string(),
                (n, name) => format!("{n} * {name}"),
            };
            match (text.is_empty(), positive) {
                (true, _) => text = term,
                (false, true) => text = format!("{text} + {term}"),
                (false, false) => text = format!("{text} - {term}"),
            }
        }
    }
    if text.is_empty() {
        text.push('0');
    }
    text
}
