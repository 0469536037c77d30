//! `veristar starknet submit`: has a proof verified on chain, after it was verified here.

use super::options::SenderOptions;
use super::{estimate_json, felt, read_key, receipt_json, say_estimate, say_receipt};
use crate::cli::{files, ui::Ui, verify, Refused};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use veristar::verifier::{Key, Proof};
use veristar_starknet::{calldata, Felt};

/// Have a proof verified on chain; its fact is stored there.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar starknet submit sample.vproof --key model.vk --verifier 0xADDRESS

The proof is verified here first, so that a wrong one costs nothing. Whoever sees a proof without a
context can submit it too: see `veristar prove --context`.")]
pub struct Arguments {
    /// The proof.
    #[arg(value_name = "PROOF")]
    proof: PathBuf,
    /// The model's key, as it is registered.
    #[arg(long, value_name = "NAME.vk")]
    key: PathBuf,
    /// The model's name on chain: must be the key's, if given.
    #[arg(long, value_name = "ID", value_parser = felt)]
    model: Option<Felt>,
    /// The verifier's address.
    #[arg(long, value_name = "ADDRESS", value_parser = felt)]
    verifier: Felt,
    #[command(flatten)]
    options: SenderOptions,
}

/// A key, and a proof that holds under it.
pub fn read(key: &Path, proof: &Path) -> Result<(Key, Proof)> {
    let key = read_key(key)?;
    let bytes = files::read(proof)?;
    files::expect(proof, &bytes, files::Kind::Proof, "pass the file that `veristar prove` wrote")?;
    if let Err(error) = verify::check(&key, &bytes) {
        let reason = error.to_string();
        let json = json!({ "valid": false, "reason": reason, "key": files::fingerprint(&key) });
        return Err(Refused { reason: format!("proof refused: {reason}"), json }.into());
    }
    let proof = Proof::from_bytes(&bytes, &key)?;
    Ok((key, proof))
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("verifying here");
    let (key, proof) = read(&arguments.key, &arguments.proof)?;
    let model = calldata::model(&key);
    if arguments.model.is_some_and(|named| named != model) {
        bail!("`{}` is the key of the model {model:#x}", arguments.key.display());
    }
    let (list, fact) = (calldata::verify(&key, &proof)?, calldata::fact(&key, &proof)?);
    let context = calldata::context(&proof)?;
    let mut answer = json!({
        "model": format!("{model:#x}"),
        "fact": format!("{fact:#x}"),
        "context": format!("{context:#x}"),
        "felts": list.len(),
    });
    ui.say(format!("model {model:#x}"));
    ui.say(format!("fact {fact:#x}"));
    ui.say(format!("calldata: {} felts", list.len()));

    ui.step("asking the node");
    let node = arguments.options.node.connect()?;
    let sender = arguments.options.sender(&node)?;
    let call = calldata::call(arguments.verifier, "verify", list);
    if arguments.options.dry_run {
        let estimate = sender.simulate(&[call])?;
        ui.say("the contract would accept the proof");
        say_estimate(ui, &estimate);
        answer["estimate"] = estimate_json(&estimate);
        return Ok(answer);
    }
    ui.step("submitting");
    let receipt = sender.execute(&[call])?;
    ui.say("verified on chain");
    say_receipt(ui, &receipt);
    answer["verified"] = true.into();
    answer["receipt"] = receipt_json(&receipt);
    Ok(answer)
}
