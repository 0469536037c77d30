//! The Winterfell backend at the command line: from file to verdict, and what is refused, with a message that
//! says what to do.

mod cli_common;

use cli_common::{fixture, Workspace};
use serde_json::Value;

/// Set-up, run, proof, verification and inspection; the verified values are the run's.
fn round_trip(name: &str, more: &[&str]) -> Value {
    let work = Workspace::new();
    let test = fixture(&format!("{name}.test.npz"));
    let setup = work.setup(name, &[&["--test", &test][..], more].concat());
    assert_eq!(setup["backend"], "winterfell");
    assert_eq!(work.files(), ["m.vk", "m.vsm"], "nothing is counted");

    let input = fixture(&format!("{name}.input.json"));
    let ran = work.ok(&["run", "m.vsm", "--input", &input]);
    let backend = ["--backend", "winterfell"];
    let proved =
        work.ok(&[&["prove", "m.vsm", "--input", &input, "-o", "p.vproof"][..], &backend].concat());
    let outputs = &proved["outputs"][0][0]["values"];
    assert_eq!(outputs, &ran["outputs"][0]["quantised"]);
    let verified = work.ok(&["verify", "m.vk", "p.vproof"]);
    assert_eq!(verified["valid"], true);
    assert_eq!(&verified["public"][0]["values"], outputs);
    assert_eq!(verified["key"], setup["key"]["fingerprint"]);

    let package = work.ok(&["inspect", "m.vsm"]);
    let key = work.ok(&["inspect", "m.vk"]);
    assert_eq!(package["fingerprint"], key["fingerprint"]);
    assert_eq!(package["totals"]["cells"], key["totals"]["cells"]);
    for about in [&setup, &proved, &verified, &package, &key] {
        assert_eq!(about["backend"], "winterfell");
        assert_eq!(about["zero_knowledge"], false);
        assert_eq!(about["precision"], setup["precision"]);
    }
    for about in [&setup, &verified, &package, &key] {
        let bits = |name: &str| about["security"][name].as_u64().expect("bits");
        assert!(bits("conjectured") >= 96, "{about}");
        assert!(bits("proven") >= if about["preset"] == "proven" { 96 } else { 50 }, "{about}");
    }
    let text = work.raw(&["inspect", "m.vk"]).stdout;
    assert!(text.contains("nothing is hidden by this backend"), "{text}");
    assert!(text.contains("bits conjectured") && text.contains("bits by proven theorems"));
    let proof = work.ok(&["inspect", "p.vproof", "--key", "m.vk"]);
    let sections = proof["sections"].as_array().expect("sections");
    let total: u64 = sections.iter().map(|s| s["bytes"].as_u64().expect("bytes")).sum();
    assert_eq!(proof["bytes"], total);
    assert!(sections.last().expect("one")["bytes"].as_u64() < Some(1000), "{proof}");

    // A changed public value, a cut, another file.
    let whole = std::fs::read(work.path("p.vproof")).expect("proof");
    let mut changed = whole.clone();
    changed[42] ^= 1;
    work.write("changed", &changed);
    work.write("cut", &whole[..1000]);
    for file in ["changed", "cut"] {
        let refused = work.raw(&["verify", "m.vk", file, "--json"]);
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        assert_eq!(refused.json()["valid"], false);
    }
    setup
}

#[test]
fn all_presets() {
    let shown = round_trip("credit_risk", &["--backend", "winterfell"]);
    assert_eq!(shown["precision"], "standard");
    assert_eq!(shown["gain"], Value::Null);
    for preset in ["compact", "proven"] {
        let setup = round_trip("breast_cancer", &["--backend", "winterfell", "--preset", preset]);
        assert_eq!(setup["preset"], preset);
    }
}

/// High precision chooses the backend, and says what it gains.
#[test]
fn high_precision() {
    for name in ["credit_risk", "breast_cancer", "digits", "lenet"] {
        let setup = round_trip(name, &["--precision", "high"]);
        assert_eq!(setup["precision"], "high");
        assert_eq!(setup["standard_layers"], serde_json::json!([]), "{name}");
        let gains = setup["gain"].as_array().expect("gains");
        assert_eq!(gains.len(), 2, "calibration and test");
        for gain in gains {
            println!("{name}, {}: {gain}", gain["data"]);
            let times = |error: &str| gain["times"][error].as_f64().expect("times");
            assert!(times("largest") > 100.0 && times("mean") > 100.0, "{name}: {gain}");
        }
    }
}

/// Layers that need products of two tensors keep their bits; the rest gains what it can.
#[test]
fn high_precision_of_a_transformer() {
    let work = Workspace::new();
    let setup = work.setup("transformer", &["--precision", "high"]);
    let coarse = setup["standard_layers"].as_array().expect("layers").len();
    assert!(coarse > 0);
    println!("{coarse} layers of standard precision; {}", setup["gain"]);
    let test = fixture("transformer.test.npz");
    work.ok(&["prove", "m.vsm", "--input", &test, "--row", "0", "-o", "p.vproof"]);
    work.ok(&["verify", "m.vk", "p.vproof"]);
}

#[test]
fn a_batch() {
    let work = Workspace::new();
    work.setup("breast_cancer", &["--precision", "high", "--batch", "3"]);
    let rows = work.rows("breast_cancer", 3);
    work.ok(&["prove", "m.vsm", "--input", &rows, "--batch", "-o", "p.vproof"]);
    let verified = work.ok(&["verify", "m.vk", "p.vproof"]);
    assert_eq!(verified["public"][0]["values"].as_array().map(Vec::len), Some(3));
}

#[test]
fn files_of_the_other_backend_are_told() {
    let work = Workspace::new();
    work.setup("breast_cancer", &["--no-hiding"]);
    let (stwo_package, stwo_key) = ("s.vsm", "s.vk");
    for (file, to) in [("m.vsm", stwo_package), ("m.vk", stwo_key)] {
        std::fs::rename(work.path(file), work.path(to)).expect("rename");
    }
    work.setup("breast_cancer", &["--backend", "winterfell"]);
    let input = fixture("breast_cancer.input.json");
    work.ok(&["prove", "m.vsm", "--input", &input, "-o", "w.vproof"]);
    work.ok(&["prove", stwo_package, "--input", &input, "-o", "s.vproof"]);

    let refused = |arguments: &[&str], part: &str| {
        let done = work.raw(arguments);
        assert_eq!(done.code, 2, "{arguments:?}: {}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains(part), "{arguments:?}: {}", done.stderr);
    };
    refused(&["verify", stwo_key, "w.vproof"], "is a proof of the Winterfell backend");
    refused(&["verify", "m.vk", "s.vproof"], "is a proof of the stwo backend");
    refused(&["inspect", "s.vproof", "--key", "m.vk"], "takes the stwo backend's only");
    refused(&["inspect", "w.vproof", "--key", stwo_key], "is a verification key (.vk), not");
    let prove = |package, backend| {
        ["prove", package, "--input", input.as_str(), "--backend", backend, "-o", "x"]
    };
    refused(&prove("m.vsm", "stwo"), "was set up for the winterfell backend");
    refused(&prove(stwo_package, "winterfell"), "was set up for the stwo backend");
    let from = ["prove", "m.vsm", "--input", &input, "-o", "x"];
    refused(&[&from[..], &["--context", "0x1"]].concat(), "have no context");
    refused(&[&from[..], &["--low-memory"]].concat(), "has no --low-memory");
    refused(&["rotate", "m.vsm", "-o", "n"], "takes the stwo backend's only");
    refused(&["verify-rotation", "m.vk", "m.vk", "w.vproof"], "takes the stwo backend's only");
    refused(&["verify-ranges", "m.vk", "w.vproof"], "takes the stwo backend's only");
    refused(&["worker", "m.vsm", "--watch", ".", "--out", "."], "takes the stwo backend's only");
    let export = ["starknet", "export-calldata", "w.vproof", "--key", "m.vk", "-o", "c.json"];
    refused(&export, "takes the stwo backend's only");
}

#[test]
fn options_of_the_other_backend_are_refused() {
    let work = Workspace::new();
    let (onnx, data) = (fixture("breast_cancer.onnx"), fixture("breast_cancer.calibration.npz"));
    let first = ["setup", &onnx, "--calibration", &data, "-o", "m"];
    for (more, part) in [
        (&["--backend", "winterfell", "--proofs", "10"][..], "hide nothing: leave it out"),
        (&["--precision", "high", "--proofs", "10"], "hide nothing: leave it out"),
        (&["--backend", "winterfell", "--prove-ranges"], "has no proof of ranges"),
        (&["--backend", "winterfell", "--preset", "starknet"], "the contract on Starknet"),
        (&["--backend", "stwo", "--precision", "high"], "use --backend winterfell"),
        (&["--preset", "proven"], "add --backend winterfell"),
    ] {
        let done = work.raw(&[&first[..], more].concat());
        assert_eq!(done.code, 2, "{more:?}: {}", done.stderr);
        assert!(done.stderr.contains(part), "{more:?}: {}", done.stderr);
    }
    assert!(work.files().is_empty());
    // Saying that nothing is to be hidden is no contradiction.
    let done = work.raw(&[&first[..], &["--backend", "winterfell", "--no-hiding"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("nothing is hidden by this backend"), "{}", done.stdout);
}
