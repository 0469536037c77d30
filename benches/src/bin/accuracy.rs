//! Accuracy of the example models, float and quantised, as the table of docs/src/accuracy.md.
//!
//! `cargo run --release -p veristar-benches --bin accuracy` prints it, `-- --write` puts it into the page, and
//! `-- --check` fails if the page says something else. It fails too if quantisation costs any model more than half a
//! point of accuracy, or 0.01 of cosine.

use anyhow::{bail, Context, Result};
use clap::Parser;
use rayon::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use veristar_onnx::{evaluate, quantise, Dataset, FloatModel, LoadOptions, QuantiseOptions, Report};

/// Tables of accuracy.
#[derive(Parser)]
struct Arguments {
    /// Where models and their data are.
    #[arg(long, default_value = "tests/fixtures")]
    fixtures: PathBuf,
    /// The page with the table.
    #[arg(long, default_value = "docs/src/accuracy.md")]
    page: PathBuf,
    /// Put the table into the page.
    #[arg(long)]
    write: bool,
    /// Fail if the page has another table.
    #[arg(long)]
    check: bool,
}

/// A model and its data: file names without endings, and the names of calibration and test data.
struct Example {
    name: &'static str,
    what: &'static str,
    calibration: &'static str,
    test: &'static str,
}

const fn example(name: &'static str, what: &'static str) -> Example {
    Example { name, what, calibration: "", test: "" }
}

const EXAMPLES: &[Example] = &[
    example("credit_risk", "MLP 61-32-16-1, german credit"),
    example("breast_cancer", "MLP 30-16-1, tanh"),
    example("digits", "CNN 8x8, global average pool"),
    example("lenet", "LeNet-5, MNIST"),
    example("ocr_cls", "PP-OCR's angle classifier"),
    example("char_lstm", "next character, LSTM, 16 steps"),
    example("char_gru", "next character, GRU, 16 steps"),
    example("transformer", "two encoder blocks, 12 tokens"),
    Example {
        name: "lenet_qdq",
        what: "LeNet-5 quantised by onnxruntime, int8",
        calibration: "lenet",
        test: "lenet",
    },
    Example {
        name: "lenet_qlinear",
        what: "the same with QLinear operators, uint8",
        calibration: "lenet",
        test: "lenet",
    },
    Example {
        name: "credit_risk_dynamic",
        what: "the first, quantised dynamically by onnxruntime",
        calibration: "credit_risk",
        test: "credit_risk",
    },
];

/// Largest loss of accuracy, as a share.
const LOSS: f64 = 0.005;
/// Smallest cosine with float.
const COSINE: f64 = 0.99;
/// The table stands between these lines.
const MARKS: [&str; 2] = ["<!-- table: written by the command above -->", "<!-- end of table -->"];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let reports: Vec<Report> = EXAMPLES
        .par_iter()
        .map(|e| measure(e, &arguments.fixtures).with_context(|| format!("model `{}`", e.name)))
        .collect::<Result<_>>()?;
    let table = table(&reports);
    if arguments.write || arguments.check {
        let page = std::fs::read_to_string(&arguments.page)
            .with_context(|| format!("cannot read `{}`", arguments.page.display()))?;
        let new = replaced(&page, &table)?;
        if arguments.write {
            std::fs::write(&arguments.page, new)?;
        } else if page != new {
            bail!("`{}` has another table; run this with --write\n{table}", arguments.page.display());
        }
    } else {
        print!("{table}");
    }
    for (example, report) in EXAMPLES.iter().zip(&reports) {
        if let Some(accuracy) = &report.accuracy {
            if accuracy.float - accuracy.quantised > LOSS {
                bail!("`{}` loses more than half a point: {accuracy:?}", example.name);
            }
        }
        let worst = report.outputs.iter().map(|o| o.cosine).fold(1.0, f64::min);
        if worst < COSINE {
            bail!("`{}` has cosine {worst} with float", example.name);
        }
    }
    Ok(())
}

fn measure(example: &Example, fixtures: &Path) -> Result<Report> {
    let or = |given: &'static str| if given.is_empty() { example.name } else { given };
    let data = |name: &str, part: &str| fixtures.join(format!("{name}.{part}.npz"));
    let mut options = LoadOptions::default();
    if example.name == "ocr_cls" {
        options.shapes.insert("x".into(), vec![1, 3, 48, 192]);
    }
    let path = fixtures.join(format!("{}.onnx", example.name));
    let model = FloatModel::load_with(path, &options)?;
    let calibration = Dataset::load(data(or(example.calibration), "calibration"), &model)?;
    let graph = quantise(&model, &calibration, &QuantiseOptions::default())?.graph;
    let test = Dataset::load(data(or(example.test), "test"), &model)?;
    Ok(evaluate(&model, &graph, &test)?)
}

fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| model | | test rows | float | quantised | difference | same answer | cosine |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (example, report) in EXAMPLES.iter().zip(reports) {
        let cosine = report.outputs.iter().map(|o| o.cosine).fold(1.0, f64::min);
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let (float, own, difference, same) = match &report.accuracy {
            Some(a) => {
                let points = 100.0 * (a.quantised - a.float);
                let points = if points == 0.0 { 0.0 } else { points };
                let difference = format!("{points:+.1}");
                (percent(a.float), percent(a.quantised), difference, percent(a.agreement))
            }
            None => ("".into(), "".into(), "".into(), "".into()),
        };
        let refused = report.refused.as_ref().map_or(0, |r| r.rows);
        let rows = match refused {
            0 => report.rows.to_string(),
            n => format!("{} ({n} refused)", report.rows + n),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {rows} | {float} | {own} | {difference} | {same} | {cosine:.4} |",
            example.name, example.what
        );
    }
    text
}

fn replaced(page: &str, table: &str) -> Result<String> {
    let [start, end] = MARKS;
    let parts = page.split_once(start).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    let (before, after) = parts.with_context(|| format!("the page lacks `{start}` or `{end}`"))?;
    Ok(format!("{before}{start}\n\n{table}\n{end}{after}"))
}
