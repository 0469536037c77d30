//! `veristar starknet deploy`: a verifier of a declared class.

use super::options::SenderOptions;
use super::{estimate_json, felt, receipt_json, say_estimate, say_receipt};
use crate::cli::ui::Ui;
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use veristar_starknet::Felt;

/// Deploy the verifier.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar starknet deploy --class 0xCLASS                    (this account registers models)
  veristar starknet deploy --class 0xCLASS --open             (everybody does)
  veristar starknet deploy --class 0xCLASS --owner 0xADDRESS

The contract's address depends on the account and the salt; one salt deploys once.")]
pub struct Arguments {
    /// The declared class.
    #[arg(long, value_name = "0xHASH", value_parser = felt)]
    class: Felt,
    /// Who registers models [default: this account]
    #[arg(long, value_name = "ADDRESS", value_parser = felt, conflicts_with = "open")]
    owner: Option<Felt>,
    /// Everybody registers models.
    #[arg(long)]
    open: bool,
    /// Tells deployments of one class apart.
    #[arg(long, value_name = "FELT", value_parser = felt, default_value = "0")]
    salt: Felt,
    #[command(flatten)]
    options: SenderOptions,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("asking the node");
    let node = arguments.options.node.connect()?;
    let sender = arguments.options.sender(&node)?;
    let owner = match (arguments.open, arguments.owner) {
        (true, _) => Felt::ZERO,
        (false, Some(owner)) => owner,
        (false, None) => sender.address(),
    };
    let (call, address) = sender.deployment(arguments.class, arguments.salt, &[owner]);
    let mut answer = json!({
        "verifier": format!("{address:#x}"),
        "owner": format!("{owner:#x}"),
        "class": format!("{:#x}", arguments.class),
    });
    if arguments.options.dry_run {
        let estimate = sender.simulate(&[call])?;
        ui.say(format!("verifier {address:#x}"));
        say_estimate(ui, &estimate);
        answer["estimate"] = estimate_json(&estimate);
        return Ok(answer);
    }
    ui.step("deploying");
    let receipt = sender.execute(&[call])?;
    ui.say(format!("verifier {address:#x}"));
    ui.say(match owner == Felt::ZERO {
        true => "everybody registers models".into(),
        false => format!("{owner:#x} registers models"),
    });
    say_receipt(ui, &receipt);
    answer["receipt"] = receipt_json(&receipt);
    Ok(answer)
}
