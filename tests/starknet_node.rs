//! The program against the contracts on a local node: a proof that does not fit one transaction, from the model to the
//! fact; interruptions; what one session must not do to another. Prints felts and gas.
//!
//! Needs what `starknet/tests/devnet.rs` needs, and says on standard error what it skipped without it.

mod cli_common;
#[path = "../starknet/tests/common/mod.rs"]
mod node_common;

use cli_common::{fixture, Workspace};
use node_common::{program, Artefacts, Devnet, LABEL};
use serde_json::{json, Value};
use std::io::Write;
use std::process::Command;
use veristar::verifier::{Key, Proof};
use veristar_starknet::calldata::{call, model};
use veristar_starknet::{Call, Class, ClientError, Felt, Limits, Node, Plan, Sender};

/// The block for which the vault's assessment is.
const BLOCK: u64 = 3;
const SCALE: u64 = 4096;

struct Test<'n> {
    work: Workspace,
    node: &'n Node,
    owner: Sender<'n>,
    stranger: Sender<'n>,
    environment: [(&'static str, String); 3],
    verifier: Felt,
}

#[test]
fn a_proof_in_several_transactions() {
    let skipped = |why: &str| {
        let _ = writeln!(std::io::stderr(), "NOT TESTED on a node: {why}");
    };
    let Some(program) = program() else {
        skipped("starknet-devnet is not here; `CI_DEVNET=1 .ci/run devnet` installs it");
        return;
    };
    let Some(artefacts) = Artefacts::find() else {
        skipped("VERISTAR_CONTRACTS is not set; `.ci/run devnet` sets it");
        return;
    };
    let devnet = Devnet::start(&program, &artefacts);
    let node = devnet.node();
    let accounts = devnet.accounts();
    let [owner, stranger] = [0, 1].map(|i| {
        let (address, wallet) = &accounts[i];
        Sender::new(&node, *address, wallet, Limits::default())
    });
    let secrets = devnet.ask("devnet_getPredeployedAccounts", &json!({}));
    let environment = [
        ("STARKNET_RPC", devnet.address()),
        ("STARKNET_ACCOUNT", format!("{:#x}", owner.address())),
        ("STARKNET_PRIVATE_KEY", secrets[0]["private_key"].as_str().expect("key").to_owned()),
    ];
    let class = declared(&owner, &artefacts, "VeristarVerifier");
    let (deploy, verifier) = owner.deployment(class.hash, Felt::ONE, &[Felt::ZERO]);
    owner.execute(&[deploy]).expect("deploy");
    for _ in 0..BLOCK {
        devnet.ask("devnet_createBlock", &json!({}));
    }

    let test = Test { work: Workspace::new(), node: &node, owner, stranger, environment, verifier };
    test.a_large_proof_is_submitted_in_parts();
    test.a_session_goes_its_way_and_no_other();
    test.the_vault_takes_what_was_verified_in_parts(&artefacts);
}

/// For measurements: what proofs cost on a node. `VERISTAR_PROOFS` lists them: KEY:PROOF,KEY:PROOF.
#[test]
#[ignore = "reads files that the environment names"]
fn what_proofs_cost() {
    let artefacts = Artefacts::find().expect("VERISTAR_CONTRACTS");
    let devnet = Devnet::start(&program().expect("starknet-devnet"), &artefacts);
    let (node, accounts) = (devnet.node(), devnet.accounts());
    let (address, wallet) = &accounts[0];
    let owner = Sender::new(&node, *address, wallet, Limits::default());
    let class = declared(&owner, &artefacts, "VeristarVerifier");
    let (deploy, verifier) = owner.deployment(class.hash, Felt::ONE, &[Felt::ZERO]);
    owner.execute(&[deploy]).expect("deploy");
    let files = std::env::var("VERISTAR_PROOFS").expect("VERISTAR_PROOFS");
    for pair in files.split(',') {
        let (key, proof) = pair.split_once(':').expect("KEY:PROOF");
        let key = Key::from_bytes(&std::fs::read(key).expect("read")).expect("key");
        let of = Proof::from_bytes(&std::fs::read(proof).expect("read"), &key).expect("proof");
        let register = veristar_starknet::calldata::register(&key);
        let register = owner.execute(&[call(verifier, "register", register)]).expect("register");
        let felts = veristar_starknet::calldata::proof(&key, &of).expect("felts").len();
        let columns: usize = of.queried.iter().map(Vec::len).sum();
        let rows = key.layout.log_height();
        println!("{proof}: 2^{rows} rows, {columns} columns, {felts} felts of proof");
        println!("  register: {} L2 gas", register.l2_gas);
        for most in [5_000, 2_000] {
            let Ok(plan) = Plan::new(&key, &of, most) else { continue };
            for step in plan.steps {
                let felts = step.calldata.len();
                let receipt = owner.execute(&[call(verifier, step.function, step.calldata)]);
                let receipt = receipt.expect("accepted");
                println!(
                    "  {most}: {}: {felts} felts of calldata, {} L2 gas, {} L1 data gas",
                    step.function, receipt.l2_gas, receipt.l1_data_gas
                );
            }
        }
    }
}

fn declared(owner: &Sender, artefacts: &Artefacts, contract: &str) -> Class {
    let class = Class::new(&artefacts.sierra(contract), &artefacts.casm(contract));
    let class = class.expect("class").labelled(LABEL);
    owner.declare(&class).expect("declare");
    class
}

fn reason<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Err(ClientError::Reverted { reason, .. }) => reason,
        other => panic!("not reverted: {other:?}"),
    }
}

impl Test<'_> {
    /// Runs `veristar starknet`; exit code and standard output, which is JSON.
    fn run(&self, arguments: &[&str]) -> (i32, Value, String) {
        let verifier = format!("{:#x}", self.verifier);
        let mut command = Command::new(env!("CARGO_BIN_EXE_veristar"));
        command.current_dir(self.work.path("")).arg("starknet").args(arguments);
        command.args(["--verifier", &verifier, "--json"]).envs(self.environment.clone());
        let output = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().expect("a code"), json, said)
    }

    fn ok(&self, arguments: &[&str]) -> Value {
        let (code, json, said) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        json
    }

    fn plan(&self, key: &str, proof: &str, most: usize) -> (Key, Plan) {
        let read = |name: &str| std::fs::read(self.work.path(name)).expect("read");
        let key = Key::from_bytes(&read(key)).expect("key");
        let proof = Proof::from_bytes(&read(proof), &key).expect("proof");
        let plan = Plan::new(&key, &proof, most).expect("plan");
        (key, plan)
    }

    fn step(&self, plan: &Plan, number: usize) -> Call {
        let step = &plan.steps[number];
        call(self.verifier, step.function, step.calldata.clone())
    }

    fn is_verified(&self, key: &str, proof: &str) -> bool {
        let status = self.ok(&["status", "--key", key, "--proof", proof]);
        status["fact"]["verified"].as_bool().expect("an answer")
    }

    fn waits_for(&self, plan: &Plan, account: &Sender) -> Felt {
        let session = plan.session(account.address()).expect("a session");
        self.node.rest(self.verifier, session).expect("ask")
    }

    /// A convolution of a public image to public features: 4,096 public values, so that `verify` would carry 6,700 felts.
    fn a_large_proof_is_submitted_in_parts(&self) {
        let public = ["--preset", "starknet", "--public", "input,output"];
        self.work.setup("conv_base", &public);
        let pixels: Vec<f64> = (0..2048).map(|i| f64::from(i * 37 % 101) / 101.0 - 0.3).collect();
        let input = json!({ "input_data": [pixels], "input_shapes": [[1, 8, 16, 16]] });
        self.work.write("image.json", input.to_string().as_bytes());
        self.work.ok(&["prove", "m.vsm", "--input", "image.json", "-o", "large"]);
        self.ok(&["register", "m.vk"]);

        let submit = ["submit", "large", "--key", "m.vk"];
        let with = |more: &[&'static str]| [&submit[..], more].concat();
        let tried = self.ok(&with(&["--dry-run"]));
        assert!(tried["felts"].as_u64().expect("felts") > 5_000, "{tried}");
        let transactions = tried["transactions"].as_u64().expect("number");
        assert!(transactions > 1, "{tried}");
        let estimates = tried["estimates"].as_array().expect("list");
        assert_eq!(estimates.len() as u64, transactions);
        assert!(!self.is_verified("m.vk", "large"), "a dry run changes nothing");
        let (code, _, said) = self.run(&with(&["--max-fee", "0"]));
        assert!(code == 2 && said.contains("may cost up to"), "{said}");

        // Interrupted after the first transaction.
        let (_, plan) = self.plan("m.vk", "large", 5_000);
        let begun = self.owner.execute(&[self.step(&plan, 0)]).expect("begin");
        println!(
            "begin, the first time: {} L2 gas, {} L1 data gas",
            begun.l2_gas, begun.l1_data_gas
        );
        let (code, _, said) = self.run(&submit);
        assert!(code == 2 && said.contains("--resume"), "{said}");
        let rest = self.ok(&with(&["--resume", "--dry-run"]));
        assert_eq!(
            (&rest["first"], rest["estimates"].as_array().map(Vec::len)),
            (&json!(2), Some(plan.steps.len() - 1))
        );
        let abandoned = self.ok(&with(&["--abandon"]));
        assert_eq!(abandoned["abandoned"], true);
        let (code, _, said) = self.run(&with(&["--abandon"]));
        assert!(code == 2 && said.contains("no session"), "{said}");

        // Interrupted again, and continued.
        self.owner.execute(&[self.step(&plan, 0)]).expect("begin");
        let done = self.ok(&with(&["--resume"]));
        assert_eq!((&done["verified"], &done["first"]), (&json!(true), &json!(2)));
        assert!(self.is_verified("m.vk", "large"));
        assert_eq!(self.ok(&with(&["--resume"]))["verified"], true, "verified before");

        // All at once: the contract does not mind that it knows the fact.
        let done = self.ok(&submit);
        let receipts = done["receipts"].as_array().expect("list");
        println!("{} felts in {transactions} transactions:", done["felts"]);
        for ((step, receipt), estimate) in plan.steps.iter().zip(receipts).zip(estimates) {
            println!(
                "  {}: {} felts of calldata, {} L2 gas, {} L1 data gas",
                step.function,
                step.calldata.len(),
                receipt["l2_gas"],
                receipt["l1_data_gas"]
            );
            let (real, tried) = (&receipt["l2_gas"], &estimate["l2_gas"]);
            let (real, tried) = (real.as_u64().expect("gas"), tried.as_u64().expect("gas"));
            assert!(real.abs_diff(tried) * 20 <= real, "estimated {tried}, was {real}");
        }
    }

    /// Steps that are left out, repeated, exchanged, changed, or of another session or account.
    fn a_session_goes_its_way_and_no_other(&self) {
        self.work.setup("credit_risk", &["--preset", "starknet", "--activation-bits", "8"]);
        let input = fixture("credit_risk.input.json");
        let context = format!("VERISTAR_RISK,vault,alice,ether,{BLOCK}");
        let prove = ["prove", "m.vsm", "--input", &input, "--context-of", &context, "-o", "small"];
        self.work.ok(&prove);
        self.work.ok(&[&prove[..7], &["other"]].concat());
        let (key, plan) = self.plan("m.vk", "small", 700);
        let (_, other) = self.plan("m.vk", "other", 700);
        let last = plan.steps.len() - 1;
        assert!(last >= 3, "{last}");
        let refused = |step: Call| reason(self.owner.simulate(&[step]));
        assert_eq!(refused(self.step(&plan, 0)), "veristar: not registered");
        let register = veristar_starknet::calldata::register(&key);
        self.owner.execute(&[call(self.verifier, "register", register)]).expect("register");
        assert!(self.node.is_registered(self.verifier, model(&key)).expect("ask"));

        let (none, part) = ("veristar: no such session", "veristar: other part");
        assert_eq!(refused(self.step(&plan, 1)), none);
        self.owner.execute(&[self.step(&plan, 0)]).expect("begin");
        self.owner.execute(&[self.step(&other, 0)]).expect("begin another");
        assert_eq!(refused(self.step(&plan, 0)), "veristar: session is open");
        for number in 1..=last {
            // Each other step instead of this one, and this one of another session, or changed.
            for wrong in (1..=last).filter(|wrong| *wrong != number) {
                assert_eq!(refused(self.step(&plan, wrong)), part, "{wrong} for {number}");
            }
            let mut mixed = self.step(&plan, number);
            mixed.calldata.splice(..4, other.close().expect("a session"));
            assert_eq!(refused(mixed), part);
            let step = self.step(&plan, number);
            for place in [step.calldata.len() - 1, step.calldata.len() - 2] {
                let mut changed = step.clone();
                changed.calldata[place] += Felt::ONE;
                assert_eq!(refused(changed), part);
            }
            assert_eq!(reason(self.stranger.simulate(std::slice::from_ref(&step))), none);
            assert_eq!(self.waits_for(&plan, &self.owner), plan.steps[number].link);
            // A transaction that reverts changes nothing.
            let wrong = self.step(&plan, if number == 1 { 2 } else { 1 });
            assert_eq!(reason(self.owner.execute_blindly(&[wrong])), part);
            if number == last {
                break;
            }
            self.owner.execute(&[step]).expect("advance");
        }
        assert!(!self.is_verified("m.vk", "small"));

        // An abandoned session is in nobody's way, and only its account closes it.
        let close = call(self.verifier, "close", other.close().expect("a session"));
        assert_eq!(reason(self.stranger.simulate(std::slice::from_ref(&close))), none);
        self.owner.execute(std::slice::from_ref(&close)).expect("close");
        assert_eq!(refused(close), none);
        assert_eq!(refused(self.step(&other, 1)), none);
        assert_eq!(self.waits_for(&other, &self.owner), Felt::ZERO);
    }

    fn the_vault_takes_what_was_verified_in_parts(&self, artefacts: &Artefacts) {
        let (key, plan) = self.plan("m.vk", "small", 700);
        let class = declared(&self.owner, artefacts, "RiskVault");
        let domain = Felt::from_bytes_be_slice(b"vault");
        let constructor = [self.verifier, model(&key), domain, SCALE.into(), 100_000u64.into()];
        let (deploy, vault) = self.owner.deployment(class.hash, Felt::TWO, &constructor);
        self.owner.execute(&[deploy]).expect("deploy");
        let (alice, ether) = (short("alice"), short("ether"));
        let proof = std::fs::read(self.work.path("small")).expect("read");
        let proof = Proof::from_bytes(&proof, &key).expect("proof");
        let risk = veristar_starknet::calldata::public(&proof)[0];
        let assess = [call(vault, "assess_verified", vec![alice, ether, BLOCK.into(), risk])];
        assert_eq!(reason(self.owner.simulate(&assess)), "vault: not verified");
        // The session that waits for its last part is continued by the program.
        let submit = ["submit", "small", "--key", "m.vk", "--most-felts", "700", "--resume"];
        let done = self.ok(&submit);
        assert_eq!(done["first"], plan.steps.len());
        assert!(self.is_verified("m.vk", "small"));
        self.stranger.execute(&assess).expect("assess");
        let limit = self.node.call(vault, "limit", vec![alice, ether]).expect("limit")[0];
        assert_ne!(limit, Felt::ZERO);
        assert_eq!(reason(self.owner.simulate(&assess)), "vault: not newer than the last");
    }
}

fn short(text: &str) -> Felt {
    Felt::from_bytes_be_slice(text.as_bytes())
}
