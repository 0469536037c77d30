//! Set-up for the Winterfell backend, and what high precision gains.

use super::super::{cells, files, quantising, setup, text, ui::Ui};
use super::{bits, bits_json, fingerprint, hiding_json, precision, HIDES};
use anyhow::Result;
use serde_json::{json, Value};
use std::path::Path;
use std::time::Instant;
use veristar::onnx::{
    evaluate_in, quantise, Dataset, FloatModel, OnnxError, QuantiseOptions, Quantised, Report,
};
use veristar::winterfell::{self, Package, Precision, Preset, SetupOptions};

/// A set-up, after its files were read.
pub struct Setup<'a> {
    pub name: String,
    pub model: FloatModel,
    pub onnx: Vec<u8>,
    pub calibration: Dataset,
    pub test: Option<Dataset>,
    /// As for the other backend.
    pub options: QuantiseOptions,
    pub quantising: &'a quantising::Arguments,
    /// Whether to use what 64 bits hold.
    pub high: bool,
    pub preset: Preset,
    pub batch: usize,
    /// Whether proofs show inputs and outputs.
    pub public: [bool; 2],
    pub outputs: files::Outputs,
    pub start: Instant,
}

/// A quantised model with its errors.
struct Measured {
    quantised: Quantised,
    test: Option<Report>,
}

impl Setup<'_> {
    pub fn run(self, ui: &Ui) -> Result<Value> {
        let standard = self.measured(veristar::onnx::Precision::Standard);
        let (mut measured, standard) = match self.high {
            false => (standard?, None),
            true => {
                ui.step("quantising for 64 bits");
                (self.measured(veristar::onnx::Precision::High)?, Some(standard))
            }
        };
        // The errors are all that is said of it later.
        let mut graph = std::mem::take(&mut measured.quantised.graph);
        graph.name.clone_from(&self.name);

        ui.step("compiling and committing");
        let public = setup::public_tensors(&graph, self.public[0], self.public[1]);
        let precision = if self.high { Precision::High } else { Precision::Standard };
        let options = SetupOptions { preset: self.preset, precision, batch: self.batch, public };
        let mut package = winterfell::setup(graph, &options)?;
        package.onnx = self.onnx;
        package.notes = self.model.notes();

        ui.step("writing");
        let (quantising, start) = (self.quantising, self.start);
        let (package_path, key_path) = (self.outputs.package.clone(), self.outputs.key.clone());
        let written = self.outputs.publish_bytes(
            &package.to_bytes(),
            &package.key.to_bytes(),
            None,
            Vec::new(),
        )?;
        let made = Made {
            package: &package,
            paths: [&package_path, &key_path],
            written: [written.package, written.key],
            quantising,
            measured: &measured,
            standard: standard.as_ref().map(Result::as_ref),
        };
        made.say(ui);
        let elapsed = start.elapsed();
        ui.say(format!("\nset-up took {}", text::time(elapsed)));
        let mut answer = made.json();
        answer["setup_ms"] = text::milliseconds(elapsed).into();
        Ok(answer)
    }

    fn measured(&self, precision: veristar::onnx::Precision) -> Result<Measured, OnnxError> {
        let options = QuantiseOptions { precision, ..self.options.clone() };
        let quantised = quantise(&self.model, &self.calibration, &options)?;
        let evaluate = |test| evaluate_in(&self.model, &quantised.graph, test, precision.field());
        let test = self.test.as_ref().map(evaluate).transpose()?;
        Ok(Measured { quantised, test })
    }
}

struct Made<'a> {
    package: &'a Package,
    /// Package and key.
    paths: [&'a Path; 2],
    written: [usize; 2],
    quantising: &'a quantising::Arguments,
    measured: &'a Measured,
    /// Of high precision: the same model within 31 bits, if they hold it.
    standard: Option<Result<&'a Measured, &'a OnnxError>>,
}

/// Largest and mean error, over all outputs.
fn errors(report: &Report) -> [f64; 2] {
    let of = |error: fn(&veristar::onnx::report::OutputError) -> f64| {
        report.outputs.iter().map(error).fold(0.0, f64::max)
    };
    [of(|output| output.max_abs), of(|output| output.mean_abs)]
}

impl Made<'_> {
    /// Data, errors within 31 bits, and errors.
    fn gains(&self) -> Vec<(&'static str, [f64; 2], [f64; 2])> {
        let Some(Ok(standard)) = self.standard else { return Vec::new() };
        let (before, after) = (&standard.quantised.report, &self.measured.quantised.report);
        let mut gains = vec![("calibration", errors(before), errors(after))];
        if let (Some(before), Some(after)) = (&standard.test, &self.measured.test) {
            gains.push(("test", errors(before), errors(after)));
        }
        gains
    }

    fn say(&self, ui: &Ui) {
        let (key, report) = (&self.package.key, &self.measured.quantised.report);
        ui.say(format!("model `{}`, backend winterfell", key.name));
        for note in &report.notes {
            ui.say(format!("note: {note}"));
        }
        let how = match self.standard {
            None => self.quantising.line(),
            Some(_) => "high precision: 24 bits for activations, 22 for weights".into(),
        };
        ui.say(format!("\nquantised model ({how}) against float:"));
        setup::say_reports(ui, report, self.measured.test.as_ref());
        self.say_gain(ui);
        ui.say("\ntables:");
        ui.say(cells::table(&cells::rows_in(&key.layout, None, cells::Trace::Common)));
        ui.say(format!("preset {}: {}", key.preset.name(), bits(key)));
        ui.say(precision(key));
        let shown = setup::visibility(&key.layout);
        ui.say(format!("{} inference(s) a proof; {shown}", key.layout.batch));
        ui.say(HIDES);
        ui.say(format!("\nkey fingerprint {}", fingerprint(key)));
        let what = ["for proving; holds the weights: keep it private", "for verifying: publish it"];
        for ((path, bytes), what) in self.paths.iter().zip(self.written).zip(what) {
            ui.say(format!("wrote {} ({}; {what})", path.display(), text::size(bytes)));
        }
    }

    fn say_gain(&self, ui: &Ui) {
        if let Some(Err(error)) = self.standard {
            ui.say(format!("within 31 bits it cannot be quantised: {error}"));
        }
        let rows: Vec<Vec<String>> = self
            .gains()
            .into_iter()
            .flat_map(|(data, before, after)| {
                let line = |k: usize, what: &str| {
                    let times = format!("{:.0}", before[k] / after[k].max(f64::MIN_POSITIVE));
                    let numbers = [before[k], after[k]].map(text::number);
                    let [before, after] = numbers;
                    vec![data.to_string(), what.to_string(), before, after, times]
                };
                [line(0, "largest"), line(1, "mean")]
            })
            .collect();
        if !rows.is_empty() {
            ui.say("error against float, within 31 bits and with high precision:");
            ui.say(text::table(&["data", "error", "31 bits", "high", "times less"], &rows));
        }
        let Some((layers, coarse)) = &self.measured.quantised.coarse else { return };
        ui.say(match coarse.is_empty() {
            true => format!("  all {layers} layers have high precision"),
            false => format!(
                "  {} of {layers} layers keep the bits of standard precision: {}",
                coarse.len(),
                coarse.join(", ")
            ),
        });
    }

    fn json(&self) -> Value {
        let key = &self.package.key;
        let rows = cells::rows_in(&key.layout, None, cells::Trace::Common);
        let pair = |[largest, mean]: [f64; 2]| json!({ "largest": largest, "mean": mean });
        let gains: Vec<Value> = self
            .gains()
            .into_iter()
            .map(|(data, before, after)| {
                let times = |k: usize| before[k] / after[k].max(f64::MIN_POSITIVE);
                json!({
                    "data": data,
                    "standard": pair(before),
                    "high": pair(after),
                    "times": { "largest": times(0), "mean": times(1) },
                })
            })
            .collect();
        let refused = self.standard.and_then(|standard| standard.err()).map(ToString::to_string);
        let mut answer = json!({
            "model": key.name,
            "backend": "winterfell",
            "precision": key.precision.name(),
            "package": { "path": self.paths[0], "bytes": self.written[0] },
            "key": { "path": self.paths[1], "bytes": self.written[1], "fingerprint": fingerprint(key) },
            "preset": key.preset.name(),
            "quantising": self.quantising.json(),
            "gain": self.standard.map(|_| gains),
            "standard_refused": refused,
            "standard_layers": self.measured.quantised.coarse.as_ref().map(|(_, names)| names),
            "batch": key.layout.batch,
            "public": key.layout.public.iter().map(|t| &t.name).collect::<Vec<_>>(),
            "calibration": self.measured.quantised.report,
            "test": self.measured.test,
            "chips": cells::json(&rows),
            "totals": cells::totals(&key.layout, &rows),
            "security": bits_json(key),
            "count": null,
        });
        hiding_json(&mut answer);
        answer
    }
}
