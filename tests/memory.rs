//! What a proof is said to need, against what it takes; and the refusal where that is too much.

mod cli_common;

use cli_common::{fixture, Workspace};
use serde_json::Value;

fn number(of: &Value, path: &str) -> f64 {
    of.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {of}"))
}

/// A model whose proof takes a few hundred megabytes, in a process of its own.
#[test]
#[cfg(target_os = "linux")]
fn proving_takes_what_was_said() {
    let work = Workspace::new();
    let input = fixture("ocr_cls.test.npz");
    let made = work.setup("ocr_cls", &["--shape", "x=1,3,48,192"]);
    let package = work.ok(&["inspect", "m.vsm"]);
    let key = work.ok(&["inspect", "m.vk"]);
    assert_eq!(made["memory"], package["memory"]);
    let mut peaks = Vec::new();
    for (mode, more) in [("normal", None), ("low_memory", Some("--low-memory"))] {
        let mut arguments = vec!["prove", "m.vsm", "--input", &input, "--row", "0", "-o", mode];
        arguments.extend(more);
        let proved = work.ok(&arguments);
        let (needed, peak) = (number(&proved, "/memory/needed"), number(&proved, "/memory/peak"));
        assert_eq!(needed, number(&package, &format!("/memory/{mode}/bytes")));
        // Threads and the allocator make a difference between machines, so more than measured on one.
        assert!((0.7..1.4).contains(&(needed / peak)), "{mode}: {needed} for {peak}");
        let from_key = number(&key, &format!("/memory/{mode}/bytes"));
        assert!((0.6..1.7).contains(&(from_key / peak)), "{mode}: {from_key} for {peak}");
        assert_eq!(work.ok(&["verify", "m.vk", mode])["valid"], true);
        peaks.push(peak);
    }
    assert!(peaks[1] < 0.9 * peaks[0], "{peaks:?}");
}

#[test]
fn too_little_memory_is_refused() {
    let work = Workspace::new();
    work.setup("credit_risk", &[]);
    let before = work.files();
    let input = fixture("credit_risk.input.json");
    let prove = ["prove", "m.vsm", "--input", &input, "-o", "p", "--available-memory"];
    let with = |more: &[&str]| work.raw(&[&prove[..], more].concat());

    let refused = with(&["9000000"]);
    assert_eq!((refused.code, refused.stderr.lines().count()), (2, 1), "{}", refused.stderr);
    for part in [
        "proving needs about ",
        "this machine has 9 MiB",
        "--low-memory (about ",
        "--ignore-memory",
    ] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert_eq!(work.files(), before);
    // It took no place of the count.
    assert_eq!(work.ok(&["inspect", "m.vsm"])["used"], 0);
    let low = with(&["9000000", "--low-memory"]);
    assert!(low.code == 2 && !low.stderr.contains("--low-memory"), "{}", low.stderr);
    let forced = with(&["9000000", "--ignore-memory"]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    assert!(forced.stdout.contains("warning: proving needs about "), "{}", forced.stdout);
    assert_eq!(with(&["90000000000"]).code, 0);

    let (onnx, data) = (fixture("credit_risk.onnx"), fixture("credit_risk.calibration.npz"));
    let setup = ["setup", &onnx, "--calibration", &data, "-o", "n", "--available-memory", "1000"];
    let refused = work.raw(&setup);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("set-up needs about "), "{}", refused.stderr);
    assert!(!work.files().iter().any(|name| name.starts_with("n.")));
    assert_eq!(work.raw(&[&setup[..], &["--ignore-memory"]].concat()).code, 0);
    let said = work.raw(&["inspect", "n.vk"]).stdout;
    assert!(said.contains("proving needs about ") && said.contains(" with --low-memory"), "{said}");
}
