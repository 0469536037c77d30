//! Accuracy of the example models, float and quantised: the table of docs/src/accuracy.md.
//!
//! `VERISTAR_BLESS=1 cargo test --release --workspace --test accuracy` writes it; without the variable the test fails if
//! the page says something else. It fails too if quantisation costs any model more than half a point of accuracy, or
//! 0.01 of cosine.

use std::fmt::Write;
use std::path::PathBuf;
use veristar::onnx::{
    evaluate, quantise, Dataset, FloatModel, LoadOptions, QuantiseOptions, Report,
};

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

#[test]
fn accuracy_is_what_the_page_says() {
    let reports: Vec<Report> = EXAMPLES.iter().map(measure).collect();
    for (example, report) in EXAMPLES.iter().zip(&reports) {
        if let Some(accuracy) = &report.accuracy {
            let lost = accuracy.float - accuracy.quantised;
            assert!(lost <= LOSS, "`{}`: {accuracy:?}", example.name);
        }
        let worst = report.outputs.iter().map(|o| o.cosine).fold(1.0, f64::min);
        assert!(worst >= COSINE, "`{}` has cosine {worst} with float", example.name);
    }
    let table = table(&reports);
    let path = workspace("docs/src/accuracy.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let new = replaced(&page, &table);
    if std::env::var_os("VERISTAR_BLESS").is_some() {
        std::fs::write(&path, new).unwrap();
    } else {
        assert_eq!(page, new, "docs/src/accuracy.md has another table: see tests/accuracy.rs");
    }
}

fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn measure(example: &Example) -> Report {
    let or = |given: &'static str| if given.is_empty() { example.name } else { given };
    let data = |name: &str, part: &str| workspace("tests/fixtures").join(format!("{name}.{part}"));
    let mut options = LoadOptions::default();
    if example.name == "ocr_cls" {
        options.shapes.insert("x".into(), vec![1, 3, 48, 192]);
    }
    let model = FloatModel::load_with(data(example.name, "onnx"), &options).unwrap();
    let calibration = data(or(example.calibration), "calibration.npz");
    let calibration = Dataset::load(calibration, &model).unwrap();
    let graph = quantise(&model, &calibration, &QuantiseOptions::default()).unwrap().graph;
    let test = Dataset::load(data(or(example.test), "test.npz"), &model).unwrap();
    evaluate(&model, &graph, &test).unwrap()
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

fn replaced(page: &str, table: &str) -> String {
    let [start, end] = MARKS;
    let (before, rest) = page.split_once(start).expect("the page has a mark before the table");
    let (_, after) = rest.split_once(end).expect("the page has a mark after the table");
    format!("{before}{start}\n\n{table}\n{end}{after}")
}
