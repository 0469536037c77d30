//! `veristar calibrate-report`: how far the quantised model is from float, layer by layer.

use super::{calibrate_page, files, quantising, setup, text, ui::Ui};
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use std::time::Instant;
use veristar::onnx::attribution::{attribute, Attribution, AttributionOptions};
use veristar::onnx::{evaluate, quantise, Dataset};

/// Show where quantisation loses precision: per layer, as a table and a web page.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar calibrate-report model.onnx --calibration train.npz
  veristar calibrate-report model.onnx --calibration train.npz --test test.npz -o report.html
  veristar calibrate-report model.onnx --calibration train.npz --activation-bits 14
  veristar calibrate-report model.onnx --calibration train.npz --activation-bits 8 --calibration-method mse

A layer's cost is what it adds to the mean error of the outputs. Costs add up to that error; one that is
negative makes up for others by chance. Then choose --activation-bits, --calibration-method and --smooth in
`veristar setup`.")]
pub struct Arguments {
    /// The model.
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,
    /// Typical inputs: they fix the ranges.
    #[arg(long, value_name = "FILE")]
    calibration: PathBuf,
    /// Inputs to measure errors on [default: the calibration data]
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Sizes of an input with free dimensions; may be repeated.
    #[arg(long, value_name = "INPUT=DIMS", value_parser = setup::parse_shape)]
    shape: Vec<(String, Vec<usize>)>,
    #[command(flatten)]
    quantising: quantising::Arguments,
    /// Samples on which layers are measured.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096))]
    rows: u32,
    /// Write a page with plots, in one file that loads nothing.
    #[arg(short, long, value_name = "FILE.html")]
    output: Option<PathBuf>,
}

/// Most layers in the table on a terminal; the page and JSON have all.
const SHOWN: usize = 30;

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    let start = Instant::now();
    ui.step("loading the model");
    let onnx = files::read(&arguments.model)?;
    let model = setup::load_model(&arguments.model, &onnx, &arguments.shape)?;
    let page = match &arguments.output {
        Some(path) => Some(files::Output::create(path, false)?),
        None => None,
    };
    ui.step("reading data");
    let calibration = Dataset::load(&arguments.calibration, &model)?;
    let test = arguments.test.as_ref().map(|path| Dataset::load(path, &model)).transpose()?;
    ui.step(format!("calibrating on {} samples and quantising", calibration.len()));
    let how = &arguments.quantising;
    let model = how.smoothed(model, &calibration)?;
    let quantised = quantise(&model, &calibration, &how.options())?;
    let (graph, data) = (&quantised.graph, test.as_ref().unwrap_or(&calibration));
    ui.step("comparing with float");
    let report = match &test {
        Some(test) => evaluate(&model, graph, test)?,
        None => quantised.report.clone(),
    };
    let measure = AttributionOptions { rows: arguments.rows as usize, ..Default::default() };
    let costs = attribute(&model, graph, data, &measure, &|done, all| {
        ui.step(format!("measuring what layers cost: {done} of {all}"));
    })?;

    let name = setup::stem(&arguments.model);
    ui.say(format!("model `{name}`, {}", how.line()));
    for note in &report.notes {
        ui.say(format!("note: {note}"));
    }
    let on = if test.is_some() { "test" } else { "calibration" };
    ui.say(format!("\nquantised model against float, on {on} data:"));
    ui.say(setup::report_table(&[(on, Some(&report))]));
    ui.say(format!(
        "\nlayers, on {} samples (mean error of the outputs {} of their largest values):",
        costs.rows,
        text::share(costs.error)
    ));
    ui.say(table(&costs, SHOWN));
    if let Some(worst) = costs.worst() {
        ui.say(format!(
            "\n`{}` ({}) costs most: {} of the error",
            worst.name,
            worst.operator,
            text::percent((worst.cost / costs.error).clamp(0.0, 1.0)),
        ));
    }
    if let (Some(mut file), Some(path)) = (page, &arguments.output) {
        let html = calibrate_page::page(&name, on, &how.line(), &report, &costs);
        file.fill(html.as_bytes())?;
        file.publish()?;
        ui.say(format!("\nwrote {} ({})", path.display(), text::size(html.len())));
    }
    let time = text::milliseconds(start.elapsed());
    Ok(json!({
        "model": name,
        "quantising": how.json(),
        "data": on,
        "report": report,
        "attribution": costs,
        "costs_most": costs.worst().map(|layer| &layer.name),
        "page": arguments.output,
        "ms": time,
    }))
}

fn table(costs: &Attribution, most: usize) -> String {
    let mut shown: Vec<usize> = (0..costs.layers.len()).collect();
    if shown.len() > most {
        // Those that cost most, in execution order.
        shown.sort_by(|a, b| costs.layers[*b].cost.abs().total_cmp(&costs.layers[*a].cost.abs()));
        shown.truncate(most);
        shown.sort_unstable();
    }
    let rows: Vec<Vec<String>> = shown
        .iter()
        .filter_map(|k| costs.layers.get(*k))
        .map(|layer| {
            let merged = match layer.merged {
                1 => String::new(),
                n => format!(" (and {} before)", n - 1),
            };
            vec![
                format!("{}{merged}", layer.name),
                layer.operator.clone(),
                text::number(layer.max_value),
                text::number(layer.step),
                text::share(layer.error),
                text::share(layer.cost),
            ]
        })
        .collect();
    let header = ["layer", "operator", "largest value", "step", "own error", "cost"];
    let mut lines = text::table(&header, &rows);
    if costs.layers.len() > most {
        lines.push_str(&format!(
            "\n({} of {} layers; --json and -o show all)",
            most,
            costs.layers.len()
        ));
    }
    lines
}
