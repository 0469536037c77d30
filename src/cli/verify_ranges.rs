//! `veristar verify-ranges`: whether a key's weights lie in ranges with which nothing can overflow.
//!
//! Exit codes are those of `verify`.

use super::{files, text, ui::Ui, Refused};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use std::time::Instant;
use veristar::prover::ranges::{verify_ranges, Ranges, RangesProof};
use veristar::prover::ProveError;
use veristar::verifier::{FormatError, Key};

/// Check that all weights of a key lie in their declared ranges.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar setup model.onnx --calibration data.npz --prove-ranges -o model
  veristar verify-ranges model.vk model.vranges

A proof of inference rests on a bound: with weights in their declared ranges no sum can overflow the
field. Who made the key has kept to it, or not. This check, once for a key, leaves nothing to trust:
it compiles the architecture in the file again, compares it with the key, computes the bound for any
weights in the ranges, and verifies that the committed ones are in them.

Exit codes: 0 they are; 1 refused (with the reason); 2 a file cannot be read, or is of another kind.")]
pub struct Arguments {
    /// The key.
    #[arg(value_name = "NAME.vk")]
    key: PathBuf,
    /// The proof that `veristar setup --prove-ranges` wrote.
    #[arg(value_name = "NAME.vranges")]
    proof: PathBuf,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("compiling and verifying");
    let key = files::read_key(&arguments.key)?;
    let bytes = files::read(&arguments.proof)?;
    files::expect(
        &arguments.proof,
        &bytes,
        files::Kind::Ranges,
        "pass the NAME.vranges that `veristar setup --prove-ranges` wrote",
    )?;
    let fingerprint = files::fingerprint(&key);
    let start = Instant::now();
    let ranges = match check(&key, &bytes) {
        Ok(ranges) => ranges,
        Err(error) => {
            if let ProveError::Format(error @ FormatError::Version { .. }) = *error {
                return Err(error).with_context(|| format!("`{}`", arguments.proof.display()));
            }
            let reason = error.to_string();
            let json = json!({ "valid": false, "reason": reason, "key": fingerprint });
            return Err(Refused { reason: format!("ranges refused: {reason}"), json }.into());
        }
    };
    let elapsed = start.elapsed();
    let weights: usize = ranges.parameters.iter().map(|(_, count, _)| count).sum();
    ui.say(format!("valid: all {weights} weights of `{}` lie in their declared ranges, with which no sum can overflow", key.name));
    let rows = ranges.parameters.iter().map(|(name, count, range)| {
        vec![name.clone(), count.to_string(), format!("{}..={}", range.lo, range.hi)]
    });
    ui.say(text::table(&["parameter", "weights", "range"], &rows.collect::<Vec<_>>()));
    ui.say(format!("key {fingerprint}"));
    ui.say(format!("proof {}, checked in {}", text::size(bytes.len()), text::time(elapsed)));
    let parameters = ranges.parameters.iter().map(|(name, count, range)| {
        json!({ "name": name, "weights": count, "range": [range.lo, range.hi] })
    });
    Ok(json!({
        "valid": true,
        "key": fingerprint,
        "model": key.name,
        "parameters": parameters.collect::<Vec<_>>(),
        "proof_bytes": bytes.len(),
        "verify_ms": text::milliseconds(elapsed),
    }))
}

fn check(key: &Key, bytes: &[u8]) -> Result<Ranges, Box<ProveError>> {
    Ok(verify_ranges(key, &RangesProof::from_bytes(bytes, key)?)?)
}
