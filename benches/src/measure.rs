//! One model, measured in a process of its own: its peak of memory is the model's.
//!
//! Two processes share a folder. `setup` imports, calibrates, quantises and sets up, and leaves the package and
//! quantised inputs; `prove` reads them as a prover does, who needs no ONNX, and proves and verifies. Each
//! prints one JSON object.

use crate::numbers::milliseconds;
use crate::phases::Phases;
use anyhow::{anyhow, Context, Result};
use clap::{Args, Subcommand};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use veristar_model::{bounds, Graph, Op};
use veristar_onnx::{evaluate, quantise, report::quantise_inputs};
use veristar_onnx::{Dataset, FloatModel, QuantiseOptions};
use veristar_prover::{prove, setup, HidingOption, Keep, Package, Prepared, SetupOptions};
use veristar_security::Preset;
use veristar_verifier::{verify, Proof};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    Setup(SetupArguments),
    Prove(ProveArguments),
}

#[derive(Args)]
struct SetupArguments {
    #[arg(long)]
    model: PathBuf,
    #[arg(long)]
    calibration: PathBuf,
    #[arg(long)]
    into: PathBuf,
    #[arg(long)]
    batch: usize,
    #[arg(long)]
    preset: String,
    #[arg(long)]
    no_hiding: bool,
}

#[derive(Args)]
struct ProveArguments {
    #[arg(long)]
    from: PathBuf,
    #[arg(long)]
    runs: u32,
    #[arg(long)]
    low_memory: bool,
}

/// What set-up took, and what the model is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetUp {
    /// Reading the ONNX file.
    pub import_ms: f64,
    /// Calibration and quantisation.
    pub quantise_ms: f64,
    /// Compilation and commitment.
    pub setup_ms: f64,
    /// One float inference by tract, the median of several.
    pub float_ms: f64,
    /// Weights and biases.
    pub parameters: u64,
    /// Multiplications of one inference.
    pub multiplications: u64,
    /// Elements that operations compute in one inference; what only moves elements is none.
    pub activations: u64,
    /// Largest difference of the integer model to float on the first calibration row.
    pub output_error: f64,
    /// Largest output there.
    pub output_size: f64,
    /// Length of the prover's package.
    pub package_bytes: u64,
    /// Peak of resident memory, with import and calibration.
    pub peak_bytes: u64,
}

/// What proofs took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proofs {
    /// Reading the package.
    pub read_ms: f64,
    /// Compiling it and committing to it.
    pub prepare_ms: f64,
    /// The first proof: it gets its memory from the kernel, which clears each page. Later ones use it again.
    pub first_ms: f64,
    /// Each later proof.
    pub prove_ms: Vec<f64>,
    /// Mean CPU time of a later proof, over all threads: what other processes do is not in it. Not known everywhere.
    pub cpu_ms: Option<f64>,
    /// Each verification, from bytes.
    pub verify_ms: Vec<f64>,
    /// Mean own time of the prover's phases.
    pub phases_ms: BTreeMap<String, f64>,
    /// The longest proof.
    pub proof_bytes: u64,
    /// The key.
    pub key_bytes: u64,
    /// For how many proofs weights are hidden; 0: nothing is.
    pub proofs_hidden: u32,
    /// Conjectured bits of security.
    pub conjectured_bits: u32,
    /// log2 of the rows of the tallest table.
    pub log_height: u32,
    /// Committed cells of each chip, padding included.
    pub cells: BTreeMap<String, u64>,
    /// Cells of the program, which are opened in each proof.
    pub program_cells: u64,
    /// Peak of resident memory while reading and preparing.
    pub prepare_peak_bytes: u64,
    /// Peak of resident memory while proving; the peak of all where it cannot be told apart.
    pub prove_peak_bytes: u64,
}

impl Proofs {
    /// Peak of resident memory.
    pub fn peak_bytes(&self) -> u64 {
        self.prepare_peak_bytes.max(self.prove_peak_bytes)
    }
}

const PACKAGE: &str = "package.vsm";
const INPUTS: &str = "inputs.json";
/// Float inferences timed.
const FLOAT_RUNS: usize = 5;

/// Measures and prints one JSON object.
pub fn command(arguments: &Arguments) -> Result<()> {
    let json = match &arguments.part {
        Part::Setup(part) => serde_json::to_string(&measure_setup(part)?)?,
        Part::Prove(part) => serde_json::to_string(&measure_proofs(part)?)?,
    };
    println!("{json}");
    Ok(())
}

fn measure_setup(arguments: &SetupArguments) -> Result<SetUp> {
    let start = Instant::now();
    let float = FloatModel::load(&arguments.model).context("import")?;
    let import_ms = milliseconds(start);
    let data = Dataset::load(&arguments.calibration, &float)?;
    let start = Instant::now();
    let graph = quantise(&float, &data, &QuantiseOptions::default()).context("quantise")?.graph;
    let quantise_ms = milliseconds(start);
    let float_ms = float_time(&float, &data)?;
    let report = evaluate(&float, &graph, &data.take(1))?;
    let largest = |of: fn(&veristar_onnx::report::OutputError) -> f64| {
        report.outputs.iter().map(of).fold(0.0, f64::max)
    };
    let inputs: Vec<_> = data.rows.iter().map(|row| quantise_inputs(&graph, row)).collect();
    drop(float);
    let (parameters, multiplications) = (bounds::parameters(&graph), bounds::macs(&graph));
    let activations = activations(&graph);
    let preset = Preset::BLAKE2S.into_iter().find(|p| p.name() == arguments.preset);
    let options = SetupOptions {
        preset: preset.with_context(|| format!("no preset '{}'", arguments.preset))?,
        batch: arguments.batch,
        public: graph.outputs.iter().copied().collect(),
        hiding: match arguments.no_hiding {
            true => HidingOption::None,
            false => HidingOption::Fitting,
        },
    };
    let start = Instant::now();
    let package = setup(graph, &options).context("set up")?;
    let setup_ms = milliseconds(start);
    let bytes = package.to_bytes();
    fs::write(arguments.into.join(PACKAGE), &bytes)?;
    fs::write(arguments.into.join(INPUTS), serde_json::to_vec(&inputs)?)?;
    Ok(SetUp {
        import_ms,
        quantise_ms,
        setup_ms,
        float_ms,
        parameters,
        multiplications,
        activations,
        output_error: largest(|output| output.max_abs),
        output_size: largest(|output| output.max_value),
        package_bytes: bytes.len() as u64,
        peak_bytes: peak()?,
    })
}

/// By tract, as ONNX defines the model.
fn float_time(float: &FloatModel, data: &Dataset) -> Result<f64> {
    let row = data.rows.first().context("no calibration rows")?;
    let arrays = row.iter().zip(float.inputs()).map(|(values, spec)| {
        ArrayD::from_shape_vec(IxDyn(&spec.shape), values.clone()).map_err(|e| anyhow!(e))
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let mut times = Vec::new();
    for _ in 0..FLOAT_RUNS {
        let start = Instant::now();
        float.run(&arrays)?;
        times.push(milliseconds(start));
    }
    Ok(crate::numbers::median(times))
}

fn activations(graph: &Graph) -> u64 {
    let computed = graph.nodes.iter().filter(|node| !matches!(node.op, Op::View(_) | Op::Load(_)));
    let tensors = computed.filter_map(|node| graph.tensors.get(node.output));
    tensors.map(|tensor| tensor.shape.iter().product::<usize>() as u64).sum()
}

fn measure_proofs(arguments: &ProveArguments) -> Result<Proofs> {
    let phases = Phases::start();
    let start = Instant::now();
    let package = Package::from_bytes(&fs::read(arguments.from.join(PACKAGE))?)?;
    let inputs: Vec<Vec<Vec<i64>>> =
        serde_json::from_slice(&fs::read(arguments.from.join(INPUTS))?)?;
    let read_ms = milliseconds(start);
    let start = Instant::now();
    let keep = if arguments.low_memory { Keep::Least } else { Keep::All };
    let prepared: Prepared = Prepared::keeping(package, keep)?;
    let prepare_ms = milliseconds(start);
    let prepare_peak_bytes = peak()?;
    forget_peak();

    let key = &prepared.package.key;
    let batch = key.layout.batch as usize;
    let mut rows = inputs.iter().cycle();
    let (mut prove_ms, mut verify_ms, mut proof_bytes) = (Vec::new(), Vec::new(), 0);
    let mut cpu_ms = Some(0.0);
    let start = Instant::now();
    prove(&prepared, &rows.by_ref().take(batch).cloned().collect::<Vec<_>>())?;
    let first_ms = milliseconds(start);
    for _ in 0..arguments.runs {
        let inputs: Vec<_> = rows.by_ref().take(batch).cloned().collect();
        let before = cpu();
        let start = Instant::now();
        let span = phases.enter();
        let proven = prove(&prepared, &inputs)?;
        drop(span);
        prove_ms.push(milliseconds(start));
        let used = cpu().zip(before).map(|(now, before)| now - before);
        cpu_ms = cpu_ms.zip(used).map(|(sum, used)| sum + used / f64::from(arguments.runs));
        let encoded = proven.proof.to_bytes();
        proof_bytes = proof_bytes.max(encoded.len() as u64);
        let start = Instant::now();
        verify(key, &Proof::from_bytes(&encoded, key)?)?;
        verify_ms.push(milliseconds(start));
    }

    let mut cells = BTreeMap::new();
    for instance in &key.layout.instances {
        let own = (instance.shape().cells() as u64) << instance.log_size;
        *cells.entry(instance.chip.name().to_string()).or_default() += own;
    }
    let program = key.layout.program_columns();
    Ok(Proofs {
        read_ms,
        prepare_ms,
        phases_ms: phases.mean(arguments.runs),
        cpu_ms,
        first_ms,
        prove_ms,
        verify_ms,
        proof_bytes,
        key_bytes: key.to_bytes().len() as u64,
        proofs_hidden: key.proofs,
        conjectured_bits: key.security().conjectured.total,
        log_height: key.layout.log_height(),
        cells,
        program_cells: program.log_sizes.iter().map(|log| 1u64 << log).sum(),
        prepare_peak_bytes,
        prove_peak_bytes: peak()?,
    })
}

/// This process's peak of resident memory.
fn peak() -> Result<u64> {
    status_bytes(Path::new("/proc/self/status"), "VmHWM:")
        .context("the system does not tell this process's memory (/proc/self/status)")
}

/// Makes the peak what is in use now, where the system allows it.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Milliseconds that this process's threads have run.
fn cpu() -> Option<f64> {
    let mut nanoseconds = 0u64;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        // A thread that has ended meanwhile is not the prover's.
        let Ok(times) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        nanoseconds += times.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(nanoseconds as f64 / 1e6)
}

/// A line of a process's status, in bytes.
pub fn status_bytes(path: &Path, field: &str) -> Option<u64> {
    let status = fs::read_to_string(path).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}
