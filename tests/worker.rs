//! `veristar worker`: a folder of inputs, proven one after the other.

mod cli_common;

use cli_common::{fixture, Done, Workspace};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const WORKER: [&str; 7] = ["worker", "m.vsm", "--watch", "in", "--out", "out", "--metrics=w.prom"];

/// A workspace with a model and an empty folder.
fn workspace(setup: &[&str]) -> Workspace {
    let work = Workspace::new();
    work.setup("credit_risk", setup);
    std::fs::create_dir(work.path("in")).expect("directory");
    work
}

/// Puts inputs into the folder, the first one the oldest.
fn put(work: &Workspace, names: &[&str]) {
    let bytes = std::fs::read(fixture("credit_risk.input.json")).expect("input");
    let old = std::time::SystemTime::now() - Duration::from_secs(1000);
    for (i, name) in names.iter().enumerate() {
        let path = work.path("in").join(name);
        std::fs::write(&path, &bytes).expect("write");
        let file = std::fs::File::options().write(true).open(&path).expect("open");
        file.set_modified(old + Duration::from_secs(i as u64)).expect("time");
    }
}

fn once(work: &Workspace, more: &[&str]) -> Done {
    work.raw(&[&WORKER[..], &["--once", "--json"], more].concat())
}

/// One JSON object a line.
fn lines(done: &Done) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    done.stdout.lines().map(parse).collect()
}

fn events<'a>(lines: &'a [Value], event: &str) -> Vec<&'a str> {
    let of = lines.iter().filter(|line| line["event"] == event);
    of.map(|line| line["input"].as_str().expect("input")).collect()
}

/// Values by name and labels, of a file in Prometheus' text format.
fn metrics(path: &Path) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(path).expect("metrics");
    let mut typed = Vec::new();
    let mut values = BTreeMap::new();
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(line) => typed.push(line.split(' ').next().expect("name").to_string()),
            None if line.starts_with('#') => assert!(line.starts_with("# HELP "), "{line}"),
            None => {
                let (name, value) = line.rsplit_once(' ').expect("a value");
                assert!(typed.iter().any(|of| name.starts_with(of.as_str())), "{line}");
                let name = name.trim_start_matches("veristar_worker_").to_string();
                assert!(values.insert(name, value.parse().expect("number")).is_none(), "{line}");
            }
        }
    }
    values
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("folder");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_drained() {
    let work = workspace(&[]);
    let left = work.ok(&["inspect", "m.vsm"])["left"].as_u64().expect("left");
    put(&work, &["z.json", "bad.json", "a.json", ".hidden.json", "note.txt", "far.json"]);
    let inbox = work.path("in");
    std::fs::write(inbox.join("bad.json"), b"{\"input_data\": [[1, 2").expect("write");
    let far: Vec<f64> = vec![1e9; 61];
    let far = serde_json::json!({ "input_data": [far] }).to_string();
    std::fs::write(inbox.join("far.json"), far).expect("write");
    std::fs::copy(fixture("credit_risk.test.npz"), inbox.join("many.npz")).expect("copy");
    std::fs::create_dir(inbox.join("folder.json")).expect("directory");

    let done = once(&work, &["--queue", "1"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
    let lines = lines(&done);
    assert_eq!(lines[0]["event"], "ready");
    assert_eq!(events(&lines, "proved"), ["z.json", "a.json"]);
    let mut refused = events(&lines, "refused");
    refused.sort_unstable();
    assert_eq!(refused, ["bad.json", "far.json", "many.npz"]);
    let last = lines.last().expect("end");
    assert_eq!((&last["event"], &last["reason"]), (&"stopped".into(), &"drained".into()));
    assert_eq!((&last["proofs"], &last["failed"]), (&2.into(), &3.into()));
    assert_eq!(last["left"].as_u64(), Some(left - 2));

    // What came out holds, and says what went in.
    for name in ["z", "a"] {
        let proof = format!("out/{name}.vproof");
        let verified = work.ok(&["verify", "m.vk", &proof]);
        let text = std::fs::read_to_string(work.path("out").join(format!("{name}.json")));
        let result: Value = serde_json::from_str(&text.expect("result")).expect("JSON");
        assert_eq!(result["public"], verified["public"]);
        assert_eq!(result["input"], format!("{name}.json"));
        assert!(result["times"]["prove_ms"].as_f64().expect("time") > 0.0);
    }
    let bad = std::fs::read_to_string(work.path("out/bad.json")).expect("result");
    let bad: Value = serde_json::from_str(&bad).expect("JSON");
    let reason = std::fs::read_to_string(inbox.join("failed/bad.json.reason")).expect("reason");
    assert_eq!(bad["error"].as_str().expect("error"), reason.trim_end());
    let many = std::fs::read_to_string(inbox.join("failed/many.npz.reason")).expect("reason");
    assert!(many.contains("proves 1 at once"), "{many}");

    let expected =
        [".hidden.json", ".veristar-worker.lock", "done", "failed", "folder.json", "note.txt"];
    assert_eq!(names(&inbox), expected);
    assert_eq!(names(&inbox.join("done")), ["a.json", "z.json"]);
    assert_eq!(names(&inbox.join("failed")).len(), 6);
    assert_eq!(
        names(&work.path("out")),
        ["a.json", "a.vproof", "bad.json", "far.json", "many.json", "z.json", "z.vproof"]
    );

    let metrics = metrics(&work.path("w.prom"));
    let value = |name: &str| metrics.get(name).copied().unwrap_or_else(|| panic!("{name}"));
    assert_eq!((value("proofs_total"), value("failed_total")), (2.0, 3.0));
    assert_eq!((value("queue_length"), value("queue_capacity"), value("waiting")), (0.0, 1.0, 0.0));
    assert_eq!((value("proofs_left"), value("busy")), ((left - 2) as f64, 0.0));
    assert_eq!(value("prove_seconds_bucket{le=\"+Inf\"}"), 2.0);
    assert_eq!(value("prove_seconds_count"), 2.0);
    assert!(value("prove_seconds_sum") > 0.0);

    // The same name again replaces nothing; and what was refused took no place.
    put(&work, &["a.json"]);
    let again = once(&work, &["--low-memory"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(work.ok(&["verify", "m.vk", "out/a.2.vproof"])["valid"], true);
    assert_eq!(names(&inbox.join("done")), ["a.2.json", "a.json", "z.json"]);
    assert_eq!(work.ok(&["inspect", "m.vsm"])["used"], 3);
}

#[test]
fn it_stops_when_proofs_are_used_up() {
    let work = workspace(&["--proofs", "2"]);
    put(&work, &["1.json", "2.json", "3.json", "4.json"]);
    let done = once(&work, &[]);
    assert_eq!(done.code, 2, "{}", done.stdout);
    assert!(done.stderr.contains("run `veristar rotate m.vsm -o NEW`"), "{}", done.stderr);
    let said = lines(&done);
    assert_eq!(events(&said, "proved"), ["1.json", "2.json"]);
    assert_eq!(said.last().expect("error")["exit"], 2);
    // What is not proven waits for the next package.
    let inbox = names(&work.path("in"));
    assert!(["3.json", "4.json"].iter().all(|name| inbox.contains(&name.to_string())), "{inbox:?}");
    let metrics = metrics(&work.path("w.prom"));
    assert_eq!((metrics["proofs_left"], metrics["waiting"], metrics["busy"]), (0.0, 2.0, 0.0));
    assert_eq!(once(&work, &[]).code, 2);
    work.ok(&["rotate", "m.vsm", "-o", "new"]);
    let rotated = [&["worker", "new.vsm"], &WORKER[2..], &["--once", "--json"]].concat();
    let done = work.raw(&rotated);
    assert_eq!(done.code, 2, "one proof is left: {}", done.stderr);
    assert_eq!(events(&lines(&done), "proved"), ["3.json"]);
    assert_eq!(work.ok(&["verify", "new.vk", "out/3.vproof"])["valid"], true);
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(unix)]
fn it_waits_for_inputs_and_ends_when_told() {
    let work = workspace(&[]);
    let worker = work.start(&[&WORKER[..], &["--json"]].concat());
    wait_for("the worker", || work.path("in/.veristar-worker.lock").exists());
    put(&work, &["first.json"]);
    wait_for("a result", || work.path("in/done/first.json").exists());
    // A second worker of the folder is refused.
    let second = work.raw(&WORKER);
    assert_eq!(second.code, 2);
    assert!(second.stderr.contains("another worker"), "{}", second.stderr);
    // A file that is still written is not taken.
    let text = std::fs::read(fixture("credit_risk.input.json")).expect("input");
    let slow = work.path("in/slow.json");
    for part in 1..=6 {
        std::fs::write(&slow, &text[..text.len() * part / 6]).expect("write");
        std::thread::sleep(Duration::from_millis(150));
    }
    wait_for("the slow result", || work.path("in/done/slow.json").exists());
    let status = Command::new("kill").args(["-TERM", &worker.id().to_string()]).status();
    assert!(status.expect("kill").success());
    let done = Done::from(worker.wait_with_output().expect("end"));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let said = lines(&done);
    assert_eq!(events(&said, "proved"), ["first.json", "slow.json"]);
    assert_eq!(events(&said, "refused"), [""; 0]);
    assert_eq!(said.last().expect("end")["reason"], "signal");
}

#[test]
fn folders_are_checked_first() {
    let work = workspace(&[]);
    let refused = |arguments: &[&str], what: &str| {
        let done = work.raw(arguments);
        assert_eq!((done.code, done.stderr.lines().count()), (2, 1), "{}", done.stderr);
        assert!(done.stderr.contains(what), "{}", done.stderr);
    };
    refused(&["worker", "m.vsm", "--watch", "in", "--out", "in"], "another folder");
    refused(&["worker", "m.vsm", "--watch", "none", "--out", "out"], "no directory");
    refused(&[&WORKER[..], &["--available-memory", "1000"]].concat(), "proving needs about ");
    let said = work.raw(&[&WORKER[..], &["--once"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("stopped (drained): 0 proofs made"), "{}", said.stdout);
}
