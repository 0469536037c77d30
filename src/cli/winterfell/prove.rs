//! Proving with the Winterfell backend.

use super::super::prove::{say_outputs, Phases};
use super::super::{data, files, machine, profile::Profile, text, ui::Ui};
use super::{fingerprint, hiding_json, HIDES};
use anyhow::{Context, Result};
use serde_json::{json, Value};
use std::path::Path;
use veristar::onnx::report::quantise_inputs;
use veristar::winterfell::{prove, Package, Prepared};

/// What to prove, and where to.
pub struct Job<'a> {
    pub input: &'a Path,
    pub row: Option<usize>,
    pub output: &'a Path,
    /// Of the whole command.
    pub profile: &'a Profile,
    /// Whether to show it.
    pub tree: bool,
    pub phases: Phases,
}

impl Job<'_> {
    pub fn run(
        mut self,
        mut package: Package,
        check_rows: &dyn Fn(usize, usize) -> Result<()>,
        ui: &Ui,
    ) -> Result<Value> {
        // No proof needs it.
        package.onnx = Vec::new();
        let rows = data::load(self.input, &package.graph, self.row)?;
        let batch = package.key.layout.batch as usize;
        check_rows(rows.len(), batch)?;
        let mut file = files::Output::create(self.output, false)?;
        let quantised = |row: &Vec<Vec<f32>>| quantise_inputs(&package.graph, row);
        let inputs: Vec<_> = rows.rows.iter().map(quantised).collect();
        self.phases.lap("read");

        ui.step("compiling the model and committing to it");
        let prepared = Prepared::new(package)
            .context("cannot use the package (run `veristar setup` again)")?;
        self.phases.lap("prepare");

        ui.step("proving");
        let cannot = || format!("cannot prove `{}`", self.input.display());
        let proven = prove(&prepared, &inputs).with_context(cannot)?;
        self.phases.lap("prove");

        ui.step("writing");
        let bytes = proven.proof.to_bytes();
        file.fill(&bytes)?;
        let path = file.publish()?;
        self.phases.lap("write");

        let graph = &prepared.package.graph;
        say_outputs(ui, graph, &proven.outputs, &prepared.package.notes);
        ui.say(format!("\n{}", self.phases.table(&[])));
        if self.tree {
            ui.say(self.profile.tree());
        }
        ui.say(format!("wrote {} ({})", path.display(), text::size(bytes.len())));
        ui.say(HIDES);
        ui.say(format!("check it with: veristar verify NAME.vk {}", path.display()));
        let mut answer = json!({
            "proof": { "path": path, "bytes": bytes.len() },
            "backend": "winterfell",
            "precision": prepared.package.key.precision.name(),
            "key": fingerprint(&prepared.package.key),
            "context": null,
            "batch": batch,
            "outputs": data::outputs_json(graph, &proven.outputs),
            "times": self.phases.json(),
            "notes": prepared.package.notes,
            "memory": { "peak": machine::peak() },
            "used": null,
            "left": null,
        });
        hiding_json(&mut answer);
        if self.tree {
            answer["profile"] = self.profile.json();
        }
        Ok(answer)
    }
}
