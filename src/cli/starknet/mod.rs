//! `veristar starknet`: the contract on Starknet. Thin: `veristar-starknet` does the work.
//!
//! | file | idea |
//! |---|---|
//! | `options` | the node, the account and its limits, what a transaction carries |
//! | `declare`, `deploy`, `register`, `submit`, `status`, `export` | one command each |
//!
//! Exit codes: 1 for what the contract, or the native verifier before it, refuses; 2 for what cannot be
//! sent or asked.

mod declare;
mod deploy;
mod export;
mod options;
mod register;
mod status;
mod submit;

use super::{files, text, ui::Ui, Refused};
use anyhow::{bail, Result};
use clap::{Args, Subcommand};
use serde_json::{json, Value};
use std::path::Path;
use veristar::security::HashFunction;
use veristar::verifier::Key;
use veristar_starknet::{ClientError, Estimate, Felt, Receipt};

/// Declare and deploy the verifier on Starknet, register keys, submit proofs, ask.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar setup model.onnx --calibration data.npz --preset starknet -o model
  veristar prove model.vsm --input sample.json --context-of MY_APP,0x1234,7 -o sample.vproof
  veristar starknet declare verifier.sierra.json --casm verifier.casm.json
  veristar starknet deploy --class 0xCLASS
  veristar starknet register model.vk --verifier 0xADDRESS
  veristar starknet submit sample.vproof --key model.vk --verifier 0xADDRESS --dry-run
  veristar starknet export-calldata sample.vproof --key model.vk -o calldata.json

The node is --rpc or STARKNET_RPC, the account --account or STARKNET_ACCOUNT. Its secret key comes from
--keystore, with the password in STARKNET_KEYSTORE_PASSWORD, or from STARKNET_PRIVATE_KEY. It is never
printed.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Declare(declare::Arguments),
    Deploy(deploy::Arguments),
    Register(register::Arguments),
    Submit(submit::Arguments),
    Status(status::Arguments),
    ExportCalldata(export::Arguments),
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    let answer = match &arguments.command {
        Command::Declare(arguments) => declare::command(arguments, ui),
        Command::Deploy(arguments) => deploy::command(arguments, ui),
        Command::Register(arguments) => register::command(arguments, ui),
        Command::Submit(arguments) => submit::command(arguments, ui),
        Command::Status(arguments) => status::command(arguments, ui),
        Command::ExportCalldata(arguments) => export::command(arguments, ui),
    };
    answer.map_err(told)
}

/// A revert is a verdict.
fn told(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Reverted { reason, transaction }) => {
            let transaction = transaction.map(|hash| format!("{hash:#x}"));
            let json = json!({ "reverted": true, "reason": reason, "transaction": transaction });
            let reason = match &transaction {
                Some(hash) => format!("transaction {hash} reverted: {reason}"),
                None => format!("the contract refuses: {reason}"),
            };
            Refused { reason, json }.into()
        }
        _ => error,
    }
}

/// Reads a felt that an option names.
fn felt(text: &str) -> Result<Felt, String> {
    let read = match text.starts_with("0x") {
        true => Felt::from_hex(text).ok(),
        false => Felt::from_dec_str(text).ok(),
    };
    read.ok_or_else(|| "expected a felt: 0xHEX or a decimal number".into())
}

/// A key for the contract.
fn read_key(path: &Path) -> Result<Key> {
    let key = files::read_key(path)?;
    if key.preset.hash() != HashFunction::Poseidon252 {
        bail!(
            "`{}` has the preset {}, and the contract takes starknet only; run `veristar setup` again with --preset starknet",
            path.display(),
            key.preset.name()
        );
    }
    Ok(key)
}

/// Fri as STRK, of which one has 10^18.
fn strk(fri: u128) -> String {
    format!("{} STRK", text::number(fri as f64 / 1e18))
}

fn say_estimate(ui: &Ui, estimate: &Estimate) {
    ui.say(format!(
        "dry run: {} L2 gas, {} L1 data gas",
        text::count(estimate.l2_gas),
        text::count(estimate.l1_data_gas)
    ));
    if let Some(gas) = estimate.call_gas {
        ui.say(format!("  of which the call itself: {}", text::count(gas)));
    }
    ui.say(format!(
        "fee {}, at most {}; nothing was sent",
        strk(estimate.fee),
        strk(estimate.most)
    ));
}

fn estimate_json(estimate: &Estimate) -> Value {
    json!({
        "l1_gas": estimate.l1_gas,
        "l1_data_gas": estimate.l1_data_gas,
        "l2_gas": estimate.l2_gas,
        "call_l2_gas": estimate.call_gas,
        "fee_fri": estimate.fee.to_string(),
        "most_fee_fri": estimate.most.to_string(),
    })
}

fn say_receipt(ui: &Ui, receipt: &Receipt) {
    ui.say(format!("transaction {:#x}, block {}", receipt.transaction, receipt.block));
    ui.say(format!(
        "{} L2 gas, {} L1 data gas, fee {}",
        text::count(receipt.l2_gas),
        text::count(receipt.l1_data_gas),
        fee(receipt),
    ));
}

fn fee(receipt: &Receipt) -> String {
    u128::try_from(receipt.fee.to_biguint())
        .map_or_else(|_| format!("{:#x} fri", receipt.fee), strk)
}

fn receipt_json(receipt: &Receipt) -> Value {
    json!({
        "transaction": format!("{:#x}", receipt.transaction),
        "block": receipt.block,
        "l1_gas": receipt.l1_gas,
        "l1_data_gas": receipt.l1_data_gas,
        "l2_gas": receipt.l2_gas,
        "fee_fri": receipt.fee.to_biguint().to_string(),
    })
}
