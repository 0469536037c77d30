//! Proving with the Winterfell backend.

use super::super::{data, files, machine, profile::Profile, prove::phase_table, text, ui::Ui};
use super::{fingerprint, hiding_json, HIDES};
use anyhow::{Context, Result};
use serde_json::{json, Value};
use std::path::Path;
use std::time::{Duration, Instant};
use veristar::onnx::report::quantise_inputs;
use veristar::winterfell::{prove, Package, Prepared};

/// What to prove, and where to.
pub struct Job<'a> {
    pub input: &'a Path,
    pub row: Option<usize>,
    pub output: &'a Path,
    pub profile: bool,
}

impl Job<'_> {
    pub fn run(
        self,
        mut package: Package,
        check_rows: &dyn Fn(usize, usize) -> Result<()>,
        ui: &Ui,
    ) -> Result<Value> {
        let profile = Profile::start(self.profile);
        let mut phases: Vec<(&str, Duration)> = Vec::new();
        let mut clock = Instant::now();
        let mut lap = |phase: &'static str| {
            phases.push((phase, clock.elapsed()));
            clock = Instant::now();
        };
        ui.step("reading");
        // No proof needs it.
        package.onnx = Vec::new();
        let rows = data::load(self.input, &package.graph, self.row)?;
        let batch = package.key.layout.batch as usize;
        check_rows(rows.len(), batch)?;
        let mut file = files::Output::create(self.output, false)?;
        let quantised = |row: &Vec<Vec<f32>>| quantise_inputs(&package.graph, row);
        let inputs: Vec<_> = rows.rows.iter().map(quantised).collect();
        lap("read");

        ui.step("compiling the model and committing to it");
        let prepared = Prepared::new(package)
            .context("cannot use the package (run `veristar setup` again)")?;
        lap("prepare");

        ui.step("proving");
        let cannot = || format!("cannot prove `{}`", self.input.display());
        let proven = prove(&prepared, &inputs).with_context(cannot)?;
        lap("prove");

        ui.step("writing");
        let bytes = proven.proof.to_bytes();
        file.fill(&bytes)?;
        let path = file.publish()?;
        lap("write");

        let graph = &prepared.package.graph;
        for (number, run) in proven.outputs.iter().enumerate() {
            let reals = data::real_outputs(graph, run);
            for (tensor, values) in data::output_tensors(graph).iter().zip(&reals) {
                let which =
                    if batch > 1 { format!(" of inference {number}") } else { String::new() };
                ui.say(format!("output `{}`{which}: {}", tensor.name, data::values(values)));
            }
        }
        for note in &prepared.package.notes {
            ui.say(format!("note: {note}"));
        }
        ui.say(format!("\n{}", phase_table(&phases, &[])));
        if self.profile {
            ui.say(profile.tree());
        }
        ui.say(format!("wrote {} ({})", path.display(), text::size(bytes.len())));
        ui.say(HIDES);
        ui.say(format!("check it with: veristar verify NAME.vk {}", path.display()));
        let times: serde_json::Map<String, Value> = phases
            .iter()
            .map(|(name, time)| (format!("{name}_ms"), text::milliseconds(*time).into()))
            .collect();
        let mut answer = json!({
            "proof": { "path": path, "bytes": bytes.len() },
            "backend": "winterfell",
            "precision": prepared.package.key.precision.name(),
            "key": fingerprint(&prepared.package.key),
            "context": null,
            "batch": batch,
            "outputs": data::outputs_json(graph, &proven.outputs),
            "times": times,
            "notes": prepared.package.notes,
            "memory": { "peak": machine::peak() },
            "used": null,
            "left": null,
        });
        hiding_json(&mut answer);
        if self.profile {
            answer["profile"] = profile.json();
        }
        Ok(answer)
    }
}
