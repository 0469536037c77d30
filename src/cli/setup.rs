//! `veristar setup`: an ONNX file becomes a prover's package and a public key.

use super::winterfell::{self, Backend};
use super::{bits, cells, files, hiding, memory, quantising, text, ui::Ui};
use anyhow::{bail, Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Instant;
use veristar::air::program::Layout;
use veristar::model::{Graph, TensorId};
use veristar::onnx::{
    evaluate, quantise, Dataset, FloatModel, LoadOptions, QuantiseOptions, Report,
};
use veristar::prover::ranges::prove_ranges;
use veristar::prover::{budget, Draft, HidingOption, Package, SetupOptions};
use veristar::security::Preset;
use veristar::winterfell::Preset as WinterfellPreset;

/// Turn an ONNX model into NAME.vsm (for the prover: keep it private) and NAME.vk (publish it).
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar setup model.onnx --calibration train.npz -o model
  veristar setup model.onnx --calibration train.npz --preset compact --public input,output -o model
  veristar setup ocr.onnx --calibration x.npy --shape x=1,3,48,192 -o ocr
  veristar setup model.onnx --calibration train.npz --proofs 1000 -o model
  veristar setup model.onnx --calibration train.npz --backend winterfell --precision high -o model

Calibration data: .npz, .npy, or JSON {\"input_data\": [[...], ...]}; the first axis counts samples.
Labels in an .npz (`y` or `labels`) give accuracies. NAME.vsm holds the weights; NAME.vk does not.
NAME.vsm.count counts the proofs made: keep it beside NAME.vsm.")]
pub struct Arguments {
    /// The model.
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,
    /// Typical inputs: they fix the ranges that proofs accept.
    #[arg(long, value_name = "FILE")]
    calibration: PathBuf,
    /// More inputs, with labels, to report accuracy on.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// stwo: quick, and hides. winterfell: a second, independent prover over a field of 64 bits, whose
    /// proofs hide nothing [default: stwo; winterfell with --precision high]
    #[arg(long, value_enum)]
    backend: Option<Backend>,
    /// high: activations of 24 bits where that can be, far nearer to float. Needs the winterfell
    /// backend, whose proofs hide nothing.
    #[arg(long, value_enum, default_value = "standard")]
    precision: PrecisionName,
    /// fast: quick to prove. compact: shorter proofs, slower to make. starknet: for the contract there.
    /// proven: 96 bits by theorems alone (winterfell only).
    #[arg(long, value_enum, default_value = "fast")]
    preset: PresetName,
    /// What a proof shows: a list of input, output; or none.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "output")]
    public: Vec<Visible>,
    /// Inferences in one proof.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Sizes of an input with free dimensions; may be repeated.
    #[arg(long, value_name = "INPUT=DIMS", value_parser = parse_shape)]
    shape: Vec<(String, Vec<usize>)>,
    #[command(flatten)]
    quantising: quantising::Arguments,
    /// Hide weights and private inputs for N proofs, 2 at least; then `veristar rotate`. A large N
    /// makes tables taller and proving slower [default: as many as fit in the tables, 31 at least]
    #[arg(long, value_name = "N", conflicts_with = "no_hiding", value_parser = clap::value_parser!(u32).range(2..=MOST_PROOFS))]
    proofs: Option<u32>,
    /// Hide nothing, for public models and inputs: smaller proofs, quicker, any number of them.
    #[arg(long)]
    no_hiding: bool,
    /// Declare ranges of weights with which no sum can overflow, whatever the weights, and write
    /// NAME.vranges: a proof that they are kept. Costs some precision in wide layers.
    #[arg(long)]
    prove_ranges: bool,
    #[command(flatten)]
    memory: memory::Limit,
    /// Writes NAME.vsm, NAME.vk and NAME.vsm.count.
    #[arg(short, long, value_name = "NAME")]
    output: PathBuf,
}

/// With one more for the rotation and one for ranges, below what stands for "without limit".
const MOST_PROOFS: i64 = u32::MAX as i64 - 3;

#[derive(Clone, Copy, ValueEnum)]
enum PresetName {
    Fast,
    Compact,
    Starknet,
    Proven,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrecisionName {
    Standard,
    High,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Visible {
    Input,
    Output,
    None,
}

/// `x=1,3,48,192`
pub fn parse_shape(argument: &str) -> Result<(String, Vec<usize>), String> {
    let wanted = "expected INPUT=DIMS, such as x=1,3,48,192";
    let (name, dims) = argument.split_once('=').ok_or(wanted)?;
    let dims: Result<Vec<usize>, _> = dims.split([',', 'x']).map(|d| d.trim().parse()).collect();
    let dims = dims.map_err(|_| wanted)?;
    match name.is_empty() || dims.contains(&0) {
        true => Err(wanted.into()),
        false => Ok((name.to_string(), dims)),
    }
}

/// Loads a model from the bytes that packages keep, so that it can be loaded from there again.
pub fn load_model(
    path: &Path,
    bytes: &[u8],
    shapes: &[(String, Vec<usize>)],
) -> Result<FloatModel> {
    files::expect(path, bytes, files::Kind::Other, "pass an ONNX file")
        .with_context(|| "this is not an ONNX model")?;
    let shapes: BTreeMap<_, _> = shapes.iter().cloned().collect();
    let options = LoadOptions { shapes, ..LoadOptions::default() };
    match FloatModel::from_bytes(bytes, &options) {
        Ok(model) => Ok(model),
        Err(error) if FloatModel::load_with(path, &options).is_err() => {
            Err(error).with_context(|| format!("`{}`", path.display()))
        }
        Err(_) => bail!(
            "`{}` keeps weights in another file; save it as one file (onnx.save with save_as_external_data=False)",
            path.display()
        ),
    }
}

pub fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    let public = |what: Visible| arguments.public.contains(&what);
    if public(Visible::None) && arguments.public.len() > 1 {
        bail!("--public none stands alone; give a list of input and output, or none");
    }
    let backend = arguments.backend()?;
    let start = Instant::now();
    ui.step("loading the model");
    let onnx = files::read(&arguments.model)?;
    let model = load_model(&arguments.model, &onnx, &arguments.shape)?;
    // Before the work: a place that cannot be written is known now.
    let outputs = files::Outputs::create(&arguments.output)?;
    let ranges_path = files::with_ending(&arguments.output, "vranges");
    let ranges = match arguments.prove_ranges {
        true => Some(files::Output::create(&ranges_path, false)?),
        false => None,
    };

    ui.step("reading data");
    let calibration = Dataset::load(&arguments.calibration, &model)?;
    let test = arguments.test.as_ref().map(|path| Dataset::load(path, &model)).transpose()?;
    ui.step(format!("calibrating on {} samples and quantising", calibration.len()));
    let options =
        QuantiseOptions { any_weights: arguments.prove_ranges, ..arguments.quantising.options() };
    let model = arguments.quantising.smoothed(model, &calibration)?;
    let preset = match backend {
        Choice::Stwo(preset) => preset,
        Choice::Winterfell(preset) => {
            let setup = winterfell::Setup {
                name: stem(&arguments.model),
                model,
                onnx,
                calibration,
                test,
                options,
                quantising: &arguments.quantising,
                high: arguments.precision == PrecisionName::High,
                preset,
                batch: arguments.batch as usize,
                public: [public(Visible::Input), public(Visible::Output)],
                outputs,
                start,
            };
            return setup.run(ui);
        }
    };
    let quantised = quantise(&model, &calibration, &options)?;
    let mut graph = quantised.graph;
    graph.name = stem(&arguments.model);
    let test = test.map(|test| evaluate(&model, &graph, &test)).transpose()?;

    ui.step("compiling and committing");
    let batch = arguments.batch as usize;
    let public = public_tensors(&graph, public(Visible::Input), public(Visible::Output));
    let hiding = arguments.hiding();
    let options = SetupOptions { preset, batch, public, hiding };
    let explain = |error| {
        let error = anyhow::Error::new(error);
        match arguments.proofs {
            Some(_) => error
                .context("cannot hide the model for so many proofs (choose a smaller --proofs)"),
            None => error,
        }
    };
    let draft = Draft::new(graph, &options).map_err(explain)?;
    arguments.memory.check_setup(&draft, ui)?;
    let mut package = draft.commit().map_err(explain)?;
    package.onnx = onnx;
    package.notes = model.notes();
    let ranges = match ranges {
        Some(mut file) => {
            ui.step("proving the ranges of weights");
            let proof = prove_ranges(&package)?.to_bytes();
            file.fill(&proof)?;
            Some((file, proof.len()))
        }
        None => None,
    };

    ui.step("writing");
    let (package_path, key_path) = (outputs.package.clone(), outputs.key.clone());
    let ranges_bytes = ranges.as_ref().map(|(_, bytes)| *bytes);
    // That proof is the first that opens the weights commitment.
    let used = u32::from(ranges.is_some());
    let written =
        outputs.publish(&package, used, ranges.into_iter().map(|(file, _)| file).collect())?;
    let elapsed = start.elapsed();
    let made = Made {
        package: &package,
        package_path,
        key_path,
        quantising: &arguments.quantising,
        calibration: &quantised.report,
        test: test.as_ref(),
    };
    made.say(ui, &written);
    if let Some(bytes) = ranges_bytes {
        ui.say(format!(
            "wrote {} ({}; that weights keep their ranges, one of the proofs: publish it)",
            ranges_path.display(),
            text::size(bytes)
        ));
    }
    ui.say(format!("\nset-up took {}", text::time(elapsed)));
    let mut answer = made.json(&written);
    if let Some(bytes) = ranges_bytes {
        answer["ranges"] = json!({ "path": ranges_path, "bytes": bytes });
    }
    answer["setup_ms"] = text::milliseconds(elapsed).into();
    Ok(answer)
}

/// A backend with its preset.
#[derive(Clone, Copy)]
enum Choice {
    Stwo(Preset),
    Winterfell(WinterfellPreset),
}

impl Arguments {
    /// The backend, if all options are for it.
    fn backend(&self) -> Result<Choice> {
        let high = self.precision == PrecisionName::High;
        let backend = match (self.backend, high) {
            (Some(Backend::Stwo), true) => bail!("--precision high needs sums that the stwo backend's 31 bits do not hold: use --backend winterfell, whose proofs hide nothing"),
            (Some(backend), _) => backend,
            (None, true) => Backend::Winterfell,
            (None, false) => Backend::Stwo,
        };
        if backend == Backend::Stwo {
            return Ok(Choice::Stwo(match self.preset {
                PresetName::Fast => Preset::Fast,
                PresetName::Compact => Preset::Compact,
                PresetName::Starknet => Preset::Starknet,
                PresetName::Proven => bail!("--preset proven is the winterfell backend's: add --backend winterfell, whose proofs hide nothing, or choose fast or compact"),
            }));
        }
        let chosen = match self.backend {
            Some(_) => "the winterfell backend",
            None => "the winterfell backend, which --precision high uses,",
        };
        if self.proofs.is_some() {
            bail!("--proofs N says for how many proofs a key hides, and proofs of {chosen} hide nothing: leave it out, or use the stwo backend");
        }
        if self.prove_ranges {
            bail!("{chosen} has no proof of ranges: leave --prove-ranges out, or use the stwo backend");
        }
        Ok(Choice::Winterfell(match self.preset {
            PresetName::Fast => WinterfellPreset::Fast,
            PresetName::Compact => WinterfellPreset::Compact,
            PresetName::Proven => WinterfellPreset::Proven,
            PresetName::Starknet => bail!("the contract on Starknet takes no proofs of {chosen}: choose --preset fast, compact or proven, or use the stwo backend"),
        }))
    }

    /// The last proof that a key hides for is kept for its rotation; a proof of ranges takes one too.
    fn hiding(&self) -> HidingOption {
        match (self.no_hiding, self.proofs) {
            (true, _) => HidingOption::None,
            (false, None) => HidingOption::Fitting,
            (false, Some(n)) => {
                let others = 1 + u32::from(self.prove_ranges);
                HidingOption::Proofs(NonZeroU32::MIN.saturating_add(n - 1 + others))
            }
        }
    }
}

pub fn public_tensors(graph: &Graph, inputs: bool, outputs: bool) -> BTreeSet<TensorId> {
    let inputs = graph.inputs.iter().filter(|_| inputs);
    inputs.chain(graph.outputs.iter().filter(|_| outputs)).copied().collect()
}

/// What a set-up made.
struct Made<'a> {
    package: &'a Package,
    package_path: PathBuf,
    key_path: PathBuf,
    quantising: &'a quantising::Arguments,
    calibration: &'a Report,
    test: Option<&'a Report>,
}

impl Made<'_> {
    fn say(&self, ui: &Ui, written: &files::Written) {
        let key = &self.package.key;
        ui.say(format!("model `{}`", key.name));
        for note in &self.calibration.notes {
            ui.say(format!("note: {note}"));
        }
        ui.say(format!("\nquantised model ({}) against float:", self.quantising.line()));
        say_reports(ui, self.calibration, self.test);
        ui.say("\ntables:");
        ui.say(cells::table(&cells::rows(&key.layout, None)));
        ui.say(format!("preset {}: {}", key.preset.name(), bits::line(key)));
        ui.say(format!("{} inference(s) a proof; {}", key.layout.batch, visibility(&key.layout)));
        ui.say(hiding::line(key));
        let (all, least) = memory::of_package(self.package);
        ui.say(memory::line(&all, &least));
        ui.say(format!("\nkey fingerprint {}", files::fingerprint(key)));
        let wrote = [
            (
                &self.package_path,
                written.package,
                "for proving; holds the weights: keep it private",
            ),
            (&self.key_path, written.key, "for verifying: publish it"),
        ];
        for (path, bytes, what) in wrote {
            ui.say(format!("wrote {} ({}; {what})", path.display(), text::size(bytes)));
        }
        if budget::is_counted(key) {
            let path = budget::count_path(&self.package_path);
            ui.say(format!(
                "wrote {} (counts proofs: keep it beside the package, and never put back an old one)",
                path.display()
            ));
        }
    }

    fn json(&self, written: &files::Written) -> Value {
        let key = &self.package.key;
        let rows = cells::rows(&key.layout, None);
        let mut answer = json!({
            "model": key.name,
            "backend": "stwo",
            "package": { "path": self.package_path, "bytes": written.package },
            "key": { "path": self.key_path, "bytes": written.key, "fingerprint": files::fingerprint(key) },
            "preset": key.preset.name(),
            "quantising": self.quantising.json(),
            "batch": key.layout.batch,
            "public": key.layout.public.iter().map(|t| &t.name).collect::<Vec<_>>(),
            "calibration": self.calibration,
            "test": self.test,
            "chips": cells::json(&rows),
            "totals": cells::totals(&key.layout, &rows),
            "security": bits::json(key),
        });
        let (all, least) = memory::of_package(self.package);
        answer["memory"] = memory::json(&all, &least);
        let counted = budget::is_counted(key);
        let count = counted.then(|| budget::Count::new(key));
        hiding::count_json(&mut answer, key, count.as_ref());
        answer["count"] = json!(counted.then(|| budget::count_path(&self.package_path)));
        answer
    }
}

/// Errors against float, accuracy, and what cannot be proven, of calibration and test data.
pub fn say_reports(ui: &Ui, calibration: &Report, test: Option<&Report>) {
    let reports = [("calibration", Some(calibration)), ("test", test)];
    ui.say(report_table(&reports));
    for (name, report) in reports {
        let Some(report) = report else { continue };
        if let Some(accuracy) = &report.accuracy {
            ui.say(format!(
                "  accuracy on {name} data: float {}, quantised {}, same answer on {}",
                text::percent(accuracy.float),
                text::percent(accuracy.quantised),
                text::percent(accuracy.agreement),
            ));
        }
        if let Some(refused) = &report.refused {
            ui.say(format!("  {} {name} inputs cannot be proven: {}", refused.rows, refused.first));
        }
    }
}

/// Which inputs and outputs proofs show.
pub fn visibility(layout: &Layout) -> String {
    let shown: Vec<&str> = layout.public.iter().map(|t| t.name.as_str()).collect();
    match shown.is_empty() {
        true => "proofs show no input or output".into(),
        false => format!("proofs show: {}", shown.join(", ")),
    }
}

pub fn report_table(reports: &[(&str, Option<&Report>)]) -> String {
    let mut rows = Vec::new();
    for (name, report) in reports {
        let Some(report) = report else { continue };
        for output in &report.outputs {
            rows.push(vec![
                output.name.clone(),
                (*name).to_string(),
                report.rows.to_string(),
                text::number(output.max_value),
                text::number(output.max_abs),
                text::number(output.mean_abs),
                format!("{:.6}", output.cosine),
            ]);
        }
    }
    let header =
        ["output", "data", "samples", "largest value", "largest error", "mean error", "cosine"];
    text::table(&header, &rows)
}
