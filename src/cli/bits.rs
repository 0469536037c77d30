//! Bits of security of a key's proofs, conjectured and proven.

use super::text;
use serde_json::{json, Value};
use veristar::air::chips::{Chip, Constraints};
use veristar::air::survey::survey;
use veristar::security::{account, Account, Sizes};
use veristar::verifier::proof::sample_counts;
use veristar::verifier::Key;

/// What the errors of this key's proofs depend on.
///
/// The degree of the linear identity is not in a key. It is bounded here for keys made by set-up: a
/// term is a monomial, an evaluation and a run of weights, each of a degree below the number of
/// Horner elements (in `t`) or of weights (in `r`).
fn sizes(key: &Key) -> Sizes {
    let layout = &key.layout;
    let cells = |wanted: fn(&Chip) -> bool| -> u64 {
        let tables = layout.instances.iter().filter(|i| wanted(&i.chip));
        tables.map(|i| (i.chip.width() as u64) << i.log_size).sum()
    };
    let horner = cells(|chip| matches!(chip, Chip::Horner(_)));
    let weights = cells(|chip| matches!(chip, Chip::Weights(_)));
    let lookups = layout.instances.iter().map(|i| (i.shape().lookups as u64) << i.log_size);
    let public: usize = layout.public.iter().map(|t| t.addresses.len()).sum();
    // A column opened at two points is also sampled for its period.
    let samples = |count: &usize| if *count > 1 { *count as u64 + 1 } else { *count as u64 };
    Sizes {
        log_height: layout.log_height(),
        columns: sample_counts(key).iter().flatten().map(samples).sum(),
        constraints: layout.instances.iter().map(|i| survey(&i.chip).names.len() as u64).sum(),
        lookups: lookups.sum::<u64>() + (layout.constants.len() + public) as u64,
        degree_in_t_r: 2 * horner + 3 * weights,
    }
}

pub fn of(key: &Key) -> Account {
    account(&key.preset.parameters(), &sizes(key))
}

pub fn json(key: &Key) -> Value {
    let account = of(key);
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
    let a = of(key);
    let proven = a.unique_decoding.total.max(a.johnson.total);
    format!("{} bits conjectured, {proven} bits by proven theorems", a.conjectured.total)
}

/// Every source in every regime.
pub fn table(key: &Key) -> String {
    let a = of(key);
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
