//! `veristar starknet declare`: brings a compiled contract to the chain.

use super::options::SenderOptions;
use super::{estimate_json, felt, receipt_json, say_estimate, say_receipt};
use crate::cli::{files, ui::Ui};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use veristar_starknet::{Class, Felt};

/// Declare a compiled class: the verifier, or any other.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar starknet declare verifier.contract_class.json --casm verifier.compiled_contract_class.json

The compiler writes both files (`scarb build`). A class that is declared already is left as it is.")]
pub struct Arguments {
    /// The Sierra class.
    #[arg(value_name = "SIERRA.json")]
    sierra: PathBuf,
    /// Its CASM, of which a declaration holds the hash.
    #[arg(long, value_name = "CASM.json", conflicts_with = "casm_hash")]
    casm: Option<PathBuf>,
    /// The CASM's hash, if it is known from elsewhere.
    #[arg(long, value_name = "0xHASH", value_parser = felt)]
    casm_hash: Option<Felt>,
    /// Another label `contract_class_version`, which no hash covers: starknet-devnet 0.10.1 meters by
    /// Sierra gas only with 1.7.0 here.
    #[arg(long, value_name = "VERSION")]
    label: Option<String>,
    #[command(flatten)]
    options: SenderOptions,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("reading");
    let sierra = files::read(&arguments.sierra)?;
    let class = match (&arguments.casm, arguments.casm_hash) {
        (Some(path), _) => {
            let casm = files::read(path)?;
            Class::new(&sierra, &casm)
        }
        (None, Some(hash)) => Class::with_compiled_hash(&sierra, hash),
        (None, None) => bail!("give the class's CASM (--casm FILE) or its hash (--casm-hash)"),
    };
    let class = class.with_context(|| format!("`{}`", arguments.sierra.display()))?;
    let class = match &arguments.label {
        Some(version) => class.labelled(version),
        None => class,
    };
    let mut answer = json!({
        "class": format!("{:#x}", class.hash),
        "casm_hash": format!("{:#x}", class.compiled_hash),
        "bytecode_felts": class.bytecode,
    });
    ui.say(format!("class {:#x}", class.hash));

    ui.step("asking the node");
    let node = arguments.options.node.connect()?;
    if node.is_declared(class.hash)? {
        ui.say("it is declared already");
        answer["declared"] = "before".into();
        return Ok(answer);
    }
    let sender = arguments.options.sender(&node)?;
    if arguments.options.dry_run {
        let estimate = sender.simulate_declaration(&class)?;
        say_estimate(ui, &estimate);
        answer["estimate"] = estimate_json(&estimate);
        return Ok(answer);
    }
    ui.step("declaring");
    let receipt = sender.declare(&class)?;
    say_receipt(ui, &receipt);
    answer["declared"] = "now".into();
    answer["receipt"] = receipt_json(&receipt);
    Ok(answer)
}
