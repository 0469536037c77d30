//! The Cairo tests of `cairo/`, where a Cairo compiler is: `scarb`, or what `.ci/run cairo` built from the package
//! registries. Prints what a proof costs, section by section. Without a compiler the test says on standard error
//! what it skipped, and which command would run it.

mod common;

use common::Fixture;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The fixture of `cairo/verifier/src/tests/sections.cairo`.
const MEASURED: &str = "credit_risk_hidden";

/// A test runner and a core library, as `find_cairo` in `.ci/lib.sh` leaves them.
fn toolchain() -> Option<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    let found = cache.join("veristar/cairo");
    (found.join("cairotest").is_file() && found.join("out").is_dir()).then_some(found)
}

fn has_scarb() -> bool {
    let scarb = Command::new("scarb").arg("--version").stdout(Stdio::null()).status();
    scarb.is_ok_and(|status| status.success())
}

#[test]
fn contracts_in_the_cairo_runner() {
    // Straight to standard error: the test harness keeps what macros print to itself.
    let say = |text: &str| {
        let _ = writeln!(std::io::stderr(), "{text}");
    };
    // `.ci/run` sets it in the step `test`, because its step `cairo` comes back here.
    if std::env::var_os("VERISTAR_CAIRO_LATER").is_some() {
        return say("Cairo tests: left to the step `cairo`");
    }
    let cairo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cairo");
    let mut command;
    if let Some(toolchain) = toolchain() {
        command = Command::new(toolchain.join("cairotest"));
        command.arg(cairo.join("contracts")).env("CAIRO_TOOLS", toolchain.join("out"));
    } else if has_scarb() {
        command = Command::new("scarb");
        command.arg("test").current_dir(&cairo);
    } else {
        return say(
            "NOT TESTED: the Cairo contracts, because no Cairo compiler is here. `.ci/run cairo` builds one from the \
             package registries, given its recipe (docs/src/starknet.md), and tests them; so does `scarb test` in cairo/.",
        );
    }
    let output = command.output().expect("the runner starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    let found = said.lines().find(|line| line.starts_with("test result: ok."));
    say(&format!("Cairo tests: {}", found.unwrap_or("passed")));
    if let Some(costs) = costs(&said) {
        print(&costs);
    }
}

/// Gas and steps of one thing.
#[derive(Clone, Copy)]
struct Cost {
    gas: i64,
    steps: i64,
}

/// The tests that measure sections, by their names.
fn costs(said: &str) -> Option<BTreeMap<String, Cost>> {
    let mut costs = BTreeMap::new();
    let mut lines = said.lines();
    while let Some(line) = lines.next() {
        let Some((_, test)) = line.split_once("::tests::sections::") else { continue };
        let (name, rest) = test.split_once(' ')?;
        let gas = rest.split_once("est.: ")?.1.trim_end_matches(')').parse().ok()?;
        let steps = lines.next()?.trim().strip_prefix("steps: ")?.parse().ok()?;
        costs.insert(name.to_owned(), Cost { gas, steps });
    }
    (!costs.is_empty()).then_some(costs)
}

/// Each test does more than one before it: the differences are the sections.
fn print(costs: &BTreeMap<String, Cost>) {
    let of = |names: &[&str]| -> (i64, i64) {
        let sum = |pick: fn(&Cost) -> i64| -> i64 {
            let signed = |name: &&str| match name.strip_prefix('-') {
                Some(name) => -pick(&costs[name]),
                None => pick(&costs[*name]),
            };
            names.iter().map(signed).sum()
        };
        (sum(|cost| cost.gas), sum(|cost| cost.steps))
    };
    let sections = Fixture::sections(MEASURED);
    let sum = |from: usize, to: usize| sections[from..to].iter().sum::<usize>().to_string();
    let rows = sections.len() - 8;
    let transcript =
        ["b_0_transcript", "-a_2_constraints", "-a_3_coefficients", "a_1_unpacking_values"];
    let none = String::new;
    println!("{MEASURED}, section by section:");
    println!("  {:<46} {:>6} {:>12} {:>10}", "section", "felts", "Sierra gas", "steps");
    for (name, felts, tests) in [
        ("parsing: the key", none(), &["a_0_reading_the_key"][..]),
        ("parsing: values at the point", none(), &["a_1_unpacking_values", "-a_0_reading_the_key"]),
        ("hashing: transcript, totals, work, positions", sum(0, 1), &transcript),
        ("constraints", none(), &["a_2_constraints", "-a_1_unpacking_values"]),
        ("quotients: coefficients", none(), &["a_3_coefficients", "-a_1_unpacking_values"]),
        (
            "quotients: rows, with their leaves' hashes",
            sum(1, rows + 1),
            &["b_1_rows", "-b_0_transcript"],
        ),
        ("hashing: Merkle paths", sum(rows + 1, rows + 7), &["b_2_paths", "-b_1_rows"]),
        ("folding, with its Merkle paths", sum(rows + 7, rows + 8), &["b_3_folding", "-b_2_paths"]),
        ("all", sum(0, rows + 8), &["b_3_folding"]),
    ] {
        let (gas, steps) = of(tests);
        println!("  {name:<46} {felts:>6} {gas:>12} {steps:>10}");
    }
}
