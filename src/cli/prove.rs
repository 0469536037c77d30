//! `veristar prove`: a proof that the model gives this output.

use super::winterfell::{self, Backend};
use super::{context, data, files, hiding, machine, memory, profile::Profile, text, ui::Ui};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use veristar::model::{interpret, Graph, ModelError};
use veristar::onnx::report::quantise_inputs;
use veristar::prover::budget::{Budget, Purpose};
use veristar::prover::AnyPrepared;

/// Prove that the model gives its output for an input.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar prove model.vsm --input sample.json -o sample.vproof
  veristar prove model.vsm --input test.npz --row 7 -o seventh.vproof
  veristar prove model.vsm --input test.npz --batch -o all.vproof     (set up with --batch N)
  veristar prove model.vsm --input sample.json --context-of MY_APP,0x1234,7 -o mine.vproof

The input is .npz, .npy, or JSON {\"input_data\": [[...]]}. What the proof shows of it was chosen
at set-up (--public); it hides the rest, if set up so, for as many proofs as NAME.vsm.count allows.
Each proof is counted there before it is begun, so one that fails is counted too. A copy of a package
counts for itself: never prove with two copies, nor with an old count put back, or proofs may leak
about the weights. When none is left: `veristar rotate`.")]
pub struct Arguments {
    /// The package that set-up wrote.
    #[arg(value_name = "NAME.vsm")]
    package: PathBuf,
    /// The input, or several rows of inputs.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Prove only this row, counted from 0.
    #[arg(long, value_name = "K", conflicts_with = "batch")]
    row: Option<usize>,
    /// Prove all rows in one proof; set-up's --batch must be their number.
    #[arg(long)]
    batch: bool,
    /// The backend that the package was set up for: it is in the package, and checked if said here.
    #[arg(long, value_enum)]
    backend: Option<Backend>,
    #[command(flatten)]
    context: context::Arguments,
    #[command(flatten)]
    memory: memory::Arguments,
    /// Show where the time goes, span by span.
    #[arg(long)]
    profile: bool,
    /// Where the proof is written.
    #[arg(short, long, value_name = "PROOF")]
    output: PathBuf,
}

impl Arguments {
    fn check_backend(&self, of_package: Backend) -> Result<()> {
        match self.backend {
            Some(backend) if backend != of_package => bail!(
                "`{}` was set up for the {} backend: leave --backend out, or run `veristar setup` again with --backend {}",
                self.package.display(),
                of_package.name(),
                backend.name()
            ),
            _ => Ok(()),
        }
    }

    /// The rows to prove must be exactly as many as the key proves at once.
    fn check_rows(&self, rows: usize, batch: usize) -> Result<()> {
        if rows == batch {
            return Ok(());
        }
        let file = format!(
            "`{}` holds {rows} input{}",
            self.input.display(),
            if rows == 1 { "" } else { "s" }
        );
        let package = self.package.display();
        if self.row.is_some() {
            bail!("`{package}` was set up to prove {batch} inputs at once: --row does not apply; use --batch with {batch} rows");
        }
        if self.batch {
            bail!("{file}, but `{package}` was set up to prove {batch} at once; run `veristar setup` again with --batch {rows}");
        }
        match batch {
            1 => bail!("{file}: choose one with --row K, or use --batch"),
            _ => bail!(
                "{file}, but `{package}` was set up to prove {batch} at once; give {batch} rows"
            ),
        }
    }
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    let profile = Profile::start(arguments.profile);
    let mut phases = Phases::start();

    ui.step("reading");
    let package = match files::read_any_package_for_proving(&arguments.package)? {
        files::AnyPackage::Stwo(package) => *package,
        files::AnyPackage::Winterfell(package) => {
            arguments.check_backend(Backend::Winterfell)?;
            if !arguments.context.is_empty() {
                bail!("proofs of the winterfell backend have no context: leave --context out, or set up for the stwo backend");
            }
            if arguments.memory.is_low() {
                bail!("the winterfell backend has no --low-memory: leave it out");
            }
            let job = winterfell::Job {
                input: &arguments.input,
                row: arguments.row,
                output: &arguments.output,
                profile: &profile,
                tree: arguments.profile,
                phases,
            };
            return job.run(*package, &|rows, batch| arguments.check_rows(rows, batch), ui);
        }
    };
    arguments.check_backend(Backend::Stwo)?;
    let context = arguments.context.read(&package.key)?;
    let budget = Budget::open(&arguments.package, &package.key)?;
    // Before the work; the place is taken after it.
    budget.check(Purpose::Prove)?;
    let memory = arguments.memory.check(&package, ui)?;
    let rows = data::load(&arguments.input, &package.graph, arguments.row)?;
    let batch = package.key.layout.batch as usize;
    arguments.check_rows(rows.len(), batch)?;
    let mut file = files::Output::create(&arguments.output, false)?;
    let inputs: Vec<_> = rows.rows.iter().map(|row| quantise_inputs(&package.graph, row)).collect();
    let cannot = || format!("cannot prove `{}`", arguments.input.display());
    check_inputs(&package.graph, &inputs).with_context(cannot)?;
    phases.lap("read");

    ui.step("compiling the model and committing to it");
    let prepared = AnyPrepared::keeping(package, arguments.memory.keep())
        .with_context(|| format!("cannot use `{}`", arguments.package.display()))?;
    phases.lap("prepare");

    ui.step("proving");
    let taken = budget.take(Purpose::Prove)?;
    let proven = prepared.prove_for(&inputs, context).with_context(cannot)?;
    phases.lap("prove");

    ui.step("writing");
    let bytes = proven.proof.to_bytes();
    file.fill(&bytes)?;
    let path = file.publish()?;
    phases.lap("write");

    let graph = &prepared.package().graph;
    say_outputs(ui, graph, &proven.outputs, &prepared.package().notes);
    let inner = profile.below("prove");
    ui.say(format!("\n{}", phases.table(&inner)));
    if arguments.profile {
        ui.say(profile.tree());
    }
    ui.say(format!("wrote {} ({})", path.display(), text::size(bytes.len())));
    ui.say(format!("check it with: veristar verify NAME.vk {}", path.display()));
    let key = &prepared.package().key;
    if let Some(context) = &context {
        ui.say(format!("it is a proof for the context {} only", context::hex(context)));
    }
    hiding::say_left(ui, &arguments.package, key, taken.left);

    let inner_json: Vec<Value> = inner
        .iter()
        .map(|(name, time)| json!({ "phase": name, "ms": text::milliseconds(*time) }))
        .collect();
    let mut answer = json!({
        "proof": { "path": path, "bytes": bytes.len() },
        "backend": "stwo",
        "key": files::fingerprint(key),
        "context": context.as_ref().map(context::hex),
        "batch": batch,
        "outputs": data::outputs_json(graph, &proven.outputs),
        "times": phases.json(),
        "prove_phases": inner_json,
        "notes": prepared.package().notes,
        "memory": memory,
        "used": taken.place,
        "left": taken.left,
    });
    answer["memory"]["peak"] = json!(machine::peak());
    hiding::json(&mut answer, key);
    if arguments.profile {
        answer["profile"] = profile.json();
    }
    Ok(answer)
}

/// Whether inputs are within their ranges: an input that cannot be proven takes no place.
pub fn check_inputs(graph: &Graph, inputs: &[Vec<Vec<i64>>]) -> Result<(), ModelError> {
    // To the interpreter, a model that computes nothing.
    let ids = graph.inputs.iter();
    let tensors: Vec<_> = ids.filter_map(|id| graph.tensors.get(*id)).cloned().collect();
    let only = Graph { inputs: (0..tensors.len()).collect(), tensors, ..Graph::default() };
    inputs.iter().try_for_each(|row| interpret::run(&only, row).map(|_| ()))
}

/// Outputs of each inference, and what users should know of them.
pub fn say_outputs(ui: &Ui, graph: &Graph, outputs: &[Vec<Vec<i64>>], notes: &[String]) {
    for (number, run) in outputs.iter().enumerate() {
        let reals = data::real_outputs(graph, run);
        let which = match outputs.len() {
            1 => String::new(),
            _ => format!(" of inference {number}"),
        };
        for (tensor, values) in data::output_tensors(graph).iter().zip(&reals) {
            ui.say(format!("output `{}`{which}: {}", tensor.name, data::values(values)));
        }
    }
    for note in notes {
        ui.say(format!("note: {note}"));
    }
}

/// How long each step of a proof took.
pub struct Phases {
    laps: Vec<(&'static str, Duration)>,
    clock: Instant,
}

impl Phases {
    pub fn start() -> Self {
        Self { laps: Vec::new(), clock: Instant::now() }
    }

    /// Ends a phase; the next one begins.
    pub fn lap(&mut self, phase: &'static str) {
        self.laps.push((phase, self.clock.elapsed()));
        self.clock = Instant::now();
    }

    /// With the parts of `prove` that are known.
    pub fn table(&self, inner: &[(String, Duration)]) -> String {
        let mut rows = Vec::new();
        for (name, time) in &self.laps {
            rows.push(vec![(*name).to_string(), text::time(*time)]);
            if *name == "prove" {
                rows.extend(inner.iter().map(|(n, t)| vec![format!("  {n}"), text::time(*t)]));
            }
        }
        text::table(&["phase", "time"], &rows)
    }

    pub fn json(&self) -> Value {
        let milliseconds = |time: &Duration| Value::from(text::milliseconds(*time));
        let fields =
            self.laps.iter().map(|(name, time)| (format!("{name}_ms"), milliseconds(time)));
        Value::Object(fields.collect())
    }
}
