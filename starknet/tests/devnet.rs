//! The contracts on a real local node, starknet-devnet, through the client: declared, deployed, registered,
//! asked, cheated. Prints gas and felts.
//!
//! Needs the node (STARKNET_DEVNET, the path, or cargo's programs) and the compiled contracts
//! (VERISTAR_CONTRACTS, a directory: `scarb build`, or what `.ci/run devnet` leaves in
//! `target/contracts`). Without one of them the test says on standard error what it skipped.

mod common;

use common::{program, Artefacts, Devnet, Fixture, LABEL};
use serde_json::json;
use std::io::Write;
use veristar_starknet::calldata::{call, span};
use veristar_starknet::{Call, Class, ClientError, Felt, Limits, Node, Receipt, Sender};

/// Changes of a proof that are tried, at least.
const MUTATIONS: usize = 50;
/// `RiskVault`: a fixture's probability is of 4,096; assessments count for this many blocks.
const SCALE: u64 = 4096;
const MAX_AGE: u64 = 100_000;
/// The block for which the fixture is an assessment.
const BLOCK: u64 = 1000;

#[test]
fn contracts_on_a_local_node() {
    // Straight to standard error: the test harness keeps what macros print to itself.
    let skipped = |why: &str| {
        let _ = writeln!(std::io::stderr(), "NOT TESTED on a node: {why}");
    };
    let Some(program) = program() else {
        skipped("starknet-devnet is not here; `cargo install starknet-devnet --version 0.10.1 --locked`, or set STARKNET_DEVNET");
        return;
    };
    let Some(artefacts) = Artefacts::find() else {
        skipped(
            "VERISTAR_CONTRACTS is not set; `.ci/run devnet` compiles the contracts and sets it",
        );
        return;
    };
    let devnet = Devnet::start(&program, &artefacts);
    let node = devnet.node();
    println!("node: RPC {}, chain {:#x}", node.rpc, node.chain);
    let accounts = devnet.accounts();
    let [owner, stranger] = [0, 1].map(|i| {
        let (address, wallet) = &accounts[i];
        Sender::new(&node, *address, wallet, Limits::default())
    });

    let test = Test { node: &node, owner, stranger, proof: Fixture::read("credit_risk") };
    let verifier = test.deploy_verifier(&artefacts);
    test.only_the_owner_registers(verifier);
    let vault = test.deploy_vault(&artefacts, verifier);
    for _ in 0..BLOCK {
        devnet.ask("devnet_createBlock", &json!({}));
    }
    test.the_vault_refuses_without_a_proof(vault);
    test.a_changed_proof_is_refused(verifier);
    test.another_length_is_refused(verifier);
    test.another_purpose_is_refused(verifier, vault);
    test.the_proof_moves_the_limit_once(vault);
    test.the_proof_becomes_a_fact(verifier);
    test.too_much_is_refused_before_it_is_sent(verifier);
}

struct Test<'n> {
    node: &'n Node,
    owner: Sender<'n>,
    stranger: Sender<'n>,
    proof: Fixture,
}

fn short(text: &str) -> Felt {
    Felt::from_bytes_be_slice(text.as_bytes())
}

fn print(what: &str, felts: usize, receipt: &Receipt) {
    println!(
        "{what}: {felts} felts of calldata, {} L2 gas, {} L1 data gas, fee {} fri",
        receipt.l2_gas,
        receipt.l1_data_gas,
        receipt.fee.to_biguint()
    );
}

fn reason<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Err(ClientError::Reverted { reason, .. }) => reason,
        other => panic!("not reverted: {other:?}"),
    }
}

impl Test<'_> {
    fn declared(&self, artefacts: &Artefacts, contract: &str) -> Class {
        let class = Class::new(&artefacts.sierra(contract), &artefacts.casm(contract));
        let class = class.expect("class").labelled(LABEL);
        let bytecode = class.bytecode.expect("CASM");
        assert!(bytecode <= 81_920, "{contract} has {bytecode} felts of bytecode");
        assert!(!self.node.is_declared(class.hash).expect("ask"));
        let estimate = self.owner.simulate_declaration(&class).expect("dry run");
        let receipt = self.owner.declare(&class).expect("declare");
        assert!(self.node.is_declared(class.hash).expect("ask"));
        assert!(estimate.l2_gas.abs_diff(receipt.l2_gas) * 20 <= receipt.l2_gas, "{estimate:?}");
        println!("{contract}: {bytecode} felts of bytecode");
        print(&format!("declare {contract}"), 0, &receipt);
        class
    }

    /// The verifier, of which the owner's account is the owner.
    fn deploy_verifier(&self, artefacts: &Artefacts) -> Felt {
        let class = self.declared(artefacts, "VeristarVerifier");
        let (call, address) =
            self.owner.deployment(class.hash, short("first"), &[self.owner.address()]);
        let receipt = self.owner.execute(std::slice::from_ref(&call)).expect("deploy");
        print("deploy VeristarVerifier", call.calldata.len(), &receipt);
        assert_eq!(self.node.owner(address).expect("owner"), self.owner.address());
        // A salt deploys once.
        reason(self.owner.simulate(&[call]));
        address
    }

    fn only_the_owner_registers(&self, verifier: Felt) {
        let register = call(verifier, "register", span(&self.proof.key));
        let calls = [register];
        assert_eq!(reason(self.stranger.simulate(&calls)), "veristar: not the owner");
        // Sent all the same, it reverts on chain.
        assert_eq!(reason(self.stranger.execute_blindly(&calls)), "veristar: not the owner");
        assert!(!self.node.is_registered(verifier, self.proof.model).expect("ask"));
        let unregistered = self.verify(verifier, &self.proof.proof);
        assert_eq!(reason(self.owner.simulate(&[unregistered])), "veristar: not registered");

        let receipt = self.owner.execute(&calls).expect("register");
        print("register", calls[0].calldata.len(), &receipt);
        assert!(self.node.is_registered(verifier, self.proof.model).expect("ask"));
        let mut short_key = self.proof.key.clone();
        short_key.pop();
        let malformed = call(verifier, "register", span(&short_key));
        assert_eq!(reason(self.owner.simulate(&[malformed])), "veristar: key");
    }

    fn deploy_vault(&self, artefacts: &Artefacts, verifier: Felt) -> Felt {
        let class = self.declared(artefacts, "RiskVault");
        let constructor =
            [verifier, self.proof.model, short("vault"), SCALE.into(), MAX_AGE.into()];
        let (call, address) = self.owner.deployment(class.hash, Felt::ZERO, &constructor);
        let receipt = self.owner.execute(&[call]).expect("deploy");
        print("deploy RiskVault", constructor.len(), &receipt);
        address
    }

    /// `verify` with the fixture's key and public values.
    fn verify(&self, verifier: Felt, proof: &[Felt]) -> Call {
        self.verify_for(verifier, self.proof.context, proof)
    }

    fn verify_for(&self, verifier: Felt, context: Felt, proof: &[Felt]) -> Call {
        let fixture = &self.proof;
        let mut list = vec![fixture.model];
        list.extend(span(&fixture.key));
        list.push(context);
        list.extend(span(&fixture.public));
        list.extend(span(proof));
        call(verifier, "verify", list)
    }

    fn assess(&self, vault: Felt, account: &str, asset: &str, block: u64, proof: &[Felt]) -> Call {
        let fixture = &self.proof;
        let mut list = vec![short(account), short(asset), block.into(), fixture.public[0]];
        list.extend(span(&fixture.key));
        list.extend(span(proof));
        call(vault, "assess", list)
    }

    fn limit(&self, vault: Felt, account: &str) -> Felt {
        self.node.call(vault, "limit", vec![short(account), short("ether")]).expect("limit")[0]
    }

    fn the_vault_refuses_without_a_proof(&self, vault: Felt) {
        assert_eq!(self.limit(vault, "alice"), Felt::ZERO);
        let without = self.assess(vault, "alice", "ether", BLOCK, &[]);
        assert_eq!(reason(self.owner.simulate(&[without])), "veristar: truncated");
        assert_eq!(self.limit(vault, "alice"), Felt::ZERO);
    }

    /// Every section of the proof: the transcript's start and end, where its parts are short; a felt of each query's rows;
    /// two of each tree's paths; some of the folding. Changed in the lowest bits, or to a felt that no packing has.
    fn a_changed_proof_is_refused(&self, verifier: Felt) {
        let proof = &self.proof.proof;
        let sections = Fixture::sections("credit_risk");
        let (mut start, mut places) = (0, Vec::new());
        for (number, length) in sections.iter().enumerate() {
            let rows = 1..sections.len() - 7;
            places.extend(match number {
                // Roots and totals; samples; the nonces, layers and coefficients.
                0 => (0..8).chain([length / 2]).chain(length - 13..*length).collect::<Vec<_>>(),
                _ if rows.contains(&number) => vec![start + number % length],
                _ if number + 1 < sections.len() => vec![start, start + length - 1],
                _ => (0..6).map(|part| start + part * length / 6).collect(),
            });
            start += length;
        }
        assert_eq!(start, proof.len());
        let mut reasons = std::collections::BTreeMap::<String, usize>::new();
        for (number, place) in places.iter().copied().enumerate() {
            let mut changed = proof.clone();
            changed[place] = match number % 3 {
                2 => Felt::ZERO - Felt::ONE,
                _ => changed[place] + Felt::ONE,
            };
            let refused = self.verify(verifier, &changed);
            // Three of them on chain; a dry run runs the same code for the others.
            let found = match number % 20 {
                9 => reason(self.owner.execute_blindly(&[refused])),
                _ => reason(self.owner.simulate(&[refused])),
            };
            assert!(found.starts_with("veristar: "), "felt {place}: {found}");
            assert_ne!(found, "veristar: bound", "felt {place}");
            *reasons.entry(found).or_default() += 1;
        }
        println!("{} changed proofs refused: {reasons:?}", places.len());
        assert!(places.len() >= MUTATIONS && reasons.values().sum::<usize>() == places.len());
        // Trees, totals, constraints and layers are all among them.
        for expected in ["packing", "totals", "constraints", "opening", "layer"] {
            assert!(
                reasons.contains_key(&format!("veristar: {expected}")),
                "{expected}: {reasons:?}"
            );
        }
    }

    fn another_length_is_refused(&self, verifier: Felt) {
        let proof = &self.proof.proof;
        for length in [0, 1, 7, 60, proof.len() / 2, proof.len() - 1] {
            let cut = self.verify(verifier, &proof[..length]);
            assert_eq!(reason(self.owner.simulate(&[cut])), "veristar: truncated", "{length}");
        }
        for more in [1, 100, 2_000] {
            let mut longer = proof.clone();
            longer.resize(proof.len() + more, Felt::ONE);
            let longer = self.verify(verifier, &longer);
            assert_eq!(reason(self.owner.simulate(&[longer])), "veristar: trailing", "{more}");
        }
        // Calldata that ends within a list, or after it, never reaches the verifier: Cairo's own reader refuses it.
        let unread = |call: Call| {
            let found = reason(self.owner.simulate(&[call]));
            let refusals = ["Failed to deserialize", "Index out of bounds", "Input too long"];
            assert!(refusals.iter().any(|refusal| found.contains(refusal)), "{found}");
        };
        let honest = || self.verify(verifier, proof);
        let mut short = honest();
        short.calldata.pop();
        unread(short);
        let mut long = honest();
        long.calldata.push(Felt::ONE);
        unread(long);
        // A count that no transaction could follow up.
        let mut endless = honest();
        let at = endless.calldata.len() - proof.len() - 1;
        endless.calldata[at] = Felt::from(u64::MAX);
        unread(endless);
    }

    fn another_purpose_is_refused(&self, verifier: Felt, vault: Felt) {
        let proof = &self.proof.proof;
        for context in [Felt::ZERO, self.proof.context + Felt::ONE] {
            let call = self.verify_for(verifier, context, proof);
            assert_eq!(reason(self.owner.simulate(&[call])), "veristar: totals");
        }
        for (account, asset, block, expected) in [
            ("bob", "ether", BLOCK, "veristar: totals"),
            ("alice", "bitcoin", BLOCK, "veristar: totals"),
            ("alice", "ether", BLOCK - 1, "veristar: totals"),
            ("alice", "ether", BLOCK * 1_000, "vault: block is not there yet"),
        ] {
            let call = self.assess(vault, account, asset, block, proof);
            assert_eq!(reason(self.owner.simulate(&[call])), expected, "{account} {asset} {block}");
        }
        // Another model, registered or not, with its own valid key.
        let other = Fixture::read("credit_risk_hidden");
        let with_other = |model: Felt, key: &[Felt]| {
            let mut list = vec![model];
            list.extend(span(key));
            list.push(self.proof.context);
            list.extend(span(&self.proof.public));
            list.extend(span(proof));
            call(verifier, "verify", list)
        };
        let unknown = with_other(other.model, &other.key);
        assert_eq!(reason(self.owner.simulate(&[unknown])), "veristar: not registered");
        let swapped = with_other(self.proof.model, &other.key);
        assert_eq!(reason(self.owner.simulate(&[swapped])), "veristar: other key");
        let register = call(verifier, "register", span(&other.key));
        self.owner.execute(&[register]).expect("register");
        let foreign = reason(self.owner.simulate(&[with_other(other.model, &other.key)]));
        assert!(foreign.starts_with("veristar: "), "{foreign}");
    }

    fn the_proof_moves_the_limit_once(&self, vault: Felt) {
        let assess = [self.assess(vault, "alice", "ether", BLOCK, &self.proof.proof)];
        self.stranger.simulate(&assess).expect("dry run");
        assert_eq!(self.limit(vault, "alice"), Felt::ZERO, "a dry run changes nothing");
        // Whoever sends it: the proof is bound to the account that it assesses.
        let receipt = self.stranger.execute(&assess).expect("assess");
        print("RiskVault.assess", assess[0].calldata.len(), &receipt);
        let risk = u64::try_from(self.proof.public[0]).expect("small");
        assert_eq!(self.limit(vault, "alice"), Felt::from((SCALE - risk) * 8000 / SCALE));
        assert_eq!(self.limit(vault, "bob"), Felt::ZERO);
        let replay = "vault: not newer than the last";
        assert_eq!(reason(self.owner.simulate(&assess)), replay);
        assert_eq!(reason(self.owner.execute_blindly(&assess)), replay);
    }

    fn the_proof_becomes_a_fact(&self, verifier: Felt) {
        let verify = [self.verify(verifier, &self.proof.proof)];
        let receipt = self.owner.execute(&verify).expect("verify");
        print("VeristarVerifier.verify", verify[0].calldata.len(), &receipt);
        println!("  key {} felts, proof {}", self.proof.key.len(), self.proof.proof.len());
        assert!(receipt.l2_gas <= 400_000_000 && self.proof.proof.len() <= 4_500);
        let given = self.node.call(verifier, "verify", verify[0].calldata.clone()).expect("call");
        let [fact] = given.as_slice() else { panic!("{given:?}") };
        assert!(self.node.is_fact(verifier, *fact).expect("ask"));
        assert!(!self.node.is_fact(verifier, *fact + Felt::ONE).expect("ask"));
        let found = self.node.receipt(receipt.transaction).expect("ask").expect("in a block");
        assert_eq!(found, receipt);
        assert!(self.node.receipt(Felt::from(1u8)).expect("ask").is_none());
    }

    fn too_much_is_refused_before_it_is_sent(&self, verifier: Felt) {
        let mut long = self.proof.proof.clone();
        long.resize(5_000, Felt::ONE);
        let call = self.verify(verifier, &long);
        assert!(matches!(self.owner.simulate(&[call]), Err(ClientError::TooLong { .. })));
    }
}
