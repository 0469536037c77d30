//! The client against answers written down here, after the specification of RPC 0.10: what it asks, what it
//! sends, and how it tells what comes back. No contract runs; that is `devnet.rs`.

use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use veristar_starknet::calldata::{call, span};
use veristar_starknet::{Call, ClientError, Execution, Felt, Limits, Node, Sender, Wallet};

const SENT: &str = "0xabc";

/// What the contract does with a transaction.
#[derive(Clone, Copy, PartialEq)]
enum Contract {
    Accepts,
    /// Already in the dry run.
    Refuses,
    /// Only once the transaction is in a block.
    RefusesLater,
}

type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that answers as a node does; it ends with the test.
fn node(contract: Contract) -> (Node, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/rpc/pa55word", listener.local_addr().expect("address"));
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            // Hyper opens a connection for each request that finds none idle.
            std::thread::spawn(move || answer(stream, contract, &seen));
        }
    });
    (Node::connect(&address).expect("connect"), requests)
}

fn answer(mut stream: TcpStream, contract: Contract, seen: &Requests) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let method = request["method"].as_str()?.to_owned();
    let result = result(&method, &request["params"], contract);
    seen.lock().ok()?.push((method, request["params"].clone()));
    let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
    match result {
        Ok(result) => answer["result"] = result,
        Err(error) => answer["error"] = error,
    }
    let answer = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
        answer.len()
    )
    .ok()
}

fn revert() -> String {
    let hex: String = "veristar: totals".bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("Error in the called contract (contract address: 0x77, class hash: 0x88, selector: 0x99):\nExecution failed. Failure reason:\n(0x454e545259504f494e545f4641494c4544 ('ENTRYPOINT_FAILED'), 0x{hex} ('veristar: totals')).")
}

fn result(method: &str, parameters: &Value, contract: Contract) -> Result<Value, Value> {
    let price = |fri: &str| json!({ "price_in_fri": fri, "price_in_wei": "0x1" });
    let invocation = |calls: Value, l2_gas: u64| {
        json!({
            "contract_address": "0x1", "entry_point_selector": "0x2", "calldata": [],
            "caller_address": "0x0", "class_hash": "0x3", "entry_point_type": "EXTERNAL",
            "call_type": "CALL", "result": [], "calls": calls, "events": [], "messages": [],
            "execution_resources": { "l1_gas": 0, "l2_gas": l2_gas }, "is_reverted": false,
        })
    };
    let resources = json!({ "l1_gas": 0, "l1_data_gas": 128, "l2_gas": 100_000_000u64 });
    Ok(match method {
        "starknet_specVersion" => json!("0.10.2"),
        "starknet_chainId" => json!("0x534e5f5345504f4c4941"),
        "starknet_blockNumber" => json!(7),
        "starknet_getNonce" => json!("0x5"),
        "starknet_getBlockWithTxHashes" => json!({
            "status": "ACCEPTED_ON_L2", "block_hash": "0x1", "parent_hash": "0x0", "block_number": 7,
            "new_root": "0x1", "timestamp": 1, "sequencer_address": "0x1",
            "l1_gas_price": price("0x64"), "l2_gas_price": price("0xa"),
            "l1_data_gas_price": price("0x14"), "l1_da_mode": "BLOB", "starknet_version": "0.14.4",
            "event_commitment": "0x0", "transaction_commitment": "0x0",
            "receipt_commitment": "0x0", "state_diff_commitment": "0x0", "event_count": 0,
            "transaction_count": 0, "state_diff_length": 0, "transactions": [],
        }),
        "starknet_simulateTransactions" => {
            let executed = match contract {
                Contract::Refuses => json!({ "revert_reason": revert() }),
                _ => invocation(json!([invocation(json!([]), 60_000_000)]), 90_000_000),
            };
            let one = json!({
                "transaction_trace": {
                    "type": "INVOKE", "execute_invocation": executed, "execution_resources": resources,
                },
                "fee_estimation": {
                    "l1_gas_consumed": "0x0", "l1_gas_price": "0x64",
                    "l2_gas_consumed": "0x5f5e100", "l2_gas_price": "0xa",
                    "l1_data_gas_consumed": "0x80", "l1_data_gas_price": "0x14",
                    "overall_fee": "0x3b9ad400", "unit": "FRI",
                },
            });
            let transactions = parameters.get("transactions").unwrap_or(&parameters[1]);
            vec![one; transactions.as_array().expect("a list").len()].into()
        }
        "starknet_addInvokeTransaction" => json!({ "transaction_hash": SENT }),
        "starknet_getTransactionReceipt" if *transaction(parameters) == json!(SENT) => {
            let mut receipt = json!({
                "type": "INVOKE", "transaction_hash": SENT,
                "actual_fee": { "amount": "0x3b9ad400", "unit": "FRI" },
                "finality_status": "ACCEPTED_ON_L2", "messages_sent": [], "events": [],
                "execution_resources": resources, "execution_status": "SUCCEEDED",
                "block_hash": "0x9", "block_number": 8,
            });
            if contract == Contract::RefusesLater {
                receipt["execution_status"] = "REVERTED".into();
                receipt["revert_reason"] = revert().into();
            }
            receipt
        }
        "starknet_getTransactionReceipt" => {
            return Err(json!({ "code": 29, "message": "Transaction hash not found" }))
        }
        "starknet_call" if contract == Contract::Refuses => {
            let error = json!({
                "contract_address": "0x77", "class_hash": "0x88", "selector": "0x99",
                "error": revert(),
            });
            return Err(json!({
                "code": 40, "message": "Contract error", "data": { "revert_error": error },
            }));
        }
        "starknet_call" => json!(["0x1"]),
        other => panic!("not foreseen: {other}"),
    })
}

fn transaction(parameters: &Value) -> &Value {
    parameters.get("transaction_hash").unwrap_or(&parameters[0])
}

fn sender(node: &Node, limits: Limits) -> Sender<'_> {
    Sender::new(node, Felt::from(0x1234u64), &Wallet::from_hex("0x77").expect("key"), limits)
}

fn verify() -> Call {
    call(Felt::from(0x42u64), "verify", span(&[Felt::ONE, Felt::TWO]))
}

fn methods(requests: &Requests) -> Vec<String> {
    requests.lock().expect("requests").iter().map(|(method, _)| method.clone()).collect()
}

/// Parameters of the only request of a method; the transaction in it, whether parameters have names or not.
fn only(requests: &Requests, method: &str, name: &str, place: usize) -> Value {
    let requests = requests.lock().expect("requests");
    let found: Vec<&Value> = requests.iter().filter(|(m, _)| m == method).map(|(_, p)| p).collect();
    assert_eq!(found.len(), 1, "{method}");
    found[0].get(name).unwrap_or(&found[0][place]).clone()
}

#[test]
fn a_dry_run_sends_nothing() {
    let (node, requests) = node(Contract::Accepts);
    let estimate = sender(&node, Limits::default()).simulate(&[verify()]).expect("dry run");
    assert_eq!((estimate.l2_gas, estimate.l1_data_gas), (100_000_000, 128));
    assert_eq!(estimate.call_gas, Some(60_000_000));
    assert_eq!(estimate.fee, 0x3b9a_d400);
    // A fifth more gas, and half more than today's prices.
    assert_eq!(estimate.most, 120_000_001 * 15 + 154 * 30);
    assert!(!methods(&requests).iter().any(|method| method.contains("add")));
}

/// Each in a transaction of its own, in one request.
#[test]
fn a_dry_run_in_turn_sends_nothing() {
    let (node, requests) = node(Contract::Accepts);
    let estimates = sender(&node, Limits::default()).simulate_in_turn(&[verify(), verify()]);
    assert_eq!(estimates.expect("dry run").len(), 2);
    let tried = only(&requests, "starknet_simulateTransactions", "transactions", 1);
    assert_eq!((&tried[0]["nonce"], &tried[1]["nonce"]), (&json!("0x5"), &json!("0x6")));
    assert!(!methods(&requests).iter().any(|method| method.contains("add")));
    // The limit is for all of them.
    let one = sender(&node, Limits::default()).simulate(&[verify()]).expect("dry run").most;
    let poor = sender(&node, Limits { fee: Some(one), seconds: 1 });
    poor.simulate_in_turn(&[verify()]).expect("enough for one");
    let error = poor.simulate_in_turn(&[verify(), verify()]).expect_err("too expensive");
    assert!(matches!(error, ClientError::Fee { .. }), "{error}");
    let (refuses, _) = self::node(Contract::Refuses);
    let error = sender(&refuses, Limits::default()).simulate_in_turn(&[verify(), verify()]);
    assert_eq!(error.expect_err("refused").to_string(), "reverted: veristar: totals");
}

#[test]
fn a_transaction_is_sent_with_what_the_dry_run_used() {
    let (node, requests) = node(Contract::Accepts);
    let receipt = sender(&node, Limits::default()).execute(&[verify()]).expect("execute");
    assert_eq!(receipt.execution, Execution::Succeeded);
    assert_eq!((receipt.block, receipt.l2_gas), (8, 100_000_000));
    let sent = only(&requests, "starknet_addInvokeTransaction", "invoke_transaction", 0);
    assert_eq!((&sent["type"], &sent["version"]), (&json!("INVOKE"), &json!("0x3")));
    assert_eq!((&sent["nonce"], &sent["sender_address"]), (&json!("0x5"), &json!("0x1234")));
    let bounds = &sent["resource_bounds"];
    assert_eq!(bounds["l2_gas"], json!({ "max_amount": "0x7270e01", "max_price_per_unit": "0xf" }));
    assert_eq!(bounds["l1_gas"]["max_amount"], "0x0");
    // One call: address, selector, three felts.
    let calldata = sent["calldata"].as_array().expect("calldata");
    assert_eq!(calldata.len(), 1 + 3 + 3);
    assert_eq!((&calldata[0], &calldata[1]), (&json!("0x1"), &json!("0x42")));
    assert_eq!(calldata[3..], [json!("0x3"), json!("0x2"), json!("0x1"), json!("0x2")]);
    assert_eq!(sent["signature"].as_array().expect("signature").len(), 2);
    // The dry run's signature is of a version that no chain accepts.
    let tried = only(&requests, "starknet_simulateTransactions", "transactions", 1);
    assert_eq!(tried[0]["version"], "0x100000000000000000000000000000003");
    assert_ne!(tried[0]["signature"], sent["signature"]);
}

#[test]
fn a_revert_is_told_in_the_contracts_words() {
    let (refuses, requests) = node(Contract::Refuses);
    let error = sender(&refuses, Limits::default()).execute(&[verify()]).expect_err("refused");
    assert_eq!(error.to_string(), "reverted: veristar: totals");
    assert!(matches!(error, ClientError::Reverted { transaction: None, .. }));
    assert!(!methods(&requests).iter().any(|method| method.contains("add")));
    let error = refuses.is_fact(Felt::ONE, Felt::TWO).expect_err("refused");
    assert_eq!(error.to_string(), "reverted: veristar: totals");

    let (later, _) = node(Contract::RefusesLater);
    let error = sender(&later, Limits::default()).execute(&[verify()]).expect_err("refused");
    let ClientError::Reverted { reason, transaction } = error else { panic!("{error}") };
    assert_eq!(reason, "veristar: totals");
    assert_eq!(transaction, Some(Felt::from(0xabcu64)));
    let receipt = later.receipt(Felt::from(0xabcu64)).expect("ask").expect("in a block");
    assert_eq!(receipt.execution, Execution::Reverted { reason });
}

#[test]
fn limits_are_kept_before_anything_is_sent() {
    let (node, requests) = node(Contract::Accepts);
    let poor = sender(&node, Limits { fee: Some(1_000_000_000), seconds: 1 });
    let error = poor.execute(&[verify()]).expect_err("too expensive");
    assert!(matches!(error, ClientError::Fee { limit: 1_000_000_000, .. }), "{error}");
    let long = call(Felt::ONE, "verify", vec![Felt::ONE; 5_000]);
    let error = poor.execute(&[long]).expect_err("too long");
    assert!(matches!(error, ClientError::TooLong { felts: 5_004, limit: 5_000 }), "{error}");
    assert!(!methods(&requests).iter().any(|method| method.contains("add")));
}

#[test]
fn questions_have_answers() {
    let (node, _) = node(Contract::Accepts);
    assert_eq!(node.rpc, "0.10.2");
    assert_eq!(node.block_number().expect("block"), 7);
    assert!(node.is_registered(Felt::ONE, Felt::TWO).expect("ask"));
    assert_eq!(node.owner(Felt::ONE).expect("ask"), Felt::ONE);
    assert!(node.receipt(Felt::TWO).expect("ask").is_none());
    let waited = node.wait_for(Felt::TWO, 0).expect_err("nobody knows it");
    assert!(matches!(waited, ClientError::Pending { seconds: 0, .. }), "{waited}");
}

/// A node's address may hold a password.
#[test]
fn an_unreachable_node_is_not_named() {
    for (address, expected) in [
        ("http://127.0.0.1:9/rpc/pa55word", "the node does not answer"),
        ("ftp://127.0.0.1/pa55word", "must start with http"),
        ("pa55word", "not usable"),
    ] {
        let error = Node::connect(address).err().expect("no node").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("pa55word"), "{error}");
    }
}
