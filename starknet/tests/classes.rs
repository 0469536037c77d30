//! The compiled contracts as the client reads them, without a node. Needs VERISTAR_CONTRACTS, as `devnet.rs` does.

mod common;

use common::Artefacts;
use std::io::Write;
use veristar_starknet::{Class, ClientError, Felt};

/// Felts of bytecode that a class may have (Starknet 0.14).
const MOST_BYTECODE: usize = 81_920;

#[test]
fn compiled_contracts_can_be_declared() {
    let Some(artefacts) = Artefacts::find() else {
        // Straight to standard error: the test harness keeps what macros print to itself.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: VERISTAR_CONTRACTS is not set; `.ci/run devnet` compiles the contracts and sets it");
        return;
    };
    let mut hashes = std::collections::BTreeSet::new();
    for contract in ["VeristarVerifier", "RiskVault", "Account"] {
        let (sierra, casm) = (artefacts.sierra(contract), artefacts.casm(contract));
        let class = Class::new(&sierra, &casm).expect("class");
        let bytecode = class.bytecode.expect("CASM");
        println!("{contract}: class {:#x}, {bytecode} felts of bytecode", class.hash);
        assert!(bytecode <= MOST_BYTECODE, "{contract}");
        assert!(hashes.insert(class.hash) && hashes.insert(class.compiled_hash));
        // The label is in no hash; the hash given is taken.
        let known = Class::with_compiled_hash(&sierra, Felt::ONE).expect("class").labelled("1.7.0");
        assert_eq!((known.hash, known.compiled_hash), (class.hash, Felt::ONE));
        let swapped = Class::new(&casm, &sierra).expect_err("swapped");
        assert!(matches!(swapped, ClientError::Class { kind: "CASM", .. }), "{swapped}");
    }
}
