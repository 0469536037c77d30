//! What proofs hide and how many may be made, in words and in JSON.

use super::ui::Ui;
use serde_json::{json, Value};
use std::path::Path;
use veristar::air::program::Layout;
use veristar::prover::budget;
use veristar::verifier::Key;

/// What a key's proofs do not show: weights, and inputs and outputs that are not public.
fn private(layout: &Layout, weights: &str, inputs: &str, outputs: &str) -> String {
    let shown = |input: bool| layout.public.iter().any(|t| t.input == input);
    let parts = [(true, weights), (!shown(true), inputs), (!shown(false), outputs)];
    let parts: Vec<&str> =
        parts.iter().filter(|(hidden, _)| *hidden).map(|(_, name)| *name).collect();
    match parts.split_last() {
        Some((last, [])) => (*last).into(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
    }
}

/// What proofs do not show, hidden or not.
pub fn not_shown(layout: &Layout) -> String {
    private(layout, "the weights (the key commits to them)", "the inputs", "the outputs")
}

/// For whoever makes proofs.
pub fn line(key: &Key) -> String {
    if !key.hides() {
        return "nothing is hidden: anyone may learn about weights and inputs from proofs".into();
    }
    let what = private(&key.layout, "weights", "private inputs", "private outputs");
    match budget::proofs(key) {
        None => format!("hides {what}, for any number of proofs"),
        Some(n) => format!("hides {what} for {n} proofs; then `veristar rotate`"),
    }
}

/// For whoever checks them.
pub fn promise(key: &Key) -> String {
    let told = "zero-knowledge: proofs tell nothing about what they do not show";
    if !key.hides() {
        return "not zero-knowledge: this key hides nothing, so proofs leak about what they do not show".into();
    }
    match budget::is_counted(key) {
        true => format!("{told}, if at most {} are made with this key", key.proofs),
        false => told.into(),
    }
}

/// How many proofs may still be made, with a warning if they are few.
pub fn say_left(ui: &Ui, package: &Path, key: &Key, left: Option<u32>) {
    let (Some(left), Some(all)) = (left, budget::proofs(key)) else { return };
    let package = package.display();
    ui.say(match left {
        0 => format!("warning: that was the last proof for which `{package}` hides its weights: run `veristar rotate {package} -o NEW` before the next"),
        _ if few(left, all) => format!("warning: only {left} of {all} proofs left; then run `veristar rotate {package} -o NEW`"),
        _ => format!("{left} of {all} proofs left; then `veristar rotate`"),
    });
}

/// A tenth, and three at least.
fn few(left: u32, all: u32) -> bool {
    left <= (all / 10).max(3)
}

/// `zero_knowledge`, and `proofs`: those for which the weights are hidden, the one of a rotation
/// included; null without limit.
pub fn json(answer: &mut Value, key: &Key) {
    answer["zero_knowledge"] = key.hides().into();
    answer["proofs"] = match budget::proofs(key) {
        Some(_) => key.proofs.into(),
        None => Value::Null,
    };
}

/// `used` and `left` of `proofs`: one less is left for inferences, as a rotation has the last.
pub fn count_json(answer: &mut Value, key: &Key, count: Option<&budget::Count>) {
    json(answer, key);
    answer["used"] = json!(count.map(|count| count.used));
    answer["left"] = json!(count.map(budget::Count::left));
}
