//! Bad input: one clear line, the right exit code, nothing half-written.

mod cli_common;

use cli_common::{fixture, Workspace};
use std::sync::OnceLock;
use veristar::security::Preset;
use veristar::verifier::Key;

const REFUSED: i32 = 1;
const UNUSABLE: i32 = 2;

/// A workspace with credit_risk set up (`m.vsm`, `m.vk`, `m.vsm.count`) and proven (`p`), made once.
fn made() -> &'static Workspace {
    static MADE: OnceLock<Workspace> = OnceLock::new();
    MADE.get_or_init(|| {
        let work = Workspace::new();
        work.setup("credit_risk", &[]);
        work.ok(&["prove", "m.vsm", "--input", &fixture("credit_risk.input.json"), "-o", "p"]);
        work
    })
}

fn made_path(name: &str) -> String {
    made().path(name).to_string_lossy().into_owned()
}

/// Runs a command that must fail with this code and one line that says `what`, and add no file.
fn fails(work: &Workspace, arguments: &[&str], code: i32, what: &str) {
    let before = work.files();
    let done = work.raw(arguments);
    assert_eq!(done.code, code, "{arguments:?}: {}{}", done.stdout, done.stderr);
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{arguments:?}: {}", done.stderr);
    assert!(lines[0].starts_with("error: "), "{}", lines[0]);
    assert!(lines[0].contains(what), "expected `{what}` in: {}", lines[0]);
    assert_eq!(work.files(), before, "{arguments:?}");
    assert_eq!(done.stdout, "");

    let json = work.raw(&[arguments, &["--json"]].concat());
    assert_eq!((json.code, json.stderr.lines().count()), (code, 1));
    let answer = json.json();
    assert_eq!(answer["exit"], code);
    assert_eq!(answer["error"], lines[0].trim_start_matches("error: "));
    assert_eq!(work.files(), before, "{arguments:?}");
}

fn setup_fails(work: &Workspace, model: &str, calibration: &str, what: &str) {
    fails(work, &["setup", model, "--calibration", calibration, "-o", "new"], UNUSABLE, what);
}

fn prove_fails(work: &Workspace, input: &str, what: &str) {
    let package = made_path("m.vsm");
    fails(work, &["prove", &package, "--input", input, "-o", "new"], UNUSABLE, what);
    fails(work, &["run", &package, "--input", input], UNUSABLE, what);
}

/// An `.npy` file of little-endian values.
fn npy(descriptor: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    npy(
        "<f4",
        &format!("(1, {})", values.len()),
        &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(),
    )
}

#[test]
fn model_empty_or_not_onnx() {
    let work = Workspace::new();
    let calibration = fixture("credit_risk.calibration.npz");
    setup_fails(&work, &work.write("empty.onnx", b""), &calibration, "is empty");
    setup_fails(
        &work,
        &work.write("text.onnx", b"hello, world\n"),
        &calibration,
        "not an ONNX model",
    );
    setup_fails(&work, &calibration, &calibration, "not an ONNX model");
    setup_fails(&work, &made_path("m.vk"), &calibration, "verification key");
    setup_fails(&work, "nowhere.onnx", &calibration, "cannot read `nowhere.onnx`");
    let onnx = std::fs::read(fixture("credit_risk.onnx")).unwrap();
    let cut = work.write("cut.onnx", &onnx[..onnx.len() / 2]);
    setup_fails(&work, &cut, &calibration, "cut.onnx");
}

/// No damaged model makes the program stop in any other way than by one line.
#[test]
fn model_damaged() {
    let work = Workspace::new();
    let calibration = fixture("credit_risk.calibration.npz");
    let onnx = std::fs::read(fixture("credit_risk.onnx")).unwrap();
    for at in (0..onnx.len()).step_by(onnx.len() / 24) {
        let mut damaged = onnx.clone();
        damaged[at] ^= 0x55;
        let path = work.write("damaged.onnx", &damaged);
        let done = work.raw(&["setup", &path, "--calibration", &calibration, "-o", "new"]);
        match done.code {
            // A weight or a name may change without harm.
            0 => {}
            UNUSABLE => assert_eq!(done.stderr.lines().count(), 1, "{at}: {}", done.stderr),
            code => panic!("byte {at}: exit {code}: {}", done.stderr),
        }
    }
}

#[test]
fn calibration_without_rows() {
    let work = Workspace::new();
    let model = fixture("credit_risk.onnx");
    let none = work.write("none.npy", &npy("<f4", "(0, 61)", &[]));
    setup_fails(&work, &model, &none, "no rows");
    let none = work.write("none.json", br#"{"input_data": []}"#);
    setup_fails(&work, &model, &none, "no rows");
    let other = work.write("other.txt", b"1 2 3");
    setup_fails(&work, &model, &other, "other.txt");
    setup_fails(&work, &model, "nowhere.npz", "cannot read `nowhere.npz`");
    let nan = work.write("nan.npy", &floats(&[f32::NAN; 61]));
    setup_fails(&work, &model, &nan, "element 0 is NaN");
}

#[test]
fn input_of_wrong_shape_or_type() {
    let work = Workspace::new();
    prove_fails(&work, &work.write("short.npy", &floats(&[0.0; 60])), "shape");
    prove_fails(&work, &work.write("text.npy", &npy("<U4", "(1, 61)", &[0; 16 * 61])), "type");
    let short = work.write("short.json", br#"{"input_data": [[1.0, 2.0]]}"#);
    prove_fails(&work, &short, "61");
    let text = work.write("text.json", br#"{"input_data": [["many"]]}"#);
    prove_fails(&work, &text, "no number");
    prove_fails(&work, &work.write("empty.npy", b""), "empty");
    prove_fails(&work, &fixture("digits.input.json"), "61");
    prove_fails(&work, "nowhere.json", "cannot read");
}

#[test]
fn input_not_finite() {
    let work = Workspace::new();
    let mut values = [0.0; 61];
    values[7] = f32::NAN;
    prove_fails(&work, &work.write("nan.npy", &floats(&values)), "element 7 is NaN");
    values[7] = f32::INFINITY;
    prove_fails(&work, &work.write("inf.npy", &floats(&values)), "element 7 is inf");
    let huge = work.write("huge.json", br#"{"input_data": [[1e999]]}"#);
    prove_fails(&work, &huge, "range");
}

#[test]
fn input_outside_calibrated_range() {
    let work = Workspace::new();
    let mut values = [0.0; 61];
    values[4] = 1e6;
    let far = work.write("far.npy", &floats(&values));
    prove_fails(&work, &far, "outside the calibrated range");
    prove_fails(&work, &far, "`features`");
}

#[test]
fn several_inputs() {
    let work = Workspace::new();
    let rows = work.rows("credit_risk", 3);
    let package = made_path("m.vsm");
    let prove = |more: &[&str], what: &str| {
        let first = ["prove", &package, "--input", &rows, "-o", "new"];
        fails(&work, &[&first[..], more].concat(), UNUSABLE, what);
    };
    prove(&[], "holds 3 inputs: choose one with --row K, or use --batch");
    prove(&["--row", "3"], "no row 3");
    prove(&["--batch"], "--batch 3");
    prove(&["--batch", "--row", "1"], "cannot be used with");
}

#[test]
fn proof_truncated() {
    let work = Workspace::new();
    let proof = std::fs::read(made_path("p")).unwrap();
    let key = made_path("m.vk");
    let verify = |bytes: &[u8], code: i32, what: &str| {
        let path = work.write("cut", bytes);
        fails(&work, &["verify", &key, &path], code, what);
    };
    for length in [10, 11, 42, 43, 500, proof.len() / 2, proof.len() - 1] {
        verify(&proof[..length], REFUSED, "ends too early");
    }
    // What follows the proof proper is a context of 32 bytes, or nothing.
    verify(&[&proof[..], &[0]].concat(), REFUSED, "ends too early");
    verify(&[&proof[..], &[0; 33]].concat(), REFUSED, "1 bytes too many");
    verify(&proof[..7], UNUSABLE, "no Veristar file");
    verify(b"", UNUSABLE, "is empty");
}

#[test]
fn proof_damaged() {
    let work = Workspace::new();
    let proof = std::fs::read(made_path("p")).unwrap();
    let key = made_path("m.vk");
    // Behind magic and version.
    for at in (10..proof.len()).step_by(proof.len() / 40) {
        let mut damaged = proof.clone();
        damaged[at] ^= 1;
        let path = work.write("damaged", &damaged);
        fails(&work, &["verify", &key, &path], REFUSED, "proof refused: ");
    }
    let mut version = proof.clone();
    version[8] ^= 0x40;
    let path = work.write("version", &version);
    fails(&work, &["verify", &key, &path], UNUSABLE, "version");
}

#[test]
fn proof_foreign() {
    let work = Workspace::new();
    let key = made_path("m.vk");
    let verify = |proof: &str, what: &str| fails(&work, &["verify", &key, proof], UNUSABLE, what);
    verify(&fixture("credit_risk.input.json"), "no Veristar file");
    verify(&made_path("m.vsm"), "model package");
    verify(&key, "verification key");
    verify("nowhere", "cannot read");
    let proof = made_path("p");
    fails(&work, &["verify", &proof, &proof], UNUSABLE, "not a verification key");
    fails(&work, &["verify", "nowhere.vk", &proof], UNUSABLE, "cannot read");
    fails(
        &work,
        &["prove", &key, "--input", "x.npy", "-o", "new"],
        UNUSABLE,
        "not a model package",
    );
}

#[test]
fn proof_for_another_key() {
    let work = Workspace::new();
    work.setup("digits", &[]);
    fails(&work, &["verify", "m.vk", &made_path("p")], REFUSED, "another key");
    fails(&work, &["inspect", &made_path("p"), "--key", "m.vk"], UNUSABLE, "another key");
}

#[test]
fn key_with_other_parameters() {
    let work = Workspace::new();
    let bytes = std::fs::read(made_path("m.vk")).unwrap();
    let mut key = Key::from_bytes(&bytes).unwrap();
    let proof = made_path("p");
    key.preset = Preset::Compact;
    let edited = work.write("edited.vk", &key.to_bytes());
    fails(&work, &["verify", &edited, &proof], REFUSED, "another key");
    key.preset = Preset::Fast;
    key.layout.instances[0].reserved = 1;
    let edited = work.write("edited.vk", &key.to_bytes());
    fails(&work, &["verify", &edited, &proof], UNUSABLE, "lacks what hides its proofs");
    let cut = work.write("cut.vk", &bytes[..bytes.len() / 2]);
    fails(&work, &["verify", &cut, &proof], UNUSABLE, "malformed");
}

#[test]
fn output_unwritable() {
    let work = Workspace::new();
    let package = made_path("m.vsm");
    let input = fixture("credit_risk.input.json");
    let model = fixture("credit_risk.onnx");
    let calibration = fixture("credit_risk.calibration.npz");
    std::fs::create_dir(work.path("taken")).unwrap();
    std::fs::create_dir(work.path("taken.vk")).unwrap();
    std::fs::create_dir(work.path("counted.vsm.count")).unwrap();
    std::fs::create_dir(work.path("rotated.vrotation")).unwrap();
    work.write("file", b"x");
    // Not by permissions: tests may run as root.
    for output in ["no/such/directory", "taken", "file/below", "/proc/veristar"] {
        let prove = ["prove", &package, "--input", &input, "-o", output];
        fails(&work, &prove, UNUSABLE, "cannot write");
    }
    for output in ["no/such/directory", "file/below", "taken", "counted", "/proc/veristar"] {
        let setup = ["setup", &model, "--calibration", &calibration, "-o", output];
        fails(&work, &setup, UNUSABLE, "cannot write");
        fails(&work, &["rotate", &package, "-o", output], UNUSABLE, "cannot write");
    }
    fails(&work, &["rotate", &package, "-o", "rotated"], UNUSABLE, "cannot write");
    // None of them was counted.
    assert_eq!(made().ok(&["inspect", "m.vsm"])["used"], 1);
}

#[test]
fn a_failure_keeps_the_old_file() {
    let work = Workspace::new();
    work.write("old", b"precious");
    let mut values = [0.0; 61];
    values[4] = 1e6;
    let far = work.write("far.npy", &floats(&values));
    fails(
        &work,
        &["prove", &made_path("m.vsm"), "--input", &far, "-o", "old"],
        UNUSABLE,
        "outside the calibrated range",
    );
    assert_eq!(std::fs::read(work.path("old")).unwrap(), b"precious");
}

#[test]
fn arguments() {
    let work = Workspace::new();
    fails(&work, &["setup"], UNUSABLE, "--calibration");
    fails(&work, &["prove-it"], UNUSABLE, "prove-it");
    fails(&work, &[], UNUSABLE, "no command");
    let model = fixture("credit_risk.onnx");
    let calibration = fixture("credit_risk.calibration.npz");
    let setup = |more: &[&str], what: &str| {
        let first = ["setup", &model, "--calibration", &calibration, "-o", "new"];
        fails(&work, &[&first[..], more].concat(), UNUSABLE, what);
    };
    setup(&["--preset", "loud"], "loud");
    setup(&["--public", "none,output"], "stands alone");
    setup(&["--activation-bits", "40"], "4 to 16");
    for bad in ["max", "percentile", "percentile:", "percentile:101", "percentile:x", "mse:2"] {
        setup(&["--calibration-method", bad], "percentile:P with P from 50 to 100");
    }
    for bad in ["--smooth=-1", "--smooth=1.5", "--smooth=much", "--smooth=NaN"] {
        setup(&[bad], "a number from 0 to 1");
    }
    setup(&["--shape", "features"], "expected INPUT=DIMS");
    setup(&["--shape", "features=1,62"], "features");
    setup(&["--batch", "0"], "--batch");
    setup(&["--proofs", "0"], "--proofs");
    setup(&["--proofs", "1"], "--proofs");
    setup(&["--proofs", "many"], "--proofs");
    setup(&["--proofs", "4294967293"], "--proofs");
    setup(&["--proofs", "4294967292"], "choose a smaller --proofs");
    setup(&["--proofs", "9", "--no-hiding"], "cannot be used with");
    fails(&work, &["rotate", "m.vsm"], UNUSABLE, "--output");
    fails(&work, &["verify-rotation", "m.vk"], UNUSABLE, "NEW.vk");
}

/// A package in a workspace of its own, with a count of these bytes.
fn copied(count: Option<&[u8]>) -> Workspace {
    let work = Workspace::new();
    work.copy(made(), "m.vsm");
    // Where a prover waits for others.
    work.write("m.vsm.count.lock", b"");
    if let Some(bytes) = count {
        work.write("m.vsm.count", bytes);
    }
    work
}

#[test]
fn package_without_its_count() {
    let input = fixture("credit_risk.input.json");
    let count = std::fs::read(made_path("m.vsm.count")).unwrap();
    let unusable = |count: Option<&[u8]>, what: &str| {
        let work = copied(count);
        for arguments in [
            &["prove", "m.vsm", "--input", &input, "-o", "new"][..],
            &["rotate", "m.vsm", "-o", "new"],
        ] {
            fails(&work, arguments, UNUSABLE, what);
            fails(&work, arguments, UNUSABLE, "`veristar rotate m.vsm --lost-count -o NEW`");
        }
        // Nobody touched it, and the rest can be looked at.
        assert_eq!(std::fs::read(work.path("m.vsm.count")).ok().as_deref(), count);
        let about = work.ok(&["inspect", "m.vsm"]);
        assert_eq!(about["left"], serde_json::Value::Null);
        assert!(about["count_error"].as_str().unwrap().contains(what), "{about}");
        work.ok(&["run", "m.vsm", "--input", &input]);
    };
    unusable(None, "is missing");
    unusable(Some(b""), "is damaged");
    unusable(Some(&count[..count.len() - 1]), "is damaged");
    unusable(Some(&count[..count.len() / 2]), "is damaged");
    let text = String::from_utf8(count.clone()).unwrap();
    unusable(Some(text.replace("used 1", "used 0").as_bytes()), "is damaged");
    unusable(Some(text.replace("count 1", "count 9").as_bytes()), "version 9");
    let other = Workspace::new();
    other.setup("credit_risk", &[]);
    let foreign = std::fs::read(other.path("m.vsm.count")).unwrap();
    unusable(Some(&foreign), "does not count the proofs made with");
}

/// A proof that cannot be made for its input takes no place.
#[test]
fn input_refused_is_not_counted() {
    let count = std::fs::read(made_path("m.vsm.count")).unwrap();
    let work = copied(Some(&count));
    let mut values = [0.0; 61];
    values[4] = 1e6;
    let far = work.write("far.npy", &floats(&values));
    let prove = ["prove", "m.vsm", "--input", &far, "-o", "new"];
    fails(&work, &prove, UNUSABLE, "outside the calibrated range");
    assert_eq!(std::fs::read(work.path("m.vsm.count")).unwrap(), count);
}

#[test]
fn rotation_refused() {
    let count = std::fs::read(made_path("m.vsm.count")).unwrap();
    let work = copied(Some(&count));
    work.copy(made(), "m.vk");
    fails(&work, &["rotate", "m.vsm", "-o", "m"], UNUSABLE, "choose another name with -o");
    fails(&work, &["rotate", "m.vk", "-o", "new"], UNUSABLE, "not a model package");
    work.ok(&["rotate", "m.vsm", "-o", "new"]);
    work.ok(&["rotate", "m.vsm", "-o", "other"]);
    let verify = |old: &str, new: &str, proof: &str, code: i32, what: &str| {
        fails(&work, &["verify-rotation", old, new, proof], code, what);
    };
    verify("m.vk", "other.vk", "new.vrotation", REFUSED, "rotation refused: ");
    verify("new.vk", "m.vk", "new.vrotation", REFUSED, "another rotation");
    verify("m.vk", "new.vk", &made_path("p"), REFUSED, "another rotation");
    let proof = std::fs::read(work.path("new.vrotation")).unwrap();
    for at in (10..proof.len()).step_by(proof.len() / 20) {
        let mut damaged = proof.clone();
        damaged[at] ^= 1;
        let path = work.write("damaged", &damaged);
        verify("m.vk", "new.vk", &path, REFUSED, "rotation refused: ");
    }
    let cut = work.write("cut", &proof[..proof.len() - 1]);
    verify("m.vk", "new.vk", &cut, REFUSED, "ends too early");
    verify("m.vk", "new.vk", "m.vsm", UNUSABLE, "not a proof");
    verify("m.vk", "new.vsm", "new.vrotation", UNUSABLE, "not a verification key");
    fails(&work, &["verify", "m.vk", "new.vrotation"], REFUSED, "another key");

    // Another model, and one that hides nothing.
    let digits = Workspace::new();
    digits.setup("digits", &[]);
    work.write("digits.vk", &std::fs::read(digits.path("m.vk")).unwrap());
    verify("m.vk", "digits.vk", "new.vrotation", REFUSED, "different models");
    let open = Workspace::new();
    open.setup("credit_risk", &["--no-hiding"]);
    fails(&open, &["rotate", "m.vsm", "-o", "new"], UNUSABLE, "nothing to rotate");
}

/// A set-up that fails at its last step leaves what was there.
#[cfg(unix)]
#[test]
fn files_are_published_together() {
    let work = Workspace::new();
    work.setup("credit_risk", &[]);
    let old = |name: &str| std::fs::read(work.path(name)).unwrap();
    let names = ["m.vk", "m.vsm", "m.vsm.count"];
    let before = names.map(old);
    // The lock cannot be had: neither a new package, nor a proof with the old one.
    std::fs::remove_file(work.path("m.vsm.count.lock")).unwrap();
    std::fs::create_dir(work.path("m.vsm.count.lock")).unwrap();
    let (model, data) = (fixture("credit_risk.onnx"), fixture("credit_risk.calibration.npz"));
    fails(
        &work,
        &["setup", &model, "--calibration", &data, "-o", "m"],
        UNUSABLE,
        "m.vsm.count.lock",
    );
    let input = fixture("credit_risk.input.json");
    fails(&work, &["prove", "m.vsm", "--input", &input, "-o", "p"], UNUSABLE, "m.vsm.count.lock");
    assert_eq!(names.map(old), before);
    std::fs::remove_dir(work.path("m.vsm.count.lock")).unwrap();
    work.ok(&["prove", "m.vsm", "--input", &input, "-o", "p"]);
}

#[test]
fn help_is_no_error() {
    let work = Workspace::new();
    for arguments in [&["--help"][..], &["--version"], &["prove", "--help"], &["help", "setup"]] {
        let done = work.raw(arguments);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!done.stdout.is_empty());
    }
}
