//! A local node, started for a test and ended with it, and the frozen proofs of `cairo/fixtures`.

#![allow(dead_code)]

use serde_json::{json, Value};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use veristar_starknet::{Felt, Node, Wallet};

/// The program, from STARKNET_DEVNET, the path, or where cargo installs.
pub fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("STARKNET_DEVNET") {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "STARKNET_DEVNET names no file: {}", named.display());
        return Some(named);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let directories = std::env::split_paths(&path).chain(cargo.map(|c| c.join("bin")));
    directories.map(|d| d.join("starknet-devnet")).find(|file| file.is_file())
}

/// Compiled contracts, as `scarb build` or `.ci/run devnet` leaves them.
pub struct Artefacts(PathBuf);

impl Artefacts {
    /// In VERISTAR_CONTRACTS, a directory.
    pub fn find() -> Option<Self> {
        let directory = PathBuf::from(std::env::var_os("VERISTAR_CONTRACTS")?);
        let found = Self(directory);
        for contract in ["VeristarVerifier", "RiskVault", "Account"] {
            assert!(
                found.path(contract, "contract_class").is_some(),
                "VERISTAR_CONTRACTS holds no {contract}.contract_class.json"
            );
        }
        Some(found)
    }

    /// Scarb writes the package's name before the contract's.
    fn path(&self, contract: &str, kind: &str) -> Option<PathBuf> {
        let end = format!("{contract}.{kind}.json");
        let ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name == end || name.ends_with(&format!("_{end}"))
        };
        let entries = std::fs::read_dir(&self.0).ok()?;
        entries.filter_map(|entry| Some(entry.ok()?.path())).find(ours)
    }

    pub fn sierra(&self, contract: &str) -> Vec<u8> {
        let path = self.path(contract, "contract_class").expect("Sierra");
        std::fs::read(path).expect("read")
    }

    pub fn casm(&self, contract: &str) -> Vec<u8> {
        let path = self.path(contract, "compiled_contract_class").expect("CASM");
        std::fs::read(path).expect("read")
    }
}

/// A running node.
pub struct Devnet {
    child: Child,
    port: u16,
    files: PathBuf,
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.files);
    }
}

impl Devnet {
    /// Starts a node whose accounts are of `cairo/account`, metered by Sierra gas.
    pub fn start(program: &Path, artefacts: &Artefacts) -> Self {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("address").port()
        };
        let files = std::env::temp_dir().join(format!("veristar-devnet-{port}"));
        std::fs::create_dir_all(&files).expect("directory");
        let mut account: Value =
            serde_json::from_slice(&artefacts.sierra("Account")).expect("JSON");
        account["contract_class_version"] = LABEL.into();
        let class = files.join("account.json");
        std::fs::write(&class, account.to_string()).expect("write");
        let log = std::fs::File::create(files.join("log")).expect("log");
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--accounts", "2", "--seed", "7", "--port"])
            .arg(port.to_string())
            .arg("--account-class-custom")
            .arg(&class)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("start the node");
        let mut devnet = Self { child, port, files };
        devnet.wait();
        devnet
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().expect("the node's state");
            let log = || std::fs::read_to_string(self.files.join("log")).unwrap_or_default();
            assert!(ended.is_none(), "the node ended: {}", log());
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the node does not start: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/rpc", self.port)
    }

    pub fn node(&self) -> Node {
        Node::connect(&self.address()).expect("connect")
    }

    /// Asks what is not in Starknet's RPC, such as the node's own accounts.
    pub fn ask(&self, method: &str, parameters: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters })
            .to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
        write!(
            stream,
            "POST /rpc HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("receive");
        let (_, body) = answer.split_once("\r\n\r\n").expect("headers");
        let answer: Value = serde_json::from_str(body).expect("JSON");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Addresses and keys of the node's accounts.
    pub fn accounts(&self) -> Vec<(Felt, Wallet)> {
        let accounts = self.ask("devnet_getPredeployedAccounts", &json!({}));
        let read = |account: &Value| {
            let text = |field: &str| account[field].as_str().expect("text").to_owned();
            let address = Felt::from_hex(&text("address")).expect("address");
            (address, Wallet::from_hex(&text("private_key")).expect("key"))
        };
        accounts.as_array().expect("accounts").iter().map(read).collect()
    }
}

/// What makes this node meter by Sierra gas.
pub const LABEL: &str = "1.7.0";

/// A key and a proof as `prover/tests/starknet.rs` froze them.
pub struct Fixture {
    pub model: Felt,
    pub context: Felt,
    pub key: Vec<Felt>,
    pub public: Vec<Felt>,
    pub proof: Vec<Felt>,
}

impl Fixture {
    fn text(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cairo/fixtures/src");
        std::fs::read_to_string(folder.join(format!("{name}.cairo"))).expect("fixture")
    }

    /// Felts of each section of the proof.
    pub fn sections(name: &str) -> Vec<usize> {
        let text = Self::text(name);
        let (_, list) = text.split_once("pub const SECTIONS: [u32; ").expect("sections");
        let (_, list) = list.split_once("= [").expect("list");
        let (list, _) = list.split_once(']').expect("end");
        list.split(',').map(|length| length.trim().parse().expect("length")).collect()
    }

    pub fn read(name: &str) -> Self {
        let text = Self::text(name);
        let value = |constant: &str| {
            let start = text.find(&format!("pub const {constant}:")).expect("constant");
            let rest = &text[start..];
            let rest = &rest[rest.find('=').expect("value") + 1..];
            rest[..rest.find(';').expect("end")].to_owned()
        };
        let felt = |text: &str| Felt::from_hex(text.trim()).expect("felt");
        let list = |constant: &str| -> Vec<Felt> {
            let text = value(constant);
            let inner = text.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
            inner.split(',').filter(|part| !part.trim().is_empty()).map(felt).collect()
        };
        Self {
            model: felt(&value("ID")),
            context: felt(&value("CONTEXT")),
            key: list("KEY"),
            public: list("PUBLIC"),
            proof: list("PROOF"),
        }
    }
}
