//! `veristar rotate`: the same weights under a new commitment, with a proof that they are the same.

use super::{files, hiding, text, ui::Ui};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use std::time::Instant;
use veristar::prover::budget::{self, Budget, Count, Purpose};
use veristar::prover::{rotation, ProveError};
use veristar::verifier::Key;

/// Commit to a model's weights anew, once its proofs are used up, and prove that they are the same.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar rotate model.vsm -o model2
  veristar verify-rotation model.vk model2.vk model2.vrotation

A weights commitment hides for a number of proofs, since each of them opens it. The new one hides for
as many again. Publish NEW.vk and NEW.vrotation: whoever trusts the old key can check that the new one
holds the same weights. Old proofs stay valid under the old key.

The proof of the rotation opens the old commitment once more: one proof was kept for that. If
OLD.vsm.count is lost or damaged, nobody knows how many proofs there were. --lost-count rotates all
the same; if all of them had been made, old proofs and this one together leak a little about the
weights.")]
pub struct Arguments {
    /// The package whose proofs are used up, or soon will be.
    #[arg(value_name = "OLD.vsm")]
    package: PathBuf,
    /// Rotate although OLD.vsm.count is missing, damaged, or has no proof left for it.
    #[arg(long)]
    lost_count: bool,
    /// Writes NEW.vsm, NEW.vk, NEW.vsm.count and NEW.vrotation.
    #[arg(short, long, value_name = "NEW")]
    output: PathBuf,
}

pub fn command(arguments: &Arguments, ui: &Ui) -> Result<Value> {
    let start = Instant::now();
    ui.step("reading");
    let package = files::read_package(&arguments.package)?;
    let old = &package.key;
    let path = arguments.package.display();
    if !old.hides() {
        bail!("`{path}` was set up to hide nothing: there is nothing to rotate; run `veristar setup` again without --no-hiding");
    }
    if !budget::is_counted(old) {
        bail!("`{path}` hides for any number of proofs: go on proving with it");
    }
    let outputs = files::Outputs::create(&arguments.output)?;
    if same_file(&arguments.package, &outputs.package) {
        bail!("the new package would replace `{path}`; choose another name with -o");
    }
    let proof_path = files::with_ending(&arguments.output, "vrotation");
    let mut proof_file = files::Output::create(&proof_path, false)?;

    let warning = take(arguments, old)?;
    ui.step("committing anew and proving");
    let rotation::Rotation { package: new, proof } =
        rotation::rotate(&package).with_context(|| format!("cannot rotate `{path}`"))?;

    ui.step("writing");
    let proof_bytes = proof.to_bytes();
    proof_file.fill(&proof_bytes)?;
    let (package_path, key_path) = (outputs.package.clone(), outputs.key.clone());
    // The rotation's proof is the first that opens the new commitment.
    let count = Count { used: 1, ..Count::new(&new.key) };
    let written = outputs.publish(&new, count.used, vec![proof_file])?;
    let elapsed = start.elapsed();

    if let Some(warning) = &warning {
        ui.say(format!("warning: {warning}"));
    }
    ui.say(format!("old key {}", files::fingerprint(old)));
    ui.say(format!("new key {}", files::fingerprint(&new.key)));
    ui.say(format!("{} proofs with the new package; then `veristar rotate`", count.left()));
    let wrote = [
        (&package_path, written.package, "prove with it from now on: keep it private"),
        (&key_path, written.key, "for verifying: publish it"),
        (&proof_path, proof_bytes.len(), "that both keys hold the same weights: publish it"),
    ];
    for (path, bytes, what) in wrote {
        ui.say(format!("wrote {} ({}; {what})", path.display(), text::size(bytes)));
    }
    let count_path = budget::count_path(&package_path);
    ui.say(format!("wrote {} (counts proofs: keep it beside the package)", count_path.display()));
    ui.say(format!(
        "check it with: veristar verify-rotation OLD.vk {} {}",
        key_path.display(),
        proof_path.display()
    ));
    ui.say(format!("rotation took {}", text::time(elapsed)));
    let mut answer = json!({
        "old_key": files::fingerprint(old),
        "package": { "path": package_path, "bytes": written.package },
        "key": { "path": key_path, "bytes": written.key, "fingerprint": files::fingerprint(&new.key) },
        "proof": { "path": proof_path, "bytes": proof_bytes.len() },
        "count": count_path,
        "warning": warning,
        "rotate_ms": text::milliseconds(elapsed),
    });
    hiding::count_json(&mut answer, &new.key, Some(&count));
    Ok(answer)
}

/// Takes the rotation's place in the old package's count; a warning where that cannot be done and
/// need not be.
fn take(arguments: &Arguments, old: &Key) -> Result<Option<String>> {
    use ProveError::{CountDamaged, CountForeign, CountMissing, Rotated};
    let error = match Budget::open(&arguments.package, old) {
        Ok(budget) => match budget.take(Purpose::Rotate) {
            Ok(_) => return Ok(None),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let known = match &error {
        CountMissing { .. } | CountDamaged { .. } | CountForeign { .. } => format!(
            "nobody knows how many proofs were made with `{}`: if more than {}, they leak a little about the weights, and this rotation's proof, which opens the old commitment once more, adds to it",
            arguments.package.display(),
            old.proofs.saturating_sub(1),
        ),
        Rotated { .. } => format!(
            "all {} proofs of `{}` were used: if all were published, they and this rotation's proof, which opens the old commitment once more, leak a little about the weights",
            old.proofs,
            arguments.package.display(),
        ),
        _ => return Err(error.into()),
    };
    match arguments.lost_count {
        true => Ok(Some(format!("{known}; do not prove with the old package any more"))),
        false => Err(error.into()),
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
