//! One input: its proof, or why there is none, and where both go.

use crate::cli::{context, data, files, text, verify};
use anyhow::{Context, Result};
use serde_json::{json, Value};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use veristar::prover::budget::{Budget, Purpose};
use veristar::prover::{AnyPrepared, ProveError};
use veristar::verifier::hash::Hash;

/// An input that has been read.
pub struct Job {
    /// Its file's name.
    pub name: OsString,
    /// The inputs of the batch, quantised; or why they cannot be proven.
    pub inputs: Result<Vec<Vec<Vec<i64>>>>,
    /// How long reading took.
    pub read: Duration,
}

/// What became of an input.
pub enum Outcome {
    /// It is proven.
    Proved {
        /// The input's file name.
        input: String,
        /// The proof.
        proof: PathBuf,
        /// Its length.
        bytes: usize,
        /// How long it took.
        prove: Duration,
        /// Proofs left; `None` without limit.
        left: Option<u32>,
        /// The same and more.
        json: Value,
    },
    /// It cannot be proven.
    Refused {
        /// The input's file name.
        input: String,
        /// Why, and what to do.
        reason: String,
    },
}

impl Outcome {
    /// For programs.
    pub fn json(&self) -> Value {
        match self {
            Self::Proved { json, .. } => json.clone(),
            Self::Refused { input, reason } => {
                json!({ "event": "refused", "input": input, "error": reason })
            }
        }
    }
}

/// Where files go.
pub struct Folders {
    pub watch: PathBuf,
    pub out: PathBuf,
    pub done: PathBuf,
    pub failed: PathBuf,
}

/// A model made ready, and what its proofs need.
pub struct Prover<'a> {
    pub prepared: &'a AnyPrepared,
    pub budget: &'a Budget,
    pub folders: Folders,
    pub context: Option<Hash>,
}

impl Prover<'_> {
    /// Proves one input and writes its result. An error is one that the next input would meet too.
    pub fn run(&self, job: Job) -> Result<Outcome> {
        let input = job.name.to_string_lossy().into_owned();
        let stem = free(&self.folders.out, &job.name, &["vproof", "json"]);
        let outcome = match job.inputs {
            Ok(inputs) => self.prove(&input, &stem, &inputs, job.read)?,
            Err(error) => refused(&input, &error),
        };
        if let Outcome::Refused { .. } = &outcome {
            let mut result = files::Output::create(&self.path(&stem, "json"), false)?;
            result.fill(format!("{:#}\n", outcome.json()).as_bytes())?;
            result.publish()?;
        }
        Ok(outcome)
    }

    fn prove(
        &self,
        input: &str,
        stem: &OsStr,
        inputs: &[Vec<Vec<i64>>],
        read: Duration,
    ) -> Result<Outcome> {
        // Before a place is taken: folders that cannot be written are known now.
        let mut proof_file = files::Output::create(&self.path(stem, "vproof"), false)?;
        let mut result_file = files::Output::create(&self.path(stem, "json"), false)?;
        let taken = self.budget.take(Purpose::Prove)?;
        let start = Instant::now();
        let proven = match self.prepared.prove_for(inputs, self.context) {
            Ok(proven) => proven,
            Err(error @ (ProveError::Random(_) | ProveError::Mismatch)) => return Err(error.into()),
            Err(error) => return Ok(refused(input, &error.into())),
        };
        let prove = start.elapsed();
        let package = self.prepared.package();
        let bytes = proven.proof.to_bytes();
        let proof = self.path(stem, "vproof");
        let json = json!({
            "event": "proved",
            "input": input,
            "proof": { "path": proof, "bytes": bytes.len() },
            "key": files::fingerprint(&package.key),
            "context": self.context.as_ref().map(context::hex),
            "batch": inputs.len(),
            "outputs": data::outputs_json(&package.graph, &proven.outputs),
            "public": verify::public_json(&package.key.layout, &proven.proof.public),
            "times": {
                "read_ms": text::milliseconds(read),
                "prove_ms": text::milliseconds(prove),
            },
            "used": taken.place,
            "left": taken.left,
        });
        proof_file.fill(&bytes)?;
        result_file.fill(format!("{json:#}\n").as_bytes())?;
        // The result comes last: where it is, the proof is.
        files::Output::publish_all(vec![proof_file, result_file])?;
        let (bytes, left, input) = (bytes.len(), taken.left, input.to_string());
        Ok(Outcome::Proved { input, proof, bytes, prove, left, json })
    }

    fn path(&self, stem: &OsStr, ending: &str) -> PathBuf {
        self.folders.out.join(with(stem, ending))
    }
}

impl Folders {
    /// Moves an input to where its outcome says; the reason goes beside one that failed.
    pub fn sort(&self, name: &OsStr, outcome: &Outcome) -> Result<()> {
        let (to, reason) = match outcome {
            Outcome::Proved { .. } => (&self.done, None),
            Outcome::Refused { reason, .. } => (&self.failed, Some(reason)),
        };
        let ending = Path::new(name).extension().unwrap_or_default().to_string_lossy().into_owned();
        let marked = format!("{ending}.reason");
        let stem = free(to, name, &[&ending, &marked]);
        let (from, moved) = (self.watch.join(name), to.join(with(&stem, &ending)));
        match fs::rename(&from, &moved) {
            // Whoever put it there took it away again.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            done => done.with_context(|| {
                format!("cannot move `{}` to `{}`", from.display(), moved.display())
            })?,
        }
        if let Some(reason) = reason {
            let path = to.join(with(&stem, &marked));
            let mut file = files::Output::create(&path, false)?;
            file.fill(format!("{reason}\n").as_bytes())?;
            file.publish()?;
        }
        Ok(())
    }
}

fn refused(input: &str, error: &anyhow::Error) -> Outcome {
    Outcome::Refused { input: input.to_string(), reason: text::one_line(&format!("{error:#}")) }
}

/// A file name's stem, with a number where a file has one of its names already: nothing is replaced.
fn free(folder: &Path, name: &OsStr, endings: &[&str]) -> OsString {
    let stem = Path::new(name).file_stem().unwrap_or(name);
    let taken = |stem: &OsStr| {
        endings.iter().any(|ending| fs::symlink_metadata(folder.join(with(stem, ending))).is_ok())
    };
    let numbered = |n: u64| {
        let mut stem = stem.to_os_string();
        stem.push(format!(".{n}"));
        stem
    };
    let mut candidate = stem.to_os_string();
    let mut number = 1;
    while taken(&candidate) {
        number += 1;
        candidate = numbered(number);
    }
    candidate
}

fn with(stem: &OsStr, ending: &str) -> OsString {
    let mut name = stem.to_os_string();
    name.push(".");
    name.push(ending);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_replaced() {
        let folder = tempfile::tempdir().expect("directory");
        let stem = || free(folder.path(), OsStr::new("a.b.npz"), &["vproof", "json"]);
        assert_eq!(stem(), "a.b");
        fs::write(folder.path().join("a.b.json"), b"").expect("write");
        assert_eq!(stem(), "a.b.2");
        fs::write(folder.path().join("a.b.2.vproof"), b"").expect("write");
        assert_eq!(stem(), "a.b.3");
    }
}
