//! What the commands do for packages, keys and proofs of the Winterfell backend. Thin: the crate
//! `veristar-winterfell` does the work, and what is said is said as by the other backend.

pub mod inspect;
mod prove;
mod setup;
mod verify;

pub use prove::Job;
pub use setup::Setup;
pub use verify::verify;

use super::text;
use clap::ValueEnum;
use serde_json::{json, Value};
use veristar::verifier::verify::hex;
use veristar::winterfell::{Precision, WinterfellKey};

/// A prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    Stwo,
    Winterfell,
}

impl Backend {
    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stwo => "stwo",
            Self::Winterfell => "winterfell",
        }
    }
}

/// For whoever makes proofs, and whoever checks them.
const HIDES: &str =
    "nothing is hidden by this backend: anyone may learn about weights and inputs from proofs";

fn fingerprint(key: &WinterfellKey) -> String {
    hex(&key.fingerprint())
}

/// One line about bits.
fn bits(key: &WinterfellKey) -> String {
    let security = key.security();
    format!(
        "{} bits conjectured, {} bits by proven theorems (Winterfell's estimate)",
        security.conjectured, security.proven
    )
}

/// Every part of the estimate.
fn bits_table(key: &WinterfellKey) -> String {
    let security = key.security();
    let row = |name: &str, bits: u32| vec![name.to_string(), bits.to_string()];
    let mut rows = vec![
        row("conjectured, all", security.conjectured),
        row("proven, all", security.proven),
        row("Winterfell, proven: list decoding", security.list_decoding),
        row("Winterfell, proven: unique decoding", security.unique_decoding),
    ];
    rows.extend(security.sources.iter().map(|(name, bits)| row(name, *bits)));
    text::table(&["bits", ""], &rows)
}

fn bits_json(key: &WinterfellKey) -> Value {
    let security = key.security();
    let sources: Vec<Value> =
        security.sources.iter().map(|(name, bits)| json!({ "name": name, "bits": bits })).collect();
    json!({
        "conjectured": security.conjectured,
        "proven": security.proven,
        "proven_unique_decoding": security.unique_decoding,
        "proven_list_decoding": security.list_decoding,
        "sources": sources,
    })
}

/// What every answer about a key says of secrecy.
fn hiding_json(answer: &mut Value) {
    answer["zero_knowledge"] = false.into();
    answer["proofs"] = Value::Null;
}

/// One line about the integers of a model.
fn precision(key: &WinterfellKey) -> String {
    match key.precision {
        Precision::Standard => "precision standard: sums that 31 bits hold".into(),
        Precision::High => "precision high: sums that 64 bits hold".into(),
    }
}
