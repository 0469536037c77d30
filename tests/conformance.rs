//! ONNX's own backend tests, from file to checked trace, and a sample of them to verified proofs.
//!
//! `.ci/run conformance` does all of this; by hand, with Python 3 and tests/conformance/requirements.txt:
//!
//! ```text
//! python tests/conformance/export_cases.py target/conformance/cases
//! VERISTAR_CASES=target/conformance/cases \
//!     cargo test --release --test conformance -- --ignored --nocapture
//! ```
//!
//! Each of the 82 PyTorch models and 1529 node cases goes through `conformance/pipeline.rs`. Its result
//! must be its line in `conformance/manifest.txt`, a pass or the reason why not; a difference in either
//! direction fails the test. Panics are results too, and never pass.
//!
//! | variable | meaning |
//! |---|---|
//! | `VERISTAR_CASES` | the exported folder |
//! | `VERISTAR_PROVE` | prove and verify `sample` (24 passing cases; the default), `all` or `none` |
//! | `VERISTAR_SEED` | which sample; the default is the time, and printed |
//! | `VERISTAR_ONLY` | only cases whose name holds this text |
//! | `VERISTAR_BLESS=1` | write the manifest instead of comparing |
#![cfg(feature = "cli")]

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/manifest.rs"]
mod manifest;
#[path = "conformance/npy.rs"]
mod npy;
#[path = "conformance/pipeline.rs"]
mod pipeline;

use std::{
    collections::BTreeMap,
    env,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Mutex,
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use cases::Case;
use manifest::{Line, Manifest};
use pipeline::{Failed, Passed, MOST_ROWS};

/// Cases that are proven by default.
const SAMPLE: usize = 24;

/// Cases that take longer are named as soon as they are done.
const SLOW: Duration = Duration::from_secs(10);

/// A case's result and how long it took.
type Outcome = (Result<Passed, Failed>, Duration);

#[test]
#[ignore = "needs exported cases: run `.ci/run conformance`, or see tests/conformance.rs"]
fn onnx_backend_tests() {
    let root = env::var("VERISTAR_CASES").expect(
        "set VERISTAR_CASES to a folder made by `python tests/conformance/export_cases.py FOLDER`",
    );
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let cases::Exported { mut cases, mut skipped, onnx } =
        cases::read(&PathBuf::from(root)).expect("exported cases");
    let pinned = include_str!("conformance/requirements.txt");
    assert!(pinned.contains(&format!("onnx=={onnx}\n")), "cases of onnx {onnx}: export them again");
    let only = env::var("VERISTAR_ONLY").unwrap_or_default();
    cases.retain(|case| case.name.contains(&only));
    skipped.retain(|(name, _)| name.contains(&only));
    record_panics();

    let start = Instant::now();
    let all: Vec<&Case> = cases.iter().collect();
    let outcomes = run_all(&all, false);
    let path = here.join("manifest.txt");
    let listed = manifest::read(&path).expect("manifest");
    let mut found = results(&cases, &outcomes, &listed);
    found.extend(skipped.into_iter().map(|(name, reason)| {
        let result = format!("{}{reason}", manifest::OUTSIDE);
        (name, Line { result, note: String::new() })
    }));
    report(&cases, &outcomes, &found);
    println!("checked in {:.1} s", start.elapsed().as_secs_f64());

    let mut failures = Vec::new();
    if env::var("VERISTAR_BLESS").is_ok_and(|v| v == "1") {
        let mut all = listed;
        all.retain(|case, _| !case.contains(&only));
        all.extend(found.clone());
        manifest::write(&path, &all, &onnx).expect("writing the manifest");
    } else {
        failures = differences(&listed, &found, &only);
    }
    let passing: Vec<&Case> =
        cases.iter().filter(|case| manifest::is_pass(&found[&case.name].result)).collect();
    failures.extend(prove(&passing));
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Proves what `VERISTAR_PROVE` says; the failures.
fn prove(passing: &[&Case]) -> Vec<String> {
    let chosen = match env::var("VERISTAR_PROVE").as_deref() {
        Ok("none") => return Vec::new(),
        Ok("all") => passing.to_vec(),
        Ok("sample") | Err(_) => {
            let seed = match env::var("VERISTAR_SEED") {
                Ok(seed) => seed.parse().expect("VERISTAR_SEED is a number"),
                Err(_) => SystemTime::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_secs()),
            };
            println!("sample of VERISTAR_SEED={seed}");
            sample(passing, seed)
        }
        Ok(other) => panic!("VERISTAR_PROVE is `{other}`, expected sample, all or none"),
    };
    let start = Instant::now();
    let outcomes = run_all(&chosen, true);
    let mut sizes: Vec<usize> =
        outcomes.iter().filter_map(|(result, _)| result.as_ref().ok()?.proof).collect();
    sizes.sort_unstable();
    println!(
        "proven and verified: {} of {} in {:.1} s, proofs of {} to {} bytes, median {}",
        sizes.len(),
        chosen.len(),
        start.elapsed().as_secs_f64(),
        sizes.first().unwrap_or(&0),
        sizes.last().unwrap_or(&0),
        sizes.get(sizes.len() / 2).unwrap_or(&0),
    );
    let failed = chosen.iter().zip(&outcomes).filter(|(_, (result, _))| result.is_err());
    failed
        .map(|(case, (result, _))| format!("{}  {}", case.name, manifest::describe(case, result)))
        .collect()
}

/// Some of the cases, each as likely as any other.
fn sample<'a>(cases: &[&'a Case], seed: u64) -> Vec<&'a Case> {
    // splitmix64 of seed and position: an order to take the first of.
    let key = |position: usize| {
        let mut z = seed.wrapping_add((position as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|position| key(*position));
    order.iter().take(SAMPLE).map(|position| cases[*position]).collect()
}

/// Runs cases on all cores, large ones first; outcomes in the order of `cases`.
fn run_all(cases: &[&Case], proven: bool) -> Vec<Outcome> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    let size = |i: &usize| cases[*i].inputs.iter().map(|input| input.values.len()).sum::<usize>();
    order.sort_by_key(|i| std::cmp::Reverse(size(i)));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Outcome)> = Vec::new();
        while let Some(i) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let result = guarded(cases[*i], proven);
            if start.elapsed() > SLOW {
                println!("slow: {} {:.0} s", cases[*i].name, start.elapsed().as_secs_f64());
            }
            done.push((*i, (result, start.elapsed())));
        }
        done
    };
    let mut outcomes: Vec<(usize, Outcome)> = thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("worker")).collect()
    });
    outcomes.sort_by_key(|(i, _)| *i);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Where the last panic of each message was.
static PANICS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message").to_string()
}

/// Keeps panics of cases off the screen, and their places. Those of the test itself still show.
fn record_panics() {
    let shown = panic::take_hook();
    let test = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == test {
            return shown(info);
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if let Ok(mut panics) = PANICS.lock() {
            panics.insert(message(info.payload()), place);
        }
    }));
}

fn guarded(case: &Case, proven: bool) -> Result<Passed, Failed> {
    panic::catch_unwind(AssertUnwindSafe(|| pipeline::run(case, proven))).unwrap_or_else(
        |payload| {
            let message = message(&*payload);
            let place = PANICS.lock().ok().and_then(|panics| panics.get(&message).cloned());
            println!("{}: panicked at {}", case.name, place.unwrap_or_default());
            Err(Failed::Wrong(format!("panic: {message}")))
        },
    )
}

/// The manifest of this run, with the notes of lines that did not change.
fn results(cases: &[Case], outcomes: &[Outcome], listed: &Manifest) -> Manifest {
    let line = |(case, (result, _)): (&Case, &Outcome)| {
        let result = manifest::describe(case, result);
        let same = listed.get(&case.name).filter(|line| line.result == result);
        let note = same.map(|line| line.note.clone()).unwrap_or_default();
        (case.name.clone(), Line { result, note })
    };
    cases.iter().zip(outcomes).map(line).collect()
}

/// Lines that are not the manifest's.
fn differences(listed: &Manifest, found: &Manifest, only: &str) -> Vec<String> {
    let changed = found.iter().filter_map(|(case, line)| {
        let before = listed.get(case).map_or("not listed", |line| &line.result);
        (before != line.result)
            .then(|| format!("manifest: {before}\n     now: {}", manifest::show(case, line)))
    });
    let gone = listed.keys().filter(|case| case.contains(only) && !found.contains_key(*case));
    changed.chain(gone.map(|case| format!("manifest: {case}\n     now: no such case"))).collect()
}

/// Full messages, counts of reasons, the slowest cases, and totals.
fn report(cases: &[Case], outcomes: &[Outcome], found: &Manifest) {
    for (case, (result, _)) in cases.iter().zip(outcomes) {
        match result {
            Err(Failed::Refused(error)) => {
                println!("{}: {}", case.name, advice(&error.to_string()))
            }
            Err(Failed::Wrong(reason)) => println!("{}: {reason}", case.name),
            Ok(_) => {}
        }
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in found.values() {
        *reasons.entry(&line.result).or_default() += 1;
    }
    println!();
    for (reason, count) in &reasons {
        println!("{count:4} {reason}");
    }
    let mut slow: Vec<(&Duration, &str)> =
        cases.iter().zip(outcomes).map(|(case, (_, time))| (time, case.name.as_str())).collect();
    slow.sort_unstable_by(|a, b| b.cmp(a));
    for (time, case) in slow.iter().take(3) {
        println!("slowest: {case} {:.1} s", time.as_secs_f64());
    }
    for (case, (result, _)) in cases.iter().zip(outcomes) {
        if let Some(rows) = result.as_ref().ok().map(|p| p.rows).filter(|r| *r > MOST_ROWS) {
            println!("totals only, too large to check row by row: {} ({rows} rows)", case.name);
        }
    }
    let passed =
        || cases.iter().zip(outcomes).filter_map(|(c, (r, _))| Some((c, r.as_ref().ok()?)));
    if let Some((case, worst)) = passed().max_by(|(_, a), (_, b)| a.error.total_cmp(&b.error)) {
        println!("largest error: {:.0} % of the tolerance, {}", 100.0 * worst.error, case.name);
    }
    for (group, name) in [("pytorch/", "pytorch-converted"), ("node/", "node")] {
        let of_group = || found.iter().filter(|(case, _)| case.starts_with(group));
        let good = of_group().filter(|(_, line)| manifest::is_pass(&line.result)).count();
        let all = of_group().filter(|(_, line)| manifest::has_meaning(&line.result)).count();
        let percent = 100.0 * good as f64 / all.max(1) as f64;
        println!("{name}: {good}/{all} pass, {percent:.1} %; {} outside", of_group().count() - all);
    }
}

/// A message without the long list of operators.
fn advice(message: &str) -> &str {
    message.split("; supported are").next().unwrap_or_default()
}
