//! A frozen proof cut for several transactions, at every limit.

use std::path::Path;
use veristar_starknet::{calldata, ClientError, Felt, Plan};
use veristar_verifier::{starknet, Key, Proof};

fn frozen(name: &str) -> (Key, Proof) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/starknet");
    let read = |end: &str| std::fs::read(folder.join(format!("{name}.{end}"))).expect("fixture");
    let key = Key::from_bytes(&read("vk")).expect("key");
    let proof = Proof::from_bytes(&read("vproof"), &key).expect("proof");
    (key, proof)
}

/// Takes a list with its length before it from the front.
fn list(felts: &mut Vec<Felt>) -> Vec<Felt> {
    let length = usize::try_from(felts[0]).expect("length");
    let rest = felts.split_off(1 + length);
    std::mem::replace(felts, rest).split_off(1)
}

#[test]
fn parts_are_the_proof() {
    for name in ["open", "hiding"] {
        let (key, proof) = frozen(name);
        let whole = calldata::proof(&key, &proof).expect("felts");
        let sections = starknet::sections(&key, &proof).expect("felts");
        let queries = sections.rows.len();
        for limit in [700, 900, 1_100, 1_500, 1_999] {
            let plan = Plan::new(&key, &proof, limit).expect("plan");
            assert!(plan.steps.len() > 1 && plan.most_felts() <= limit, "{limit}");
            let mut joined = Vec::new();
            for (number, step) in plan.steps.iter().enumerate() {
                let mut felts = step.calldata.clone();
                let rest = felts.pop().expect("rest");
                let next = plan.steps.get(number + 1).map_or(Felt::ZERO, |next| next.link);
                assert_eq!(rest, next, "{limit}: {number}");
                assert_eq!(plan.next(step.link).expect("a link"), number);
                if number == 0 {
                    assert_eq!((step.function, felts.remove(0)), ("begin", calldata::model(&key)));
                    assert_eq!(list(&mut felts), calldata::register(&key)[1..]);
                    assert_eq!(felts.remove(0), calldata::context(&proof).expect("context"));
                    assert_eq!(list(&mut felts), calldata::public(&proof));
                } else {
                    assert_eq!(step.function, "advance");
                    let session = plan.close().expect("several steps");
                    assert_eq!(felts.drain(..4).collect::<Vec<_>>(), session);
                    assert_eq!(session[2], calldata::fact(&key, &proof).expect("fact"));
                    assert_eq!(session[3], plan.steps[0].link);
                    assert_eq!(list(&mut felts), calldata::register(&key)[1..]);
                    let leaves = list(&mut felts);
                    assert!(leaves.len().is_multiple_of(6) && leaves.len() <= 6 * queries);
                }
                joined.extend(list(&mut felts));
                assert!(felts.is_empty());
            }
            assert_eq!(joined, whole, "{limit}");
        }
    }
}

#[test]
fn one_transaction_is_enough_where_it_is() {
    let (key, proof) = frozen("open");
    let verify = calldata::verify(&key, &proof).expect("felts");
    let fits = Plan::new(&key, &proof, verify.len() + 4).expect("plan");
    assert_eq!(fits.steps.len(), 1);
    assert_eq!((fits.steps[0].function, &fits.steps[0].calldata), ("verify", &verify));
    assert!(fits.session(Felt::ONE).is_none() && fits.close().is_none());
    let cut = Plan::new(&key, &proof, verify.len() + 3).expect("plan");
    assert_eq!(cut.steps.len(), 2);
    // A session is its account's.
    assert_ne!(cut.session(Felt::ONE), cut.session(Felt::TWO));
    assert!(matches!(cut.next(Felt::ONE), Err(ClientError::Calldata { .. })));
    // The transcript is not cut.
    let few = Plan::new(&key, &proof, 150).expect_err("too few");
    assert!(matches!(few, ClientError::TooLong { limit: 150, .. }), "{few}");
    let json = calldata::json(&key, &proof, &cut).expect("JSON");
    let functions: Vec<_> =
        json["transactions"].as_array().expect("list").iter().map(|t| &t["entrypoint"]).collect();
    assert_eq!(functions, ["begin", "advance"]);
}
