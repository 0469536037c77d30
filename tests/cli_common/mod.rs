//! Runs the program in a directory of its own.

#![allow(dead_code)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

pub fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    path.to_string_lossy().into_owned()
}

pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("one JSON object")
    }
}

pub struct Workspace(TempDir);

impl Workspace {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn raw(&self, arguments: &[&str]) -> Done {
        run_in(self.0.path(), arguments)
    }

    /// The JSON of a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let done = self.raw(&arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
        assert_eq!(done.stderr, "");
        done.json()
    }

    /// `m.vsm`, `m.vk` and `m.vsm.count` of a fixture.
    pub fn setup(&self, name: &str, more: &[&str]) -> Value {
        let onnx = fixture(&format!("{name}.onnx"));
        let calibration = fixture(&format!("{name}.calibration.npz"));
        let first = ["setup", &onnx, "--calibration", &calibration, "-o", "m"];
        self.ok(&[&first[..], more].concat())
    }

    /// Copies a file of another workspace.
    pub fn copy(&self, from: &Self, name: &str) {
        std::fs::copy(from.path(name), self.path(name)).expect("copy");
    }

    /// Starts a command that may be waited for or killed.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = command_in(self.0.path(), arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// A JSON file with several times a fixture's input, slightly changed.
    pub fn rows(&self, name: &str, count: usize) -> String {
        let text = std::fs::read_to_string(fixture(&format!("{name}.input.json"))).expect("input");
        let input: Value = serde_json::from_str(&text).expect("JSON");
        let row: Vec<f64> = input["input_data"][0]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect();
        let rows: Vec<Vec<f64>> =
            (0..count).map(|i| row.iter().map(|v| v / (1 + i) as f64).collect()).collect();
        self.write("rows.json", serde_json::json!({ "input_data": rows }).to_string().as_bytes())
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).expect("write");
        self.path(name).to_string_lossy().into_owned()
    }

    /// All file names, hidden ones too.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("directory");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

pub fn run(arguments: &[&str]) -> Done {
    run_in(&std::env::temp_dir(), arguments)
}

fn command_in(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veristar"));
    command.args(arguments).current_dir(directory);
    command
}

fn run_in(directory: &Path, arguments: &[&str]) -> Done {
    command_in(directory, arguments).output().expect("the program starts").into()
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
