//! The program with the preset `starknet`: set-up, proofs in a context, rotation, ranges, calldata, and what is
//! said where no node answers. The contract itself: `starknet/tests/devnet.rs`.

mod cli_common;

use cli_common::{fixture, Workspace};
use std::process::Command;

const ADDRESS: &str = "0x1234";

#[test]
fn a_proof_in_a_context_becomes_calldata() {
    let work = Workspace::new();
    let setup = work.setup("breast_cancer", &["--preset", "starknet", "--proofs", "4"]);
    assert_eq!(setup["preset"], "starknet");
    assert!(setup["security"]["conjectured"].as_u64().unwrap() >= 96);
    let input = fixture("breast_cancer.input.json");
    let prove = |more: &[&str], proof: &str| {
        work.ok(&[&["prove", "m.vsm", "--input", &input, "-o", proof], more].concat())
    };
    let proved = prove(&["--context-of", "MY_APP,0x1234,7"], "p");
    let context = proved["context"].as_str().unwrap();
    let verified = work.ok(&["verify", "m.vk", "p"]);
    assert_eq!(verified["context"], context);
    let said = work.raw(&["verify", "m.vk", "p"]).stdout;
    assert!(said.contains(&format!("made for the context {context}, and for no other")), "{said}");
    assert_eq!(prove(&["--context", context], "q")["context"], context);

    let export = ["starknet", "export-calldata", "p", "--key", "m.vk", "-o"];
    let exported = work.ok(&[&export[..], &["c.json"]].concat());
    let written = std::fs::read_to_string(work.path("c.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    let list = |name: &str| written[name].as_array().unwrap().clone();
    assert_eq!(written["context"], context);
    assert_eq!(written["model"], exported["model"]);
    // model, key, context, public values and proof, the lists with their lengths.
    let parts = list("key").len() + list("public").len() + list("proof").len() + 5;
    assert_eq!(list("verify").len(), parts);
    assert_eq!(list("register").len(), list("key").len() + 1);
    assert_eq!(list("verify")[0], written["model"]);
    let [only] = &list("transactions")[..] else { panic!("one transaction is enough") };
    assert_eq!((&only["entrypoint"], &only["calldata"]), (&"verify".into(), &written["verify"]));
    assert_eq!(exported["transactions"], 1);

    // Cut for a node that takes fewer felts.
    let cut = work.ok(&[&export[..], &["s.json", "--most-felts", "1000"]].concat());
    let written_cut = std::fs::read_to_string(work.path("s.json")).unwrap();
    let written_cut: serde_json::Value = serde_json::from_str(&written_cut).unwrap();
    let calls = written_cut["transactions"].as_array().unwrap();
    assert_eq!(cut["transactions"], calls.len());
    let names: Vec<_> = calls.iter().map(|call| call["entrypoint"].as_str().unwrap()).collect();
    assert!(names.len() > 2 && names[0] == "begin");
    assert!(names[1..].iter().all(|name| *name == "advance"), "{names:?}");
    assert!(calls.iter().all(|call| call["calldata"].as_array().unwrap().len() <= 1_000));
    let few = work.raw(&[&export[..], &["f.json", "--most-felts", "100"]].concat());
    assert_eq!(few.code, 2);
    assert!(few.stderr.contains("a transaction would carry"), "{}", few.stderr);
    work.ok(&[&export[..], &["c.txt", "--hex"]].concat());
    let lines = std::fs::read_to_string(work.path("c.txt")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(Into::into).collect();
    assert_eq!(lines, list("verify"));

    // Another key's proof, and a damaged one, are refused before anything is written or sent.
    let mut bytes = std::fs::read(work.path("p")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    work.write("damaged", &bytes);
    let damaged = ["starknet", "export-calldata", "damaged", "--key", "m.vk", "-o", "d.json"];
    assert_eq!(work.raw(&damaged).code, 1);
    assert!(!work.path("d.json").exists());

    // The same weights under a new commitment.
    work.ok(&["rotate", "m.vsm", "-o", "new"]);
    assert_eq!(work.ok(&["verify-rotation", "m.vk", "new.vk", "new.vrotation"])["valid"], true);
    work.ok(&["prove", "new.vsm", "--input", &input, "-o", "n"]);
    assert_eq!(work.ok(&["verify", "new.vk", "n"])["context"], serde_json::Value::Null);
    assert_eq!(work.raw(&["verify", "m.vk", "n"]).code, 1);
}

#[test]
fn ranges_are_proven_for_starknet() {
    let work = Workspace::new();
    work.setup("breast_cancer", &["--preset", "starknet", "--prove-ranges", "--no-hiding"]);
    assert_eq!(work.ok(&["verify-ranges", "m.vk", "m.vranges"])["valid"], true);
}

#[test]
fn what_is_no_context_is_refused() {
    let work = Workspace::new();
    work.setup("breast_cancer", &["--preset", "starknet", "--no-hiding"]);
    let input = fixture("breast_cancer.input.json");
    let beyond = format!("0x{}", "f".repeat(64));
    for (option, value, reason) in [
        ("--context", "0x0", "the context 0 stands for none"),
        ("--context", "12", "hexadecimal digits"),
        ("--context", &beyond, "no felt"),
        ("--context-of", "a,,b", "is no felt"),
        ("--context-of", "this short string is far too long", "is no felt"),
    ] {
        let done = work.raw(&["prove", "m.vsm", "--input", &input, option, value, "-o", "p"]);
        assert_eq!(done.code, 2, "{value}");
        assert!(done.stderr.contains(reason), "{value}: {}", done.stderr);
    }
    assert!(!work.path("p").exists());
}

#[test]
fn keys_of_other_presets_are_refused() {
    let work = Workspace::new();
    work.setup("breast_cancer", &[]);
    let done = work.raw(&["starknet", "register", "m.vk", "--verifier", ADDRESS]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("the contract takes starknet only"), "{}", done.stderr);
}

/// Nothing of a key is printed, whatever goes wrong.
#[test]
fn a_secret_key_is_never_printed() {
    let secret = "0x00c0ffee00c0ffee00c0ffee00c0ffee";
    let program = |arguments: &[&str], secret: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veristar"));
        command.env_remove("STARKNET_RPC").env_remove("STARKNET_ACCOUNT");
        let command = command.args(arguments).env("STARKNET_PRIVATE_KEY", secret);
        let output = command.output().expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    // No node listens on the discard port.
    let nobody = "http://127.0.0.1:9/rpc";
    let deploy = ["starknet", "deploy", "--class", "0x1"];
    for (arguments, reason) in [
        (&deploy[..], "no node"),
        (&[&deploy[..], &["--rpc", "ftp://node"]].concat(), "http://"),
        (&[&deploy[..], &["--rpc", nobody, "--account", ADDRESS]].concat(), "the node"),
        (&[&deploy[..], &["--rpc", nobody, "--account", "me"]].concat(), "expected a felt"),
    ] {
        for secret in [secret, "0x00c0ffee is no key"] {
            let (code, said) = program(arguments, secret);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains(reason), "{said}");
            assert!(!said.contains("c0ffee"), "{said}");
        }
    }
    // A node's address may hold a password.
    let with_password = "http://127.0.0.1:9/rpc/pa55word";
    let (_, said) = program(&[&deploy[..], &["--rpc", with_password]].concat(), secret);
    assert!(!said.contains("pa55word"), "{said}");
}
