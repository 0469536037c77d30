//! `veristar verify-rotation`: whether two keys hold the same weights.
//!
//! Exit codes are those of `verify`.

use super::{bits, files, text, ui::Ui, Refused};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use std::time::Instant;
use veristar::verifier::rotation::{statement, verify_rotation};
use veristar::verifier::verify::hex;
use veristar::verifier::{FormatError, Key, Proof, VerifyError};

/// Check that a new key holds the same weights as an old one.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar verify-rotation model.vk model2.vk model2.vrotation

Exit codes: 0 the new key holds the old one's weights, and is equal in all else; 1 it is refused (with
the reason); 2 a file cannot be read, or is no key or no proof at all. Take the old key from whom you
trust: the new one is then as good.")]
pub struct Arguments {
    /// The key that you trust.
    #[arg(value_name = "OLD.vk")]
    old: PathBuf,
    /// The key that takes its place.
    #[arg(value_name = "NEW.vk")]
    new: PathBuf,
    /// The proof that `veristar rotate` wrote.
    #[arg(value_name = "NEW.vrotation")]
    proof: PathBuf,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("verifying");
    let old = files::read_key(&arguments.old)?;
    let new = files::read_key(&arguments.new)?;
    let bytes = files::read(&arguments.proof)?;
    files::expect(
        &arguments.proof,
        &bytes,
        files::Kind::Proof,
        "pass the NEW.vrotation that `veristar rotate` wrote",
    )?;
    let fingerprints = (files::fingerprint(&old), files::fingerprint(&new));
    let start = Instant::now();
    let same = match check(&old, &new, &bytes) {
        Ok(same) => same,
        Err(VerifyError::Format(error @ FormatError::Version { .. })) => {
            return Err(error).with_context(|| format!("`{}`", arguments.proof.display()));
        }
        Err(error) => {
            let reason = match error {
                VerifyError::OtherKey { .. } => {
                    "the proof is of another rotation, or of none: pass OLD.vk, NEW.vk and NEW.vrotation of one `veristar rotate`".into()
                }
                error => error.to_string(),
            };
            let json = json!({
                "valid": false,
                "reason": reason,
                "old_key": fingerprints.0,
                "new_key": fingerprints.1,
            });
            return Err(Refused { reason: format!("rotation refused: {reason}"), json }.into());
        }
    };
    let elapsed = start.elapsed();
    ui.say("valid: the new key holds the same weights as the old one, and is equal in all else");
    ui.say(format!("old key {}", fingerprints.0));
    ui.say(format!("new key {}", fingerprints.1));
    ui.say(format!("security: {} (preset {})", bits::line(&same), old.preset.name()));
    ui.say(format!("proof {}, checked in {}", text::size(bytes.len()), text::time(elapsed)));
    Ok(json!({
        "valid": true,
        "old_key": fingerprints.0,
        "new_key": fingerprints.1,
        "model": old.name,
        "security": bits::json(&same),
        "proof_bytes": bytes.len(),
        "verify_ms": text::milliseconds(elapsed),
    }))
}

/// The statement, as a key, if it holds.
fn check(old: &Key, new: &Key, bytes: &[u8]) -> Result<Key, VerifyError> {
    let key = statement(old, new)?;
    // First, because another rotation's proof may have other sizes and would look damaged.
    let (got, expected) = (Proof::key_of(bytes)?, key.fingerprint());
    if got != expected {
        return Err(VerifyError::OtherKey { expected: hex(&expected), got: hex(&got) });
    }
    verify_rotation(old, new, &Proof::from_bytes(bytes, &key)?)?;
    Ok(key)
}
