//! Bits of security of a key's proofs, conjectured and proven.

use super::text;
use serde_json::{json, Value};
use veristar::verifier::Key;

pub fn json(key: &Key) -> Value {
    let account = key.security();
    let weakest = account.conjectured.sources.iter().min_by_key(|(_, bits)| *bits);
    json!({
        "conjectured": account.conjectured.total,
        "random_words": account.random_words.total,
        "proven_unique_decoding": account.unique_decoding.total,
        "proven_johnson": account.johnson.total,
        "weakest_source": weakest.map(|(name, _)| name),
        "sources": account,
    })
}

/// One line.
pub fn line(key: &Key) -> String {
    let a = key.security();
    let proven = a.unique_decoding.total.max(a.johnson.total);
    format!("{} bits conjectured, {proven} bits by proven theorems", a.conjectured.total)
}

/// Every source in every regime.
pub fn table(key: &Key) -> String {
    let a = key.security();
    let regimes = [&a.conjectured, &a.random_words, &a.unique_decoding, &a.johnson];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (i, (name, _)) in a.conjectured.sources.iter().enumerate() {
        let bits = |sources: &[(&str, u32)]| sources.get(i).map_or(0, |s| s.1).to_string();
        let cells = regimes.iter().map(|r| bits(&r.sources));
        rows.push(std::iter::once((*name).to_string()).chain(cells).collect());
    }
    let total = regimes.iter().map(|r| r.total.to_string());
    rows.push(std::iter::once("weakest round".to_string()).chain(total).collect());
    let header = ["bits", "conjectured", "random words", "proven: unique", "proven: Johnson"];
    text::table(&header, &rows)
}
