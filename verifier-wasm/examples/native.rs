//! The native verifier's verdicts, for tests that compare the wasm verifier with it.
//!
//!     native CASES.json
//!
//! Takes `[{ "key": PATH, "proof": PATH, "repeat": TIMES }]`; prints an array with the verdict (or the key's
//! error) and the median time in milliseconds of each, in the same form that JavaScript gets.

use serde_json::{json, Value};
use std::time::Instant;
use veristar_verifier_wasm::check;

fn case(case: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let read = |name: &str| std::fs::read(case[name].as_str().unwrap_or_default());
    let (key, proof) = (read("key")?, read("proof")?);
    let key = match check::load(&key) {
        Ok(key) => key,
        Err(reason) => return Ok(json!({ "error": reason })),
    };
    let repeat = case["repeat"].as_u64().unwrap_or(1).max(1);
    let mut times = Vec::new();
    let mut verdict = Value::Null;
    for _ in 0..repeat {
        let start = Instant::now();
        let checked = check::check(&key, &proof);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        verdict = json!(checked);
    }
    times.sort_by(f64::total_cmp);
    Ok(json!({ "verdict": verdict, "milliseconds": times.get(times.len() / 2) }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: native CASES.json")?;
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path)?)?;
    let results: Vec<Value> = cases.iter().map(case).collect::<Result<_, _>>()?;
    println!("{}", json!(results));
    Ok(())
}
