//! `veristar run`: the quantised model, which is what gets proven, beside the float one.

use super::{data, files, text, ui::Ui};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use veristar::model::{interpret, FieldBound};
use veristar::onnx::report::quantise_inputs;

/// Run the quantised model beside the float one, without proving.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar run model.vsm --input sample.json
  veristar run model.vsm --input test.npz --row 3")]
pub struct Arguments {
    /// The package that set-up wrote.
    #[arg(value_name = "NAME.vsm")]
    package: PathBuf,
    /// The input, or several rows of inputs.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Run only this row, counted from 0.
    #[arg(long, value_name = "K")]
    row: Option<usize>,
}

/// Most lines of a table; JSON has everything.
const SHOWN: usize = 40;

/// An output of one row: name, quantised and float values.
struct Compared {
    row: usize,
    name: String,
    quantised: Vec<f64>,
    float: Vec<f64>,
}

impl Compared {
    fn difference(&self) -> f64 {
        let pairs = self.quantised.iter().zip(&self.float);
        pairs.map(|(q, f)| (q - f).abs()).fold(0.0, f64::max)
    }
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("loading the model");
    let package = files::read_any_package(&arguments.package)?;
    let (graph, onnx, field) = match &package {
        files::AnyPackage::Stwo(p) => (&p.graph, &p.onnx, FieldBound::M31),
        files::AnyPackage::Winterfell(p) => (&p.graph, &p.onnx, p.key.precision.bound()),
    };
    let model = data::float_model(onnx, graph)?;
    let rows = data::load(&arguments.input, graph, arguments.row)?;
    let mut all = Vec::new();
    for (index, row) in rows.rows.iter().enumerate() {
        ui.step(format!("running row {index} of {}", rows.len()));
        let number = arguments.row.unwrap_or(index);
        let run = interpret::outputs_in(graph, &quantise_inputs(graph, row), field)
            .with_context(|| format!("row {number} of `{}`", arguments.input.display()))?;
        let reals = data::real_outputs(graph, &run).into_iter();
        let outputs = reals.zip(data::float_outputs(&model, row)?);
        for ((quantised, float), tensor) in outputs.zip(data::output_tensors(graph)) {
            all.push(Compared { row: number, name: tensor.name.clone(), quantised, float });
        }
    }
    for note in model.notes() {
        ui.say(format!("note: {note}"));
    }
    ui.say(if rows.len() == 1 { elements(&all) } else { summary(&all) });
    let worst = all.iter().map(Compared::difference).fold(0.0, f64::max);
    ui.say(format!("largest difference {}", text::number(worst)));
    let outputs: Vec<Value> = all
        .iter()
        .map(|c| {
            json!({
                "row": c.row,
                "name": c.name,
                "quantised": c.quantised,
                "float": c.float,
                "difference": c.difference(),
                "largest": data::largest(&c.quantised),
                "largest_float": data::largest(&c.float),
            })
        })
        .collect();
    let backend = match &package {
        files::AnyPackage::Stwo(_) => "stwo",
        files::AnyPackage::Winterfell(_) => "winterfell",
    };
    Ok(json!({
        "backend": backend,
        "rows": rows.len(),
        "outputs": outputs,
        "largest_difference": worst,
        "notes": model.notes(),
    }))
}

/// Every element of one row's outputs.
fn elements(all: &[Compared]) -> String {
    let mut lines = Vec::new();
    for output in all {
        for (i, (q, f)) in output.quantised.iter().zip(&output.float).enumerate() {
            let name = format!("{}[{i}]", output.name);
            lines.push(vec![name, text::number(*q), text::number(*f), text::number(q - f)]);
        }
    }
    cut(&["output", "quantised", "float", "difference"], lines)
}

/// One line for each row and output.
fn summary(all: &[Compared]) -> String {
    let decided = |values: &[f64]| match data::largest(values) {
        Some(index) => format!("index {index}"),
        None => values.first().map_or_else(String::new, |v| text::number(*v)),
    };
    let lines = all.iter().map(|output| {
        vec![
            output.row.to_string(),
            output.name.clone(),
            decided(&output.quantised),
            decided(&output.float),
            text::number(output.difference()),
        ]
    });
    cut(&["row", "output", "quantised", "float", "largest difference"], lines.collect())
}

fn cut(header: &[&str], mut lines: Vec<Vec<String>>) -> String {
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    let mut result = text::table(header, &lines);
    if more > 0 {
        result += &format!("\n  ... {more} lines more; --json prints all");
    }
    result
}
