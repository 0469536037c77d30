//! `veristar inspect`: what a model, package, key or proof holds.

use super::{bits, cells, files, hiding, memory, setup, text, ui::Ui, winterfell};
use anyhow::{Context, Result};
use clap::Args;
use ndarray::{ArrayD, IxDyn};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use veristar::air::program::{Layout, Program};
use veristar::model::{bounds, Graph};
use veristar::prover::budget::{Budget, Count};
use veristar::verifier::verify::hex;
use veristar::verifier::{Key, Proof};

/// Show what a .onnx, .vsm, .vk or proof file holds.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar inspect model.onnx
  veristar inspect model.vsm --json
  veristar inspect sample.vproof --key model.vk

Cells are committed field elements of one proof, padding included; `used` counts what the model
itself takes. Weights are committed once for many proofs. Reserved rows hold what hides the rest.")]
pub struct Arguments {
    /// The file; its kind is found by itself.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// For a proof: the key that tells its sections apart.
    #[arg(long, value_name = "NAME.vk")]
    key: Option<PathBuf>,
    /// For a .onnx: sizes of an input with free dimensions; may be repeated.
    #[arg(long, value_name = "INPUT=DIMS", value_parser = setup::parse_shape)]
    shape: Vec<(String, Vec<usize>)>,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("reading");
    let bytes = files::read(&arguments.file)?;
    match files::Kind::of(&bytes) {
        files::Kind::Package => package(arguments, &bytes, ui),
        files::Kind::Key => {
            let key = files::key_of(&arguments.file, &bytes)?;
            ui.say(format!("verification key, {}", text::size(bytes.len())));
            say_key(ui, &key, None);
            let (all, least) = memory::of_key(&key);
            ui.say(memory::line(&all, &least));
            let mut answer = key_json(&key, None, "key", bytes.len());
            answer["memory"] = memory::json(&all, &least);
            Ok(answer)
        }
        files::Kind::Proof => proof(arguments, &bytes, ui),
        files::Kind::WinterfellPackage => winterfell::inspect::package(&arguments.file, &bytes, ui),
        files::Kind::WinterfellKey => winterfell::inspect::key(&arguments.file, &bytes, ui),
        files::Kind::WinterfellProof => {
            winterfell::inspect::proof(&arguments.file, arguments.key.as_deref(), &bytes, ui)
        }
        files::Kind::Ranges => {
            ui.say(format!("proof of weight ranges, {}", text::size(bytes.len())));
            ui.say("check it with: veristar verify-ranges NAME.vk NAME.vranges");
            Ok(json!({ "kind": "ranges", "bytes": bytes.len() }))
        }
        files::Kind::Other => model(arguments, &bytes, ui),
    }
}

fn package(arguments: &Arguments, bytes: &[u8], ui: &Ui) -> Result<Value> {
    let package = files::package_of(&arguments.file, bytes)?;
    ui.step("compiling");
    let program =
        package.program().with_context(|| format!("cannot use `{}`", arguments.file.display()))?;
    let (graph, key) = (&package.graph, &package.key);
    ui.say(format!(
        "model package, {} (of it the ONNX file {})",
        text::size(bytes.len()),
        text::size(package.onnx.len())
    ));
    say_layers(ui, graph, &program);
    say_key(ui, key, Some(&program));
    let count = count(&arguments.file, key);
    say_count(ui, &count);
    let (all, least) = memory::of_package(&package);
    ui.say(memory::line(&all, &least));

    let mut answer = key_json(key, Some(&program), "package", bytes.len());
    hiding::count_json(&mut answer, key, count.as_ref().ok().and_then(Option::as_ref));
    if let Err(error) = &count {
        answer["count_error"] = error.to_string().into();
    }
    answer["memory"] = memory::json(&all, &least);
    answer["onnx_bytes"] = package.onnx.len().into();
    layers_json(&mut answer, graph, &program);
    Ok(answer)
}

/// What a package's graph computes, layer by layer and in all.
pub fn say_layers(ui: &Ui, graph: &Graph, program: &Program) {
    ui.say("\nlayers, of one inference:");
    ui.say(cells::layer_table(&cells::layers(graph)));
    ui.say(format!(
        "{} multiplications, {} parameters, {} memory cells",
        text::count(bounds::macs(graph)),
        text::count(bounds::parameters(graph)),
        text::count(u64::from(program.memory)),
    ));
}

/// The same, for an answer that has the key's totals.
pub fn layers_json(answer: &mut Value, graph: &Graph, program: &Program) {
    answer["layers"] = cells::layers(graph).iter().map(cells::LayerRow::json).collect();
    answer["inputs"] = tensors_json(graph, &graph.inputs);
    answer["outputs"] = tensors_json(graph, &graph.outputs);
    let totals = &mut answer["totals"];
    totals["multiplications"] = bounds::macs(graph).into();
    totals["parameters"] = bounds::parameters(graph).into();
    totals["memory_cells"] = program.memory.into();
}

fn count(package: &Path, key: &Key) -> Result<Option<Count>> {
    Ok(Budget::open(package, key)?.count()?)
}

fn say_count(ui: &Ui, count: &Result<Option<Count>>) {
    match count {
        Ok(None) => {}
        Ok(Some(count)) => ui.say(format!(
            "count: {} of {} proofs made; {} left for `prove`, the last one for `rotate`",
            count.used,
            count.proofs,
            count.left()
        )),
        Err(error) => ui.say(format!("count: {error}")),
    }
}

fn tensors_json(graph: &Graph, ids: &[usize]) -> Value {
    let tensors = ids.iter().filter_map(|id| graph.tensors.get(*id));
    tensors
        .map(|t| {
            json!({
                "name": t.name,
                "shape": t.shape,
                "scale": t.scale,
                "zero_point": t.zero_point,
                "range": [t.range.lo, t.range.hi],
                "real_range": [t.dequantise(t.range.lo), t.dequantise(t.range.hi)],
            })
        })
        .collect()
}

fn say_key(ui: &Ui, key: &Key, program: Option<&Program>) {
    let layout = &key.layout;
    let p = key.parameters();
    ui.say(format!("\nmodel `{}`, {} inference(s) a proof", key.name, layout.batch));
    ui.say(format!("key fingerprint   {}", files::fingerprint(key)));
    ui.say(format!("architecture      {}", hex(&key.architecture)));
    ui.say(format!("program root      {}", hex(&key.program_root)));
    ui.say(format!("weights root      {}", hex(&key.weights_root)));
    ui.say(format!(
        "preset {}: blow-up {}, {} queries, {} bits of work",
        key.preset.name(),
        1u64 << p.log_blowup,
        p.queries,
        p.pow_bits,
    ));
    say_public(ui, layout);
    let rows = cells::rows(layout, program);
    ui.say("\ntables (columns of each tree, cells committed for a proof):");
    ui.say(cells::table(&rows));
    say_totals(ui, layout, &rows);
    ui.say(format!("\nsecurity: {}", bits::line(key)));
    ui.say(bits::table(key));
    ui.say(format!("{}\n{}", hiding::promise(key), hiding::line(key)));
}

/// Public tensors.
pub fn say_public(ui: &Ui, layout: &Layout) {
    let rows: Vec<Vec<String>> = layout
        .public
        .iter()
        .map(|t| {
            let real = |q: i64| text::number((q - t.zero_point) as f64 * t.scale);
            vec![
                t.name.clone(),
                if t.input { "input" } else { "output" }.to_string(),
                text::shape(&t.shape),
                text::number(t.scale),
                t.zero_point.to_string(),
                format!("{} to {}", real(t.range.lo), real(t.range.hi)),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => ui.say("public: nothing"),
        false => {
            ui.say("\npublic values:");
            ui.say(text::table(
                &["tensor", "role", "shape", "scale", "zero point", "range"],
                &rows,
            ));
        }
    }
}

pub fn say_totals(ui: &Ui, layout: &Layout, rows: &[cells::Row]) {
    let totals = cells::totals(layout, rows);
    let count = |name: &str| totals[name].as_u64().map(text::count).unwrap_or_default();
    ui.say(format!("{} cells in {} columns", count("cells"), count("committed_columns")));
    if totals.get("weight_cells").is_some() {
        ui.say(format!(
            "used: {} weight cells, {} activation cells for {} activations, {} free coefficients",
            count("weight_cells"),
            count("activation_cells"),
            count("activations"),
            count("free_cells"),
        ));
    }
}

fn key_json(key: &Key, program: Option<&Program>, kind: &str, bytes: usize) -> Value {
    let rows = cells::rows(&key.layout, program);
    let mut answer = json!({
        "kind": kind,
        "backend": "stwo",
        "bytes": bytes,
        "model": key.name,
        "fingerprint": files::fingerprint(key),
        "architecture": hex(&key.architecture),
        "program_root": hex(&key.program_root),
        "weights_root": hex(&key.weights_root),
        "preset": key.preset.name(),
        "parameters": key.parameters(),
        "batch": key.layout.batch,
        "public": public_json(&key.layout),
        "chips": cells::json(&rows),
        "totals": cells::totals(&key.layout, &rows),
        "security": bits::json(key),
    });
    hiding::json(&mut answer, key);
    answer
}

/// What a key says of its public tensors.
pub fn public_json(layout: &Layout) -> Value {
    layout
        .public
        .iter()
        .map(|t| {
            json!({
                "name": t.name,
                "role": if t.input { "input" } else { "output" },
                "shape": t.shape,
                "scale": t.scale,
                "zero_point": t.zero_point,
                "range": [t.range.lo, t.range.hi],
            })
        })
        .collect()
}

fn proof(arguments: &Arguments, bytes: &[u8], ui: &Ui) -> Result<Value> {
    let path = arguments.file.display();
    let key_of = Proof::key_of(bytes).with_context(|| format!("cannot use `{path}`"))?;
    let key = arguments.key.as_ref().map(|key| files::read_key(key)).transpose()?;
    if let Some(key) = &key {
        anyhow::ensure!(
            key.fingerprint() == key_of,
            "`{path}` was made for another key ({}); pass the key with that fingerprint, or check a rotation with `veristar verify-rotation`",
            hex(&key_of)
        );
    }
    ui.say(format!("proof, {}, made for key {}", text::size(bytes.len()), hex(&key_of)));
    let mut answer =
        json!({ "kind": "proof", "backend": "stwo", "bytes": bytes.len(), "key": hex(&key_of) });
    let Some(key) = key else {
        ui.say("its sections depend on the key: pass it with --key NAME.vk to see them");
        return Ok(answer);
    };
    let proof = Proof::from_bytes(bytes, &key).with_context(|| format!("cannot use `{path}`"))?;
    let sections = sections(&proof, bytes.len());
    let rows: Vec<Vec<String>> =
        sections.iter().map(|(name, size)| vec![(*name).to_string(), text::size(*size)]).collect();
    ui.say(text::table(&["section", "size"], &rows));
    ui.say("this does not check the proof: use `veristar verify`");
    answer["sections"] =
        sections.iter().map(|(name, size)| json!({ "name": name, "bytes": size })).collect();
    Ok(answer)
}

/// Bytes of each section; what is in none of the large ones comes last.
fn sections(proof: &Proof, total: usize) -> Vec<(&'static str, usize)> {
    let layers = proof.layers.iter();
    let layers = layers.map(|l| 32 + 8 + 16 * l.evaluations.len() + 32 * l.path.len());
    let mut sections = vec![
        ("public values", 4 * proof.public.iter().map(Vec::len).sum::<usize>()),
        ("totals", 16 * proof.claims.len()),
        ("commitments", 32 * proof.commitments.len()),
        ("out-of-domain values", 16 * proof.samples.iter().flatten().map(Vec::len).sum::<usize>()),
        ("opened values", 4 * proof.queried.iter().flatten().map(Vec::len).sum::<usize>()),
        ("Merkle paths", proof.paths.iter().map(|p| 4 + 32 * p.len()).sum()),
        ("low-degree test", layers.sum::<usize>() + 16 * proof.last_layer.len()),
    ];
    let known: usize = sections.iter().map(|(_, bytes)| bytes).sum();
    sections.push(("header and proof of work", total.saturating_sub(known)));
    sections
}

fn model(arguments: &Arguments, bytes: &[u8], ui: &Ui) -> Result<Value> {
    let model = setup::load_model(&arguments.file, bytes, &arguments.shape)?;
    ui.say(format!("ONNX model, {}; every operator is supported", text::size(bytes.len())));
    let specs = [("input", model.inputs()), ("output", model.outputs())];
    let specs = specs.iter().flat_map(|(role, all)| all.iter().map(move |spec| (*role, spec)));
    let rows: Vec<Vec<String>> = specs
        .clone()
        .map(|(role, s)| {
            vec![s.name.clone(), role.to_string(), text::shape(&s.shape), s.dtype.clone()]
        })
        .collect();
    ui.say(text::table(&["tensor", "role", "shape", "type"], &rows));
    for note in model.notes() {
        ui.say(format!("note: {note}"));
    }
    // Layers as imported, with what zeros give: only names and shapes are of interest.
    let zeros: Vec<ArrayD<f32>> =
        model.inputs().iter().map(|spec| ArrayD::zeros(IxDyn(&spec.shape))).collect();
    let layers = model.run_all(&zeros).unwrap_or_default();
    let rows: Vec<Vec<String>> =
        layers.iter().map(|(name, array)| vec![name.clone(), text::shape(array.shape())]).collect();
    ui.say(text::table(&["tensor, after simplification", "shape"], &rows));
    let specs: Vec<Value> = specs
        .map(
            |(role, s)| json!({ "name": s.name, "role": role, "shape": s.shape, "dtype": s.dtype }),
        )
        .collect();
    let layers: Vec<Value> = layers
        .iter()
        .map(|(name, array)| json!({ "name": name, "shape": array.shape() }))
        .collect();
    Ok(json!({
        "kind": "onnx",
        "bytes": bytes.len(),
        "model": model.name(),
        "tensors": specs,
        "layers": layers,
        "notes": model.notes(),
    }))
}
