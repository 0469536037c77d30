//! `veristar starknet submit`: has a proof verified on chain, after it was verified here: in one transaction, or in
//! several where it does not fit one.

use super::options::{CutOptions, SenderOptions};
use super::{estimate_json, felt, read_key, receipt_json, say_estimate, say_receipt, strk};
use crate::cli::{files, text, ui::Ui, verify, Refused};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use veristar::verifier::{Key, Proof};
use veristar_starknet::{calldata, Call, Estimate, Felt, Plan, Receipt, Sender};

/// Have a proof verified on chain; its fact is stored there.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar starknet submit sample.vproof --key model.vk --verifier 0xADDRESS

The proof is verified here first, so that a wrong one costs nothing. Whoever sees a proof without a
context can submit it too: see `veristar prove --context`.

A proof of more felts than a transaction takes is verified in several, in one session of this account
with the contract. After an interruption --resume continues it, and --abandon gives it up; both need
the same proof, key and --most-felts. All is simulated before the first transaction is sent.")]
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
    /// Continue where an earlier run was interrupted.
    #[arg(long)]
    resume: bool,
    /// Give an interrupted session up.
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    abandon: bool,
    #[command(flatten)]
    cut: CutOptions,
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
    let plan = arguments.cut.plan(&key, &proof)?;
    let (context, fact) = (calldata::context(&proof)?, calldata::fact(&key, &proof)?);
    let felts = calldata::verify(&key, &proof)?.len();
    let mut answer = json!({
        "model": format!("{model:#x}"),
        "fact": format!("{fact:#x}"),
        "context": format!("{context:#x}"),
        "felts": felts,
        "transactions": plan.steps.len(),
    });
    ui.say(format!("model {model:#x}"));
    ui.say(format!("fact {fact:#x}"));
    say_plan(ui, &plan);

    ui.step("asking the node");
    let node = arguments.options.node.connect()?;
    let sender = arguments.options.sender(&node)?;
    let verifier = arguments.verifier;
    let waiting = match plan.session(sender.address()) {
        Some(session) => {
            answer["session"] = format!("{session:#x}").into();
            node.rest(verifier, session)?
        }
        None => Felt::ZERO,
    };
    let done = plan.next(waiting)?;
    if arguments.abandon {
        return abandon(&plan, done, &sender, verifier, answer, ui);
    }
    if done > 0 && !arguments.resume {
        bail!(
            "{done} of {} transactions were sent before: continue with --resume, or give them up with --abandon",
            plan.steps.len()
        );
    }
    if done == 0 && arguments.resume && node.is_fact(verifier, fact)? {
        ui.say("verified on chain before");
        answer["verified"] = true.into();
        return Ok(answer);
    }
    answer["first"] = (done + 1).into();
    let steps = plan.steps.into_iter().skip(done);
    let calls: Vec<Call> =
        steps.map(|step| calldata::call(verifier, step.function, step.calldata)).collect();
    if done > 0 {
        ui.say(format!("continuing with transaction {}", done + 1));
    }
    if arguments.options.dry_run {
        let estimates = sender.simulate_in_turn(&calls)?;
        ui.say("the contract would accept the proof");
        for (number, estimate) in (done + 1..).zip(&estimates) {
            if calls.len() > 1 {
                ui.say(format!("transaction {number}:"));
            }
            say_estimate(ui, estimate);
        }
        if let [estimate] = estimates.as_slice() {
            answer["estimate"] = estimate_json(estimate);
        }
        answer["estimates"] = estimates.iter().map(estimate_json).collect();
        say_total(ui, &estimates);
        return Ok(answer);
    }
    let receipts = send(&calls, done, &sender, ui)?;
    ui.say("verified on chain");
    answer["verified"] = true.into();
    if let [receipt] = receipts.as_slice() {
        answer["receipt"] = receipt_json(receipt);
    }
    answer["receipts"] = receipts.iter().map(receipt_json).collect();
    Ok(answer)
}

/// Says into how many transactions a proof was cut.
pub fn say_plan(ui: &Ui, plan: &Plan) {
    let sizes: Vec<String> =
        plan.steps.iter().map(|s| text::count(s.calldata.len() as u64)).collect();
    match sizes.as_slice() {
        [one] => ui.say(format!("one transaction: {one} felts of calldata")),
        several => ui.say(format!(
            "{} transactions: {} felts of calldata",
            several.len(),
            several.join(", ")
        )),
    }
}

fn say_total(ui: &Ui, estimates: &[Estimate]) {
    if estimates.len() > 1 {
        let gas = estimates.iter().map(|one| one.l2_gas).sum::<u64>();
        let fee = estimates.iter().fold(0u128, |sum, one| sum.saturating_add(one.fee));
        ui.say(format!("together: {} L2 gas, fee {}", text::count(gas), strk(fee)));
    }
}

/// Sends transactions in turn. Several are simulated together before: so the first one is not paid for nothing.
fn send(calls: &[Call], done: usize, sender: &Sender, ui: &Ui) -> Result<Vec<Receipt>> {
    if calls.len() > 1 {
        ui.step("simulating all");
        let estimates = sender.simulate_in_turn(calls)?;
        say_total(ui, &estimates);
    }
    let mut receipts = Vec::new();
    for (number, call) in (done + 1..).zip(calls) {
        if done > 0 || calls.len() > 1 {
            ui.step(format!("transaction {number} of {}", done + calls.len()));
        } else {
            ui.step("submitting");
        }
        let receipt = sender.execute(std::slice::from_ref(call)).inspect_err(|_| {
            if number > 1 {
                ui.say(format!("{} were verified: --resume continues", number - 1));
            }
        })?;
        say_receipt(ui, &receipt);
        receipts.push(receipt);
    }
    Ok(receipts)
}

fn abandon(
    plan: &Plan,
    done: usize,
    sender: &Sender,
    verifier: Felt,
    mut answer: Value,
    ui: &Ui,
) -> Result<Value> {
    let Some(calldata) = plan.close().filter(|_| done > 0) else {
        bail!("this account has no session of this proof to give up");
    };
    ui.step("giving the session up");
    let receipt = sender.execute(&[calldata::call(verifier, "close", calldata)])?;
    say_receipt(ui, &receipt);
    answer["abandoned"] = true.into();
    answer["receipt"] = receipt_json(&receipt);
    Ok(answer)
}
