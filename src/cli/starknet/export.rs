//! `veristar starknet export-calldata`: a proof for other clients.

use super::options::CutOptions;
use super::submit::{read, say_plan};
use crate::cli::{files, text, ui::Ui};
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use veristar_starknet::calldata;

/// Write a proof as calldata of the contract, for starknet.js or another client.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar starknet export-calldata sample.vproof --key model.vk -o calldata.json
  veristar starknet export-calldata sample.vproof --key model.vk --hex -o calldata.txt

The JSON has the whole calldata of `register` and `verify`, and the parts (model, key, context, public,
proof) that a contract such as RiskVault takes. `transactions` lists the calls to send: one `verify`, or,
for a proof that does not fit, `begin` and some `advance`, in this order and from one account.
With --hex: the calldata of `verify`, one felt a line. The proof is verified first.")]
pub struct Arguments {
    /// The proof.
    #[arg(value_name = "PROOF")]
    proof: PathBuf,
    /// The model's key.
    #[arg(long, value_name = "NAME.vk")]
    key: PathBuf,
    /// Felts in hexadecimal, one a line, instead of JSON.
    #[arg(long)]
    hex: bool,
    #[command(flatten)]
    cut: CutOptions,
    /// Where it is written.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("verifying");
    let (key, proof) = read(&arguments.key, &arguments.proof)?;
    let felts = calldata::verify(&key, &proof)?;
    let plan = arguments.cut.plan(&key, &proof)?;
    let written = match arguments.hex {
        true => calldata::hex_lines(&felts),
        false => {
            format!("{}\n", serde_json::to_string_pretty(&calldata::json(&key, &proof, &plan)?)?)
        }
    };
    let mut file = files::Output::create(&arguments.output, false)?;
    file.fill(written.as_bytes())?;
    let path = file.publish()?;
    let model = calldata::model(&key);
    ui.say(format!("model {model:#x}"));
    ui.say(format!(
        "wrote {} ({} felts for `verify`, {})",
        path.display(),
        felts.len(),
        text::size(written.len())
    ));
    say_plan(ui, &plan);
    Ok(json!({
        "model": format!("{model:#x}"),
        "fact": format!("{:#x}", calldata::fact(&key, &proof)?),
        "felts": felts.len(),
        "transactions": plan.steps.len(),
        "path": path,
        "bytes": written.len(),
    }))
}
