//! Every chip as a Cairo file, and the file that joins them.

use crate::emit::{affine, constrain};
use crate::optimise::optimise;
use crate::roll::{roll, Affine};
use crate::tape::record;
use anyhow::{bail, ensure, Context, Result};
use std::fmt::Write;
use veristar_air::chips::{
    Binary, Blind, Chip, Constraints, Features, Field, Horner, Input, Maximum, Nodes, Parameters,
    Requantise, Shape, Table, Tree, Unary, Weights,
};
use veristar_air::logup::{sum_columns, Mask};
use veristar_air::survey::survey;
use veristar_verifier::starknet::CHIPS;

/// Widths at which a chip is looked at.
const WIDTHS: usize = 9;

/// A chip of a width, by name.
fn make(name: &str, width: usize) -> Result<Chip> {
    Ok(match name {
        "weights" => Chip::Weights(Weights { width }),
        "parameters" => Chip::Parameters(Parameters { width }),
        "input" => Chip::Input(Input { width }),
        "horner" => Chip::Horner(Horner { width }),
        "field" => Chip::Field(Field),
        "unary" => Chip::Unary(Unary { width }),
        "binary" => Chip::Binary(Binary { width }),
        "maximum" => Chip::Maximum(Maximum { width }),
        "table" => Chip::Table(Table { width }),
        "blind" => Chip::Blind(Blind),
        "tree" => Chip::Tree(Tree { width }),
        "nodes" => Chip::Nodes(Nodes { width }),
        "features" => Chip::Features(Features { width }),
        "requantise" => Chip::Requantise(Requantise { width }),
        _ => bail!("no chip '{name}'"),
    })
}

/// Path below `air` and text of each file.
pub fn files() -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for name in CHIPS {
        let text = file(name).with_context(|| format!("chip '{name}'"))?;
        files.push((format!("chips/{name}.cairo"), text));
    }
    files.push(("chips.cairo".into(), joined()));
    Ok(files)
}

fn file(name: &str) -> Result<String> {
    let widths = if make(name, 2)?.width() == 1 { 1 } else { WIDTHS };
    let chips: Vec<Chip> = (1..=widths).map(|w| make(name, w)).collect::<Result<_>>()?;
    let tapes: Vec<_> = chips.iter().map(record).collect();
    let body = constrain(&optimise(roll(name, &tapes)?));
    let mut text = format!(
        "//! The constraints of the chip `{name}`, see air/src/chips/{name}.rs.\n//!\n\
         //! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.\n\n"
    );
    let mut fields = Vec::new();
    for field in ["add", "base", "mul", "reduce", "sub"] {
        if body.contains(&format!("{field}(")) {
            fields.push(field);
        }
    }
    if body.contains(" P)") || body.contains("* P") {
        fields.push("P");
    }
    fields.push("QM31");
    if !body.contains("QM31") {
        fields.pop();
    }
    if body.contains("finish(") {
        text.push_str("use crate::air::logup::finish;\n");
    }
    let more = match body.contains("total.assert_zero(") {
        true => "CombinationTrait, ",
        false => "",
    };
    let _ = writeln!(text, "use crate::air::{{Combination, {more}Point, Shape}};");
    let _ = writeln!(text, "use crate::fields::{{{}}};", fields.join(", "));
    text.push_str(&shape(&chips)?);
    text.push('\n');
    text.push_str(&before(&chips)?);
    text.push('\n');
    text.push_str(&body);
    Ok(text)
}

/// A function of the width as Cairo: affine, or at least a constant.
fn function(chips: &[Chip], of: impl Fn(&Shape) -> usize) -> Result<String> {
    let values: Vec<(i64, i64, i64)> =
        chips.iter().map(|chip| (0, chip.width() as i64, of(&chip.shape()) as i64)).collect();
    if let Some(found) = Affine::fit(&values) {
        return Ok(affine(found, "width", ""));
    }
    let (_, _, least) = values[0];
    let rest: Vec<_> = values.iter().copied().filter(|v| v.2 > least).collect();
    let found = Affine::fit(&rest).context("a column count is no simple function of the width")?;
    let at_least = |v: &(i64, i64, i64)| found.at(0, v.1).max(least) == v.2;
    ensure!(values.iter().all(at_least), "a column count is no simple function of the width");
    Ok(format!("max({}, {least})", affine(found, "width", "")))
}

fn shape(chips: &[Chip]) -> Result<String> {
    let first = chips[0].shape();
    for chip in chips {
        let (shape, found) = (chip.shape(), survey(chip));
        let last = sum_columns(shape.lookups, shape.term);
        let expected: Vec<bool> =
            (0..shape.sums()).map(|k| shape.has_total() && k + 1 == last).collect();
        ensure!(found.sums_before == expected, "another sum than the last is opened twice");
        ensure!(shape.random == 0 || !shape.has_total(), "random sums beside real ones");
        ensure!(
            (shape.term, shape.random, shape.mask()) == (first.term, first.random, first.mask())
        );
    }
    let values = [
        ("program", function(chips, |s| s.program)?),
        ("weights", function(chips, |s| s.weights)?),
        ("values", function(chips, |s| s.values)?),
        ("evaluations", function(chips, |s| s.evaluations)?),
        ("lookups", function(chips, |s| s.lookups)?),
    ];
    let uses = |name: &str| values.iter().any(|(_, v)| v.contains(name));
    let mut text = String::new();
    if uses("max(") {
        text.push_str("use crate::air::max;\n");
    }
    text.push('\n');
    let width = if uses("width") { "width" } else { "_width" };
    let _ =
        writeln!(text, "/// Its columns.\npub fn shape({width}: u32) -> Shape {{\n    Shape {{");
    for (name, value) in &values {
        let _ = writeln!(text, "        {name}: {value},");
    }
    let _ = writeln!(text, "        term: {},\n        random: {},", first.term, first.random);
    let mask = first.mask() == Mask::Values;
    let _ = writeln!(text, "        mask_in_values: {mask},\n    }}\n}}");
    Ok(text)
}

/// The columns that are opened at the row before too, but for the running sum.
fn before(chips: &[Chip]) -> Result<String> {
    let surveys: Vec<_> = chips.iter().map(|chip| (chip.width() as i64, survey(chip))).collect();
    let columns = |flags: &[bool]| -> Vec<i64> {
        flags.iter().enumerate().filter(|(_, f)| **f).map(|(i, _)| i as i64).collect()
    };
    let mut text = String::new();
    let mut list = |name: &str, about: &str, of: &dyn Fn(usize) -> Vec<i64>| -> Result<()> {
        let mut items = Vec::new();
        for k in 0..of(0).len() {
            let found: Option<Vec<_>> =
                (0..surveys.len()).map(|i| Some((0, surveys[i].0, *of(i).get(k)?))).collect();
            let found = found.and_then(|samples| Affine::fit(&samples));
            items.push(affine(
                found.context("columns opened twice vary with the width")?,
                "width",
                "",
            ));
        }
        ensure!((0..surveys.len()).all(|i| of(i).len() == items.len()));
        let width = if items.iter().any(|i| i.contains("width")) { "width" } else { "_width" };
        let _ = writeln!(
            text,
            "/// {about} that are opened at the row before too, in order.\n\
             pub fn {name}({width}: u32) -> Span<u32> {{\n    array![{}].span()\n}}",
            items.join(", ")
        );
        Ok(())
    };
    list("values_before", "Values", &|i| columns(&surveys[i].1.values_before))?;
    list("evaluations_before", "Evaluations", &|i| columns(&surveys[i].1.evaluations_before))?;
    Ok(text.replace("}\n///", "}\n\n///"))
}

fn joined() -> String {
    let mut text = String::from(
        "//! All chips, by the number that stands for them in a key.\n//!\n\
         //! Written by `cargo run -p veristar-cairo-codegen constraints`: do not edit.\n\n\
         use crate::air::{Combination, Point, Shape};\nuse crate::errors;\n\n",
    );
    for name in CHIPS {
        let _ = writeln!(text, "pub mod {name};");
    }
    let mut dispatch = |signature: &str, call: &str| {
        let _ = writeln!(text, "\npub fn {signature} {{\n    match chip {{");
        for (number, name) in CHIPS.iter().enumerate() {
            let _ = writeln!(text, "        {number} => {name}::{call},");
        }
        let _ = writeln!(text, "        _ => core::panic_with_felt252(errors::KEY),\n    }}\n}}");
    };
    dispatch("shape(chip: felt252, width: u32) -> Shape", "shape(width)");
    dispatch("values_before(chip: felt252, width: u32) -> Span<u32>", "values_before(width)");
    dispatch(
        "evaluations_before(chip: felt252, width: u32) -> Span<u32>",
        "evaluations_before(width)",
    );
    dispatch(
        "constrain(chip: felt252, p: Point, ref total: Combination, width: u32)",
        "constrain(p, ref total, width)",
    );
    text
}
