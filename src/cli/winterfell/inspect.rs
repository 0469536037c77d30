//! What files of the Winterfell backend hold.

use super::super::{cells, files, inspect, text, ui::Ui};
use super::{bits, bits_json, bits_table, fingerprint, hiding_json, precision, HIDES};
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::Path;
use veristar::air::program::Program;
use veristar::verifier::verify::hex;
use veristar::winterfell::{WinterfellKey, WinterfellProof};

pub fn key(path: &Path, bytes: &[u8], ui: &Ui) -> Result<Value> {
    let key = files::winterfell_key_of(path, bytes)?;
    ui.say(format!("verification key of the Winterfell backend, {}", text::size(bytes.len())));
    say_key(ui, &key, None);
    Ok(key_json(&key, None, "key", bytes.len()))
}

pub fn package(path: &Path, bytes: &[u8], ui: &Ui) -> Result<Value> {
    let package = files::winterfell_package_of(path, bytes)?;
    ui.step("compiling");
    let program = package.program().with_context(|| files::set_up_again(path))?;
    let (graph, key) = (&package.graph, &package.key);
    ui.say(format!(
        "model package of the Winterfell backend, {} (of it the ONNX file {})",
        text::size(bytes.len()),
        text::size(package.onnx.len())
    ));
    inspect::say_layers(ui, graph, &program);
    say_key(ui, key, Some(&program));
    let mut answer = key_json(key, Some(&program), "package", bytes.len());
    answer["onnx_bytes"] = package.onnx.len().into();
    inspect::layers_json(&mut answer, graph, &program);
    Ok(answer)
}

pub fn proof(path: &Path, key: Option<&Path>, bytes: &[u8], ui: &Ui) -> Result<Value> {
    let name = path.display();
    let key_of = WinterfellProof::key_of(bytes).with_context(|| format!("cannot use `{name}`"))?;
    let read = |path| files::winterfell_key_of(path, &files::read(path)?);
    let key = key.map(read).transpose()?;
    if let Some(key) = &key {
        ensure!(
            key.fingerprint() == key_of,
            "`{name}` was made for another key ({}); pass the key with that fingerprint",
            hex(&key_of)
        );
    }
    ui.say(format!(
        "proof of the Winterfell backend, {}, made for key {}",
        text::size(bytes.len()),
        hex(&key_of)
    ));
    let mut answer = json!({
        "kind": "proof", "backend": "winterfell", "bytes": bytes.len(), "key": hex(&key_of),
    });
    let Some(key) = key else {
        ui.say("its sections depend on the key: pass it with --key NAME.vk to see them");
        return Ok(answer);
    };
    let proof =
        WinterfellProof::from_bytes(bytes, &key).with_context(|| format!("cannot use `{name}`"))?;
    let sections = proof.sections(bytes.len());
    let rows: Vec<Vec<String>> =
        sections.iter().map(|(name, size)| vec![(*name).to_string(), text::size(*size)]).collect();
    ui.say(text::table(&["section", "size"], &rows));
    ui.say("this does not check the proof: use `veristar verify`");
    answer["sections"] =
        sections.iter().map(|(name, size)| json!({ "name": name, "bytes": size })).collect();
    Ok(answer)
}

fn say_key(ui: &Ui, key: &WinterfellKey, program: Option<&Program>) {
    let layout = &key.layout;
    let options = key.preset.options();
    ui.say(format!("\nmodel `{}`, {} inference(s) a proof", key.name, layout.batch));
    ui.say(format!("key fingerprint   {}", fingerprint(key)));
    ui.say(format!("architecture      {}", hex(&key.architecture)));
    ui.say(format!("program root      {}", hex(&key.program_root)));
    ui.say(format!("weights root      {}", hex(&key.weights_root)));
    ui.say("backend winterfell: 64-bit field, extension of degree 3, Blake3");
    ui.say(precision(key));
    ui.say(format!(
        "preset {}: blow-up {}, {} queries, {} bits of work",
        key.preset.name(),
        options.blowup_factor(),
        options.num_queries(),
        options.grinding_factor(),
    ));
    inspect::say_public(ui, layout);
    let rows = cells::rows_in(layout, program, cells::Trace::Common);
    ui.say("\ntables (columns of each tree, cells committed for a proof):");
    ui.say(cells::table(&rows));
    inspect::say_totals(ui, layout, &rows);
    ui.say(format!("\nsecurity: {}", bits(key)));
    ui.say(bits_table(key));
    ui.say(format!("not zero-knowledge: {HIDES}"));
}

fn key_json(key: &WinterfellKey, program: Option<&Program>, kind: &str, bytes: usize) -> Value {
    let rows = cells::rows_in(&key.layout, program, cells::Trace::Common);
    let options = key.preset.options();
    let mut answer = json!({
        "kind": kind,
        "backend": "winterfell",
        "precision": key.precision.name(),
        "bytes": bytes,
        "model": key.name,
        "fingerprint": fingerprint(key),
        "architecture": hex(&key.architecture),
        "program_root": hex(&key.program_root),
        "weights_root": hex(&key.weights_root),
        "preset": key.preset.name(),
        "parameters": {
            "blowup": options.blowup_factor(),
            "queries": options.num_queries(),
            "pow_bits": options.grinding_factor(),
        },
        "batch": key.layout.batch,
        "public": inspect::public_json(&key.layout),
        "chips": cells::json(&rows),
        "totals": cells::totals(&key.layout, &rows),
        "security": bits_json(key),
    });
    hiding_json(&mut answer);
    answer
}
