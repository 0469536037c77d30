//! Verifying with the Winterfell backend. Exit codes as by the other one.

use super::super::{files, hiding, text, ui::Ui, verify, Refused};
use super::{bits, bits_json, fingerprint, hiding_json, HIDES};
use anyhow::{bail, Context, Result};
use serde_json::{json, Value};
use std::path::Path;
use std::time::Instant;
use veristar::winterfell::{self, FormatError, VerifyError, WinterfellKey, WinterfellProof};

/// Of a key and a proof, their paths and bytes.
pub fn verify(
    [key_path, proof_path]: [&Path; 2],
    [key_bytes, bytes]: [&[u8]; 2],
    ui: &Ui,
) -> Result<Value> {
    let key = files::winterfell_key_of(key_path, key_bytes)?;
    if files::Kind::of(bytes) == files::Kind::Proof {
        bail!(
            "`{}` is a proof of the stwo backend, and `{}` a key of the Winterfell backend: verify it under the NAME.vk from its own set-up",
            proof_path.display(),
            key_path.display()
        );
    }
    let next = "pass the file that `veristar prove` wrote";
    files::expect(proof_path, bytes, files::Kind::WinterfellProof, next)?;
    let fingerprint = fingerprint(&key);
    let start = Instant::now();
    let values = match check(&key, bytes) {
        Ok(values) => values,
        Err(VerifyError::Format(error @ FormatError::Version { .. })) => {
            return Err(error).with_context(|| format!("`{}`", proof_path.display()));
        }
        Err(error) => {
            let reason = error.to_string();
            let json = json!({
                "valid": false, "backend": "winterfell", "reason": reason, "key": fingerprint,
            });
            let reason = format!("proof refused: {reason}");
            return Err(Refused { reason, json }.into());
        }
    };
    let elapsed = start.elapsed();
    let layout = &key.layout;
    ui.say(format!("valid: the proof holds under key {fingerprint}"));
    ui.say(format!("model `{}`, backend winterfell", key.name));
    for (tensor, values) in layout.public.iter().zip(&values) {
        verify::say(ui, layout, tensor, values);
    }
    ui.say(format!("not shown: {}", hiding::not_shown(layout)));
    ui.say(format!("  (not zero-knowledge: {HIDES})"));
    ui.say(format!("security: {} (preset {})", bits(&key), key.preset.name()));
    ui.say(format!(
        "proof {}, key {}, checked in {}",
        text::size(bytes.len()),
        text::size(key_bytes.len()),
        text::time(elapsed),
    ));
    let mut answer = json!({
        "valid": true,
        "backend": "winterfell",
        "precision": key.precision.name(),
        "key": fingerprint,
        "model": key.name,
        "preset": key.preset.name(),
        "batch": layout.batch,
        "context": null,
        "public": verify::public_json(layout, &values),
        "not_shown": hiding::not_shown(layout),
        "security": bits_json(&key),
        "proof_bytes": bytes.len(),
        "key_bytes": key_bytes.len(),
        "verify_ms": text::milliseconds(elapsed),
    });
    hiding_json(&mut answer);
    Ok(answer)
}

/// The proof's public values, if it holds.
fn check(key: &WinterfellKey, bytes: &[u8]) -> Result<Vec<Vec<i64>>, VerifyError> {
    let proof = WinterfellProof::for_key(bytes, key)?;
    let verified = winterfell::verify(key, &proof)?;
    Ok(verified.public.into_iter().map(|(_, values)| values).collect())
}
