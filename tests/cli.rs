//! The program from file to verdict, on models whose data is committed.

mod cli_common;

use cli_common::{fixture, run, Done, Workspace};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

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
    assert_eq!(setup["zero_knowledge"], true);
    let left = setup["left"].as_u64().unwrap();
    assert!(left >= 31 && setup["proofs"] == left + 1, "{setup}");
    let accuracy = &setup["test"]["accuracy"];
    let lost = accuracy["float"].as_f64().unwrap() - accuracy["quantised"].as_f64().unwrap();
    assert!(lost.abs() <= 0.005, "{accuracy}");

    let input = data("input.json");
    let ran = work.ok(&["run", "m.vsm", "--input", &input]);
    assert!(ran["largest_difference"].as_f64().unwrap() < 0.05, "{ran}");
    let proved = work.ok(&["prove", "m.vsm", "--input", &input, "-o", "p.vproof", "--profile"]);
    assert!(!proved["profile"].as_array().unwrap().is_empty());
    assert_eq!((&proved["used"], &proved["left"]), (&1.into(), &(left - 1).into()));
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
    assert_eq!((&package["used"], &package["left"]), (&1.into(), &(left - 1).into()));
    for about in [&package, &key, &verified] {
        assert_eq!(about["zero_knowledge"], true);
        assert_eq!(about["proofs"], left + 1);
    }
    for chip in key["chips"].as_array().unwrap() {
        let rows = |part: &str| chip["rows"][part].as_u64().unwrap();
        assert!(rows("reserved") > 1 && rows("reserved") + rows("active") == rows("total"));
    }
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
    assert!(verified.contains("(zero-knowledge: "), "{verified}");
    let package = said(&["inspect", "m.vsm"]);
    for words in ["matmul", "hides weights and private inputs for ", "count: 1 of "] {
        assert!(package.contains(words), "{package}");
    }
    let key = said(&["inspect", "m.vk"]);
    assert!(key.contains("conjectured") && !key.contains("count: "), "{key}");
    assert!(said(&["run", "m.vsm", "--input", &input]).contains("probability[0]"));
    let proved = said(&["prove", "m.vsm", "--input", &input, "-o", "p", "--profile"]);
    assert!(proved.contains("commit values"), "{proved}");
    assert!(proved.contains(" proofs left; then `veristar rotate`"), "{proved}");
}

fn setup_says(work: &Workspace, more: &[&str]) -> String {
    let (onnx, data) = (fixture("credit_risk.onnx"), fixture("credit_risk.calibration.npz"));
    let first = ["setup", &onnx, "--calibration", &data, "-o", "m"];
    let done = work.raw(&[&first[..], more].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout
}

#[test]
fn nothing_is_hidden_on_request() {
    let work = Workspace::new();
    // A count from before does not stay.
    setup_says(&work, &[]);
    assert!(work.files().contains(&"m.vsm.count".to_string()));
    let said = setup_says(&work, &["--no-hiding"]);
    assert!(
        said.contains("nothing is hidden: anyone may learn about weights and inputs"),
        "{said}"
    );
    assert_eq!(work.files(), ["m.vk", "m.vsm", "m.vsm.count.lock"]);
    let setup = work.setup("credit_risk", &["--no-hiding"]);
    assert_eq!((&setup["zero_knowledge"], &setup["proofs"]), (&false.into(), &0.into()));
    assert_eq!((&setup["left"], &setup["count"]), (&Value::Null, &Value::Null));

    let input = fixture("credit_risk.input.json");
    let proved = work.ok(&["prove", "m.vsm", "--input", &input, "-o", "p"]);
    assert_eq!((&proved["zero_knowledge"], &proved["left"]), (&false.into(), &Value::Null));
    assert_eq!(work.ok(&["verify", "m.vk", "p"])["zero_knowledge"], false);
    let verified = work.raw(&["verify", "m.vk", "p"]).stdout;
    assert!(verified.contains("(not zero-knowledge: "), "{verified}");
    assert_eq!(work.ok(&["inspect", "m.vsm"])["zero_knowledge"], false);
}

#[test]
fn hidden_for_as_many_proofs_as_asked() {
    let work = Workspace::new();
    let said = setup_says(&work, &["--proofs", "100"]);
    assert!(
        said.contains("hides weights and private inputs for 100 proofs; then `veristar rotate`")
    );
    let setup = work.setup("credit_risk", &["--proofs", "100", "--public", "input,output"]);
    assert_eq!((&setup["proofs"], &setup["left"]), (&101.into(), &100.into()));
    let key = work.raw(&["inspect", "m.vk"]).stdout;
    assert!(key.contains("hides weights for 100 proofs; then `veristar rotate`"), "{key}");
}

/// The whole life of a commitment: proofs, the last one, rotation, and proofs with the new one.
#[test]
fn a_model_is_rotated() {
    let work = Workspace::new();
    work.setup("credit_risk", &["--proofs", "2"]);
    let input = fixture("credit_risk.input.json");
    let prove =
        |package: &str, proof: &str| work.raw(&["prove", package, "--input", &input, "-o", proof]);
    let first = prove("m.vsm", "p1");
    assert!(first.stdout.contains("warning: only 1 of 2 proofs left"), "{}", first.stdout);
    let second = prove("m.vsm", "p2");
    assert!(second.stdout.contains("warning: that was the last proof"), "{}", second.stdout);
    let third = prove("m.vsm", "p3");
    assert_eq!(third.code, 2);
    assert!(third.stderr.contains("run `veristar rotate m.vsm -o NEW`"), "{}", third.stderr);

    let rotated = work.ok(&["rotate", "m.vsm", "-o", "new"]);
    assert_eq!((&rotated["used"], &rotated["left"]), (&1.into(), &1.into()));
    assert_eq!(rotated["warning"], Value::Null);
    let files = work.files();
    for name in ["new.vk", "new.vrotation", "new.vsm", "new.vsm.count"] {
        assert!(files.contains(&name.to_string()), "{files:?}");
    }
    let verified = work.ok(&["verify-rotation", "m.vk", "new.vk", "new.vrotation"]);
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["new_key"], rotated["key"]["fingerprint"]);
    let said = work.raw(&["verify-rotation", "m.vk", "new.vk", "new.vrotation"]);
    assert!(
        said.stdout.starts_with("valid: the new key holds the same weights"),
        "{}",
        said.stdout
    );

    // Old proofs stay valid under the old key; new ones are the same model's.
    let proved = work.ok(&["prove", "new.vsm", "--input", &input, "-o", "n1"]);
    assert_eq!((&proved["used"], &proved["left"]), (&2.into(), &0.into()));
    let [old, new] = [["m.vk", "p2"], ["new.vk", "n1"]].map(|v| work.ok(&["verify", v[0], v[1]]));
    assert_eq!(old["public"], new["public"]);
    assert_ne!(old["key"], new["key"]);
    assert_eq!(prove("new.vsm", "n2").code, 2);
    work.ok(&["rotate", "new.vsm", "-o", "newer.vsm"]);
    assert_eq!(
        work.ok(&["verify-rotation", "new.vk", "newer.vk", "newer.vrotation"])["valid"],
        true
    );
    assert_eq!(work.ok(&["inspect", "newer.vrotation"])["kind"], "proof");
}

#[test]
fn ranges_of_weights_are_proven_once() {
    let work = Workspace::new();
    let made = work.setup("digits", &["--prove-ranges", "--proofs", "2"]);
    assert!(made["ranges"]["bytes"].as_u64().is_some_and(|bytes| bytes > 1000));
    let checked = work.ok(&["verify-ranges", "m.vk", "m.vranges"]);
    assert_eq!(checked["valid"], true);
    assert_eq!(checked["key"], made["key"]["fingerprint"]);
    let parameters = checked["parameters"].as_array().expect("parameters");
    let weights: u64 = parameters.iter().filter_map(|p| p["weights"].as_u64()).sum();
    assert_eq!(weights, 2082);
    // The two proofs asked for are left, and the rotation's.
    let inspected = work.ok(&["inspect", "m.vsm"]);
    assert_eq!((&inspected["used"], &inspected["left"]), (&1.into(), &2.into()));

    // A key that hides nothing has ranges too; another key's proof is refused.
    std::fs::rename(work.path("m.vranges"), work.path("other.vranges")).expect("rename");
    work.setup("digits", &["--prove-ranges", "--no-hiding"]);
    work.ok(&["verify-ranges", "m.vk", "m.vranges"]);
    let refused = work.raw(&["verify-ranges", "m.vk", "other.vranges"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("ranges refused"), "{}", refused.stderr);
    let other = work.raw(&["verify-ranges", "m.vk", "m.vk"]);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("not a proof of weight ranges"), "{}", other.stderr);
}

#[test]
fn a_lost_count_can_be_rotated() {
    let work = Workspace::new();
    work.setup("credit_risk", &[]);
    std::fs::remove_file(work.path("m.vsm.count")).unwrap();
    assert_eq!(work.raw(&["rotate", "m.vsm", "-o", "new"]).code, 2);
    let said = work.raw(&["rotate", "m.vsm", "--lost-count", "-o", "new"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("warning: nobody knows how many proofs"), "{}", said.stdout);
    assert!(said.stdout.contains("opens the old commitment once more"), "{}", said.stdout);
    assert_eq!(work.ok(&["verify-rotation", "m.vk", "new.vk", "new.vrotation"])["valid"], true);
    // A rotation that was stopped has used the last place.
    work.setup("credit_risk", &["--proofs", "2"]);
    for new in ["a", "b", "c"] {
        work.ok(&["rotate", "m.vsm", "-o", new]);
    }
    assert!(work.raw(&["rotate", "m.vsm", "-o", "d"]).stderr.contains("--lost-count"));
    let again = work.ok(&["rotate", "m.vsm", "--lost-count", "-o", "d"]);
    assert!(again["warning"].as_str().unwrap().contains("were used"), "{again}");
}

/// Provers that run at once, some of them killed: no place twice, and no more than one lost for each.
#[test]
fn provers_at_once_take_different_places() {
    let work = Workspace::new();
    work.setup("credit_risk", &["--proofs", "40"]);
    let input = fixture("credit_risk.input.json");
    let start =
        |name: &str| work.start(&["prove", "m.vsm", "--input", &input, "-o", name, "--json"]);
    let names: Vec<String> = (0..12).map(|i| format!("p{i}")).collect();
    let mut provers: Vec<_> = names.iter().map(|name| start(name)).collect();
    let mut killed = 0;
    for (i, prover) in provers.iter_mut().enumerate().filter(|(i, _)| i % 3 == 0) {
        std::thread::sleep(Duration::from_millis(20 * (1 + i as u64)));
        prover.kill().unwrap();
        killed += 1;
    }
    let mut places = Vec::new();
    for prover in provers {
        let done = Done::from(prover.wait_with_output().unwrap());
        match done.code {
            0 => places.push(done.json()["used"].as_u64().unwrap()),
            code => assert_eq!((code, done.stdout.as_str()), (-1, ""), "{}", done.stderr),
        }
    }
    let different: BTreeSet<u64> = places.iter().copied().collect();
    assert_eq!(different.len(), places.len(), "{places:?}");
    let used = work.ok(&["inspect", "m.vsm"])["used"].as_u64().unwrap();
    assert!((places.len() as u64..=places.len() as u64 + killed).contains(&used), "{used}");
    assert!(different.last() <= Some(&used));
    // Whoever comes next goes on from there.
    let next = work.ok(&["prove", "m.vsm", "--input", &input, "-o", "next"]);
    assert_eq!(next["used"], used + 1);
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

/// Costs of layers add up to the outputs' error; the page is whole and loads nothing.
#[test]
fn a_report_says_which_layer_costs_most() {
    let work = Workspace::new();
    let (onnx, data) = (fixture("lenet.onnx"), fixture("lenet.calibration.npz"));
    let first = ["calibrate-report", &onnx, "--calibration", &data, "-o", "report.html"];
    let all = work.ok(&first);
    let costs = &all["attribution"];
    let layers = costs["layers"].as_array().unwrap();
    let sum: f64 = layers.iter().map(|l| l["cost"].as_f64().unwrap()).sum();
    let (error, last) = (costs["error"].as_f64().unwrap(), layers.last().unwrap());
    assert!(error > 0.0 && (sum - error).abs() < 0.02 * error, "{sum} {error}");
    assert_eq!(last["name"], "logits");
    let most = layers.iter().map(|l| l["cost"].as_f64().unwrap()).fold(f64::MIN, f64::max);
    let named = layers.iter().find(|l| l["name"] == all["costs_most"]).unwrap();
    assert_eq!(named["cost"].as_f64().unwrap(), most);
    let page = std::fs::read_to_string(work.path("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for layer in layers {
        assert!(page.contains(layer["name"].as_str().unwrap()));
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
    // Fewer bits, more error.
    let coarser = work.ok(&[&first[..], &["--activation-bits", "7"]].concat());
    assert!(coarser["attribution"]["error"].as_f64().unwrap() > 3.0 * error);
}

/// Both commands take the ways to quantise, say which were taken, and refuse others.
#[test]
fn ways_to_quantise_are_chosen() {
    let work = Workspace::new();
    let (onnx, data) = (fixture("digits.onnx"), fixture("digits.calibration.npz"));
    let report = |more: &[&str]| {
        let first = ["calibrate-report", &onnx, "--calibration", &data, "--activation-bits", "5"];
        work.ok(&[&first[..], more].concat())
    };
    let plain = report(&[]);
    let method = |answer: &Value| answer["quantising"]["calibration_method"].clone();
    assert_eq!((method(&plain), &plain["quantising"]["smooth"]), ("minmax".into(), &0.0.into()));
    let clipped = report(&["--calibration-method", "percentile:99.5"]);
    assert_eq!(method(&clipped), "percentile:99.5");
    assert_ne!(plain["report"]["outputs"], clipped["report"]["outputs"]);

    let more = ["--calibration-method", "mse", "--smooth", "0.5"];
    let made = work.setup("digits", &more);
    assert_eq!((method(&made), &made["quantising"]["smooth"]), ("mse".into(), &0.5.into()));
    let input = fixture("digits.input.json");
    let proved = work.ok(&["prove", "m.vsm", "--input", &input, "-o", "p"]);
    let ran = work.ok(&["run", "m.vsm", "--input", &input]);
    assert_eq!(proved["outputs"][0][0]["values"], ran["outputs"][0]["quantised"]);
    assert!(ran["largest_difference"].as_f64().unwrap() < 0.05, "{ran}");

    for command in ["setup", "calibrate-report"] {
        let first = [command, &onnx, "--calibration", &data, "-o", "x"];
        for (bad, accepted) in [
            (["--calibration-method", "percentile:20"], "minmax, mse, or percentile:P"),
            (["--smooth", "2"], "a number from 0 to 1"),
        ] {
            let done = work.raw(&[&first[..], &bad].concat());
            assert_eq!(done.code, 2);
            assert!(done.stderr.contains(accepted), "{}", done.stderr);
        }
    }
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
    for (of, outputs) in [(&base, 8 * 16 * 16), (&side, 8 * 32 * 32), (&outputs, 16 * 16 * 16)] {
        // An output has no cell before it is requantised.
        assert_eq!(chip(of, "requantise", "written"), outputs);
        assert_eq!(chip(of, "horner", "written"), 0);
    }
    // 8 channels of 3x3 kernels and a bias, for each output.
    assert_eq!(total(&base, "weight_cells"), (8 * 9 + 1) * 8);
}

#[test]
fn doctor_completions_and_manual() {
    let work = Workspace::new();
    let found = work.ok(&["doctor"]);
    assert_eq!(found["veristar"]["ok"], true);
    assert!(found["fresh memory"]["bytes_per_second"].as_f64().unwrap() > 0.0);
    assert!(found["cores"]["cores"].as_u64().unwrap() > 0);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = work.ok(&["completions", shell]);
        assert!(script["script"].as_str().unwrap().contains("calibrate-report"), "{shell}");
    }
    work.ok(&["manual", "."]);
    let page = std::fs::read_to_string(work.path("veristar-prove.1")).unwrap();
    assert!(page.contains("--input") || page.contains("\\-\\-input"), "{page}");
    let done = work.raw(&["manual", "nowhere"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("choose a directory"), "{}", done.stderr);
}
