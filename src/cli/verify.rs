//! `veristar verify`: whether a proof holds under a key, and what it says.
//!
//! A file that does not begin as a proof of this version is unusable (exit 2); whatever is wrong
//! after that, a cut included, is a refusal (exit 1).

use super::{bits, context, data, files, hiding, text, ui::Ui, winterfell, Refused};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use std::time::Instant;
use veristar::air::program::{Layout, PublicTensor};
use veristar::verifier::hash::Hash;
use veristar::verifier::verify::{hex, verify};
use veristar::verifier::{FormatError, Key, Proof, VerifyError};

/// Check a proof and print the public values it vouches for.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar verify model.vk sample.vproof

Exit codes: 0 the proof holds; 1 it is refused (with the reason), which includes a proof that is cut
short, damaged, or made for another key; 2 a file cannot be read, or is no key or no proof at all.
Take the key from whom you trust: compare its fingerprint.")]
pub struct Arguments {
    /// The model's verification key.
    #[arg(value_name = "NAME.vk")]
    key: PathBuf,
    /// The proof.
    #[arg(value_name = "PROOF")]
    proof: PathBuf,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("verifying");
    let key_bytes = files::read(&arguments.key)?;
    let bytes = files::read(&arguments.proof)?;
    if files::Kind::of(&key_bytes) == files::Kind::WinterfellKey {
        return winterfell::verify([&arguments.key, &arguments.proof], [&key_bytes, &bytes], ui);
    }
    let key = files::key_of(&arguments.key, &key_bytes)?;
    if files::Kind::of(&bytes) == files::Kind::WinterfellProof {
        bail!(
            "`{}` is a proof of the Winterfell backend, and `{}` a key of the stwo backend: verify it under the NAME.vk from its own set-up",
            arguments.proof.display(),
            arguments.key.display()
        );
    }
    files::expect(
        &arguments.proof,
        &bytes,
        files::Kind::Proof,
        "pass the file that `veristar prove` wrote",
    )?;
    let fingerprint = files::fingerprint(&key);
    let start = Instant::now();
    let (values, context) = match check(&key, &bytes) {
        Ok(holds) => holds,
        Err(VerifyError::Format(error @ FormatError::Version { .. })) => {
            return Err(error).with_context(|| format!("`{}`", arguments.proof.display()));
        }
        Err(error) => {
            let reason = error.to_string();
            let json = json!({ "valid": false, "reason": reason, "key": fingerprint });
            let reason = format!("proof refused: {reason}");
            return Err(Refused { reason, json }.into());
        }
    };
    let elapsed = start.elapsed();

    ui.say(format!("valid: the proof holds under key {fingerprint}"));
    ui.say(format!("model `{}`", key.name));
    for (tensor, values) in key.layout.public.iter().zip(&values) {
        say(ui, &key.layout, tensor, values);
    }
    if let Some(context) = &context {
        ui.say(format!("made for the context {}, and for no other", context::hex(context)));
    }
    ui.say(format!("not shown: {}", hiding::not_shown(&key.layout)));
    ui.say(format!("  ({})", hiding::promise(&key)));
    ui.say(format!("security: {} (preset {})", bits::line(&key), key.preset.name()));
    ui.say(format!(
        "proof {}, key {}, checked in {}",
        text::size(bytes.len()),
        text::size(key_bytes.len()),
        text::time(elapsed),
    ));
    let mut answer = json!({
        "valid": true,
        "backend": "stwo",
        "key": fingerprint,
        "model": key.name,
        "preset": key.preset.name(),
        "batch": key.layout.batch,
        "context": context.as_ref().map(context::hex),
        "public": public_json(&key.layout, &values),
        "not_shown": hiding::not_shown(&key.layout),
        "security": bits::json(&key),
        "proof_bytes": bytes.len(),
        "key_bytes": key_bytes.len(),
        "verify_ms": text::milliseconds(elapsed),
    });
    hiding::json(&mut answer, &key);
    Ok(answer)
}

/// Public values, tensor by tensor, and context.
type Holds = (Vec<Vec<i32>>, Option<Hash>);

/// The proof's public values and context, if it holds.
pub fn check(key: &Key, bytes: &[u8]) -> Result<Holds, VerifyError> {
    // First, because another key's proof has other sizes and would look damaged.
    let (got, expected) = (Proof::key_of(bytes)?, key.fingerprint());
    if got != expected {
        return Err(VerifyError::OtherKey { expected: hex(&expected), got: hex(&got) });
    }
    let proof = Proof::from_bytes(bytes, key)?;
    let verified = verify(key, &proof)?;
    let values = verified.public.into_iter().map(|(_, values)| values).collect();
    Ok((values, verified.context))
}

fn role(tensor: &PublicTensor) -> &'static str {
    if tensor.input {
        "input"
    } else {
        "output"
    }
}

pub fn say<T: Copy + Into<i64>>(ui: &Ui, layout: &Layout, tensor: &PublicTensor, values: &[T]) {
    let reals = data::real_public(tensor, values);
    let length = (reals.len() / layout.batch.max(1) as usize).max(1);
    for (number, values) in reals.chunks(length).enumerate() {
        let which = match layout.batch {
            1 => String::new(),
            _ => format!(" of inference {number}"),
        };
        ui.say(format!("{} `{}`{which}: {}", role(tensor), tensor.name, data::values(values)));
    }
}

/// Public values, tensor by tensor.
pub fn public_json<T: Copy + Into<i64>>(layout: &Layout, values: &[Vec<T>]) -> Value {
    let tensors = layout.public.iter().zip(values);
    tensors
        .map(|(tensor, values)| {
            json!({
                "name": tensor.name,
                "role": role(tensor),
                "shape": tensor.shape,
                "scale": tensor.scale,
                "zero_point": tensor.zero_point,
                "values": data::real_public(tensor, values),
                "integers": values.iter().map(|v| (*v).into()).collect::<Vec<i64>>(),
            })
        })
        .collect()
}
