//! `veristar starknet register`: makes a key known to a verifier.

use super::options::SenderOptions;
use super::{estimate_json, felt, read_key, receipt_json, say_estimate, say_receipt};
use crate::cli::ui::Ui;
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use veristar_starknet::{calldata, Felt};

/// Register a model's key; its name on chain is the key's Poseidon hash.
#[derive(Args)]
pub struct Arguments {
    /// The key, of the preset `starknet`.
    #[arg(value_name = "NAME.vk")]
    key: PathBuf,
    /// The verifier's address.
    #[arg(long, value_name = "ADDRESS", value_parser = felt)]
    verifier: Felt,
    #[command(flatten)]
    options: SenderOptions,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    let key = read_key(&arguments.key)?;
    let model = calldata::model(&key);
    let list = calldata::register(&key);
    let mut answer = json!({ "model": format!("{model:#x}"), "felts": list.len() });
    ui.say(format!("model {model:#x}"));

    ui.step("asking the node");
    let node = arguments.options.node.connect()?;
    if node.is_registered(arguments.verifier, model)? {
        ui.say("it is registered already");
        answer["registered"] = "before".into();
        return Ok(answer);
    }
    let sender = arguments.options.sender(&node)?;
    let call = calldata::call(arguments.verifier, "register", list);
    if arguments.options.dry_run {
        let estimate = sender.simulate(&[call])?;
        say_estimate(ui, &estimate);
        answer["estimate"] = estimate_json(&estimate);
        return Ok(answer);
    }
    ui.step("registering");
    let receipt = sender.execute(&[call])?;
    say_receipt(ui, &receipt);
    answer["registered"] = "now".into();
    answer["receipt"] = receipt_json(&receipt);
    Ok(answer)
}
