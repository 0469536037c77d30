//! What the ways to calibrate and smoothing do to the example models at several bits: the tables of
//! docs/src/quantisation.md.
//!
//! `cargo test --release --workspace --test methods -- --ignored --nocapture` prints them;
//! `VERISTAR_MINILM` is the directory that `examples/minilm/export.py` wrote, if its model shall be measured too.

use std::path::{Path, PathBuf};
use veristar::onnx::{
    evaluate, quantise, CalibrationMethod, Dataset, FloatModel, LoadOptions, QuantiseOptions,
};

const MODELS: [&str; 8] = [
    "credit_risk",
    "breast_cancer",
    "digits",
    "lenet",
    "ocr_cls",
    "char_lstm",
    "char_gru",
    "transformer",
];
const METHODS: [CalibrationMethod; 5] = [
    CalibrationMethod::MinMax,
    CalibrationMethod::Percentile(99.999),
    CalibrationMethod::Percentile(99.99),
    CalibrationMethod::Percentile(99.9),
    CalibrationMethod::Mse,
];

struct Example {
    model: FloatModel,
    calibration: Dataset,
    test: Dataset,
}

impl Example {
    fn load(directory: &Path, name: &str, separator: &str) -> Self {
        let mut options = LoadOptions::default();
        if name == "ocr_cls" {
            options.shapes.insert("x".into(), vec![1, 3, 48, 192]);
        }
        let file = directory.join(format!("{name}.onnx"));
        let model = FloatModel::load_with(file, &options).expect("load");
        let data = |part: &str| {
            let name = if separator.is_empty() { "" } else { name };
            let file = directory.join(format!("{name}{separator}{part}.npz"));
            Dataset::load(file, &model).expect("data")
        };
        Self { calibration: data("calibration"), test: data("test"), model }
    }

    fn fixture(name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        Self::load(&directory, name, ".")
    }

    fn minilm() -> Option<Self> {
        let directory = std::env::var_os("VERISTAR_MINILM")?;
        Some(Self::load(Path::new(&directory), "minilm", ""))
    }

    /// Mean error of the first output on test data, in percent of its largest value; its cosine; accuracy.
    fn measure(&self, bits: u32, calibration: CalibrationMethod, smooth: f64) -> String {
        let options = QuantiseOptions { activation_bits: bits, calibration, ..Default::default() };
        let model = match smooth > 0.0 {
            true => self.model.smoothed(&self.calibration, smooth).expect("smooth"),
            false => self.model.clone(),
        };
        let quantised = match quantise(&model, &self.calibration, &options) {
            Ok(quantised) => quantised,
            Err(error) => return error.to_string(),
        };
        let report = evaluate(&model, &quantised.graph, &self.test).expect("evaluate");
        let output = &report.outputs[0];
        let error = 100.0 * output.mean_abs / output.max_value;
        let mut text = format!("{error:.4} % ({:.5})", output.cosine);
        if let Some(accuracy) = &report.accuracy {
            let lost = 100.0 * (accuracy.quantised - accuracy.float);
            text.push_str(&format!(" {lost:+.1}"));
        }
        let refused = report.refused.map_or(0, |r| r.rows);
        if refused > 0 {
            text.push_str(&format!(", {refused} refused"));
        }
        let entries: usize = quantised.graph.tables.iter().map(|t| t.values.len()).sum();
        text.push_str(&format!(" [{entries}]"));
        text
    }
}

#[test]
#[ignore = "prints tables: see the first lines"]
fn ways_to_calibrate() {
    for name in MODELS {
        let example = Example::fixture(name);
        for bits in [12, 8, 6] {
            let cells = METHODS.map(|method| example.measure(bits, method, 0.0));
            println!("| `{name}` | {bits} | {} |", cells.join(" | "));
        }
    }
}

/// Each measurement runs 70 sentences through the integer graph.
#[test]
#[ignore = "prints tables: see the first lines"]
fn minilm() {
    let example = Example::minilm().expect("VERISTAR_MINILM is a directory with minilm.onnx");
    let ways = [
        (CalibrationMethod::MinMax, 0.0),
        (CalibrationMethod::MinMax, 0.5),
        (CalibrationMethod::Mse, 0.0),
        (CalibrationMethod::Percentile(99.99), 0.0),
    ];
    for bits in [12, 10, 8] {
        for (method, strength) in ways {
            let cell = example.measure(bits, method, strength);
            println!("| {bits} | {method} | {strength} | {cell} |");
        }
    }
}
