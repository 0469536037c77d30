//! `veristar starknet status`: what a chain knows of a transaction, a model, a fact.

use super::options::NodeOptions;
use super::{fee, felt, read_key, receipt_json};
use crate::cli::{files, text, ui::Ui};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use veristar::verifier::Proof;
use veristar_starknet::{calldata, Execution, Felt, Node};

/// Ask what became of a transaction, whether a model is registered, whether a fact is verified.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar starknet status 0xTRANSACTION
  veristar starknet status --verifier 0xADDRESS --key model.vk
  veristar starknet status --verifier 0xADDRESS --key model.vk --proof sample.vproof
  veristar starknet status --verifier 0xADDRESS --fact 0xFACT

It answers what it was asked, with exit code 0 whatever the answer is.")]
pub struct Arguments {
    /// A transaction.
    #[arg(value_name = "TRANSACTION", value_parser = felt)]
    transaction: Option<Felt>,
    /// The verifier's address.
    #[arg(long, value_name = "ADDRESS", value_parser = felt)]
    verifier: Option<Felt>,
    /// A model, by its key.
    #[arg(long, value_name = "NAME.vk", requires = "verifier")]
    key: Option<PathBuf>,
    /// A model, by its name on chain.
    #[arg(long, value_name = "ID", requires = "verifier", conflicts_with = "key", value_parser = felt)]
    model: Option<Felt>,
    /// A fact, by its proof.
    #[arg(long, value_name = "PROOF", requires = "key", conflicts_with = "fact")]
    proof: Option<PathBuf>,
    /// A fact.
    #[arg(long, value_name = "FACT", requires = "verifier", value_parser = felt)]
    fact: Option<Felt>,
    #[command(flatten)]
    node: NodeOptions,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    if arguments.transaction.is_none() && arguments.verifier.is_none() {
        bail!(
            "ask for something: a TRANSACTION, or --verifier ADDRESS with --key, --model or --fact"
        );
    }
    ui.step("asking the node");
    let node = arguments.node.connect()?;
    let mut answer = json!({ "rpc": node.rpc, "block": node.block_number()? });
    if let Some(hash) = arguments.transaction {
        answer["transaction"] = transaction(&node, hash, ui)?;
    }
    let Some(verifier) = arguments.verifier else { return Ok(answer) };
    let owner = node.owner(verifier)?;
    answer["owner"] = format!("{owner:#x}").into();
    ui.say(match owner == Felt::ZERO {
        true => "everybody registers models".into(),
        false => format!("{owner:#x} registers models"),
    });
    let key = arguments.key.as_ref().map(|path| read_key(path)).transpose()?;
    let model = arguments.model.or_else(|| key.as_ref().map(calldata::model));
    if let Some(model) = model {
        let known = node.is_registered(verifier, model)?;
        ui.say(format!(
            "model {model:#x}: {}",
            if known { "registered" } else { "not registered" }
        ));
        answer["model"] = json!({ "model": format!("{model:#x}"), "registered": known });
    }
    let mut fact = arguments.fact;
    if let (Some(path), Some(key)) = (&arguments.proof, &key) {
        let bytes = files::read(path)?;
        let next = "pass the file that `veristar prove` wrote";
        files::expect(path, &bytes, files::Kind::Proof, next)?;
        fact = Some(calldata::fact(key, &Proof::from_bytes(&bytes, key)?)?);
    }
    if let Some(fact) = fact {
        let known = node.is_fact(verifier, fact)?;
        ui.say(format!("fact {fact:#x}: {}", if known { "verified" } else { "not verified" }));
        answer["fact"] = json!({ "fact": format!("{fact:#x}"), "verified": known });
    }
    Ok(answer)
}

fn transaction(node: &Node, hash: Felt, ui: &Ui) -> Result<Value> {
    let Some(receipt) = node.receipt(hash)? else {
        ui.say("the transaction is in no block");
        return Ok(json!({ "found": false }));
    };
    let mut answer = receipt_json(&receipt);
    answer["found"] = true.into();
    match &receipt.execution {
        Execution::Succeeded => {
            ui.say(format!("the transaction succeeded, in block {}", receipt.block));
            answer["succeeded"] = true.into();
        }
        Execution::Reverted { reason } => {
            ui.say(format!("the transaction reverted, in block {}: {reason}", receipt.block));
            answer["succeeded"] = false.into();
            answer["reason"] = reason.clone().into();
        }
    }
    ui.say(format!("{} L2 gas, fee {}", text::count(receipt.l2_gas), fee(&receipt)));
    Ok(answer)
}
