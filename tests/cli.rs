//! The program from file to verdict, on models whose data is committed.

mod cli_common;

use cli_common::{fixture, run, Workspace};
use serde_json::Value;

/// Set-up, run, proof, verification and inspection; the verified values are the run's.
fn round_trip(name: &str, preset: &str, public: &str) {
    let work = Workspace::new();
    let data = |part: &str| fixture(&format!("{name}.{part}"));
    let setup = work.ok(&[
        "setup",
        &data("onnx"),
        "--calibration",
        &data("calibration.npz"),
        "--test",
        &data("test.npz"),
        "--preset",
        preset,
        "--public",
        public,
        "-o",
        "m",
    ]);
    assert_eq!(setup["preset"], preset);
    let accuracy = &setup["test"]["accuracy"];
    let lost = accuracy["float"].as_f64().unwrap() - accuracy["quantised"].as_f64().unwrap();
    assert!(lost.abs() <= 0.005, "{accuracy}");

    let input = data("input.json");
    let ran = work.ok(&["run", "m.vsm", "--input", &input]);
    assert!(ran["largest_difference"].as_f64().unwrap() < 0.05, "{ran}");
    let proved = work.ok(&["prove", "m.vsm", "--input", &input, "-o", "p.vproof", "--profile"]);
    assert!(!proved["profile"].as_array().unwrap().is_empty());
    let outputs = &proved["outputs"][0][0]["values"];
    assert_eq!(outputs, &ran["outputs"][0]["quantised"]);

    let verified = work.ok(&["verify", "m.vk", "p.vproof"]);
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["key"], setup["key"]["fingerprint"]);
    let shown: Vec<&Value> = verified["public"].as_array().unwrap().iter().collect();
    let of = |role: &str| shown.iter().find(|t| t["role"] == role);
    assert_eq!(of("input").is_some(), public.contains("input"));
    match of("output") {
        Some(tensor) => assert_eq!(&tensor["values"], outputs),
        None => assert!(!public.contains("output")),
    }
    assert!(verified["security"]["conjectured"].as_u64().unwrap() >= 90);

    let package = work.ok(&["inspect", "m.vsm"]);
    let key = work.ok(&["inspect", "m.vk"]);
    assert_eq!(package["fingerprint"], key["fingerprint"]);
    assert_eq!(package["totals"]["cells"], key["totals"]["cells"]);
    assert!(package["totals"]["multiplications"].as_u64().unwrap() > 0);
    let proof = work.ok(&["inspect", "p.vproof", "--key", "m.vk"]);
    let sections = proof["sections"].as_array().unwrap();
    let total: u64 = sections.iter().map(|s| s["bytes"].as_u64().unwrap()).sum();
    assert_eq!(proof["bytes"], total);
    let rest = sections.last().expect("sections");
    assert!(rest["bytes"].as_u64().unwrap() < 100, "a section is missing: {rest}");
    assert_eq!(work.ok(&["inspect", &data("onnx")])["kind"], "onnx");
}

#[test]
fn credit_risk() {
    round_trip("credit_risk", "fast", "output");
}

#[test]
fn credit_risk_compact_shows_input() {
    round_trip("credit_risk", "compact", "input,output");
}

#[test]
fn credit_risk_shows_nothing() {
    round_trip("credit_risk", "fast", "none");
}

#[test]
fn digits() {
    round_trip("digits", "fast", "output");
}

#[test]
fn text_is_for_people() {
    let work = Workspace::new();
    work.setup("credit_risk", &[]);
    let input = fixture("credit_risk.input.json");
    work.ok(&["prove", "m.vsm", "--input", &input, "-o", "p"]);
    let said = |arguments: &[&str]| {
        let done = work.raw(arguments);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert_eq!(done.stderr, "");
        done.stdout
    };
    let verified = said(&["verify", "m.vk", "p"]);
    assert!(verified.starts_with("valid: the proof holds under key "), "{verified}");
    assert!(verified.contains("output `probability`: 0."), "{verified}");
    assert!(verified.contains("not zero-knowledge"), "{verified}");
    assert!(said(&["inspect", "m.vsm"]).contains("matmul"));
    assert!(said(&["inspect", "m.vk"]).contains("conjectured"));
    assert!(said(&["run", "m.vsm", "--input", &input]).contains("probability[0]"));
    let proved = said(&["prove", "m.vsm", "--input", &input, "-o", "p", "--profile"]);
    assert!(proved.contains("commit values"), "{proved}");
}

#[test]
fn a_batch_is_one_proof() {
    let work = Workspace::new();
    work.setup("credit_risk", &["--batch", "3"]);
    let rows = work.rows("credit_risk", 3);
    let proved = work.ok(&["prove", "m.vsm", "--input", &rows, "--batch", "-o", "p"]);
    assert_eq!(proved["outputs"].as_array().unwrap().len(), 3);
    let verified = work.ok(&["verify", "m.vk", "p"]);
    assert_eq!(verified["public"][0]["values"].as_array().unwrap().len(), 3);
}

#[test]
fn one_row_is_chosen() {
    let work = Workspace::new();
    work.setup("credit_risk", &[]);
    let rows = work.rows("credit_risk", 3);
    let all = work.ok(&["run", "m.vsm", "--input", &rows]);
    let one = work.ok(&["prove", "m.vsm", "--input", &rows, "--row", "2", "-o", "p"]);
    assert_eq!(one["outputs"][0][0]["values"], all["outputs"][2]["quantised"]);
}

#[test]
fn demo_refuses_every_cheat() {
    let done = run(&["demo", "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let answer = done.json();
    assert_eq!(answer["valid"], true);
    assert_eq!(answer["attempts"].as_array().unwrap().len(), 4);
    let text = run(&["demo"]);
    assert_eq!(text.code, 0);
    assert_eq!(text.stdout.matches("-> refused: ").count(), 4);
}

/// Nothing is paid per multiplication: the side doubled leaves the weights' cells alone and
/// multiplies the rest by 4; the outputs doubled double weights' cells and output activations.
#[test]
fn cells_follow_weights_and_activations_only() {
    let inspect = |name: &str| {
        let work = Workspace::new();
        work.setup(name, &[]);
        work.ok(&["inspect", "m.vsm"])
    };
    let [base, side, outputs] =
        ["conv_base", "conv_side_doubled", "conv_outputs_doubled"].map(inspect);
    let total = |of: &Value, name: &str| of["totals"][name].as_u64().unwrap();
    let chip = |of: &Value, name: &str, part: &str| -> u64 {
        let chips = of["chips"].as_array().unwrap();
        let chips = chips.iter().filter(|chip| chip["name"] == name);
        chips.map(|chip| chip["elements"][part].as_u64().unwrap()).sum()
    };

    for (name, factor) in
        [("multiplications", 4), ("activations", 4), ("activation_cells", 4), ("weight_cells", 1)]
    {
        assert_eq!(total(&side, name), factor * total(&base, name), "{name}");
    }
    for name in ["multiplications", "activations", "weight_cells"] {
        assert_eq!(total(&outputs, name), 2 * total(&base, name), "{name}");
    }
    for (name, part) in [("horner", "written"), ("unary", "written")] {
        assert_eq!(chip(&base, name, part), 8 * 16 * 16, "{name}");
        assert_eq!(chip(&side, name, part), 8 * 32 * 32, "{name}");
        assert_eq!(chip(&outputs, name, part), 16 * 16 * 16, "{name}");
    }
    // 8 channels of 3x3 kernels and a bias, for each output.
    assert_eq!(total(&base, "weight_cells"), (8 * 9 + 1) * 8);
}
