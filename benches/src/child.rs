//! Runs a measurement in a process of its own, and stops it where it takes too much memory or time.

use crate::measure::status_bytes;
use anyhow::{bail, Context, Result};
use serde::de::DeserializeOwned;
use std::env;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a process may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Resident bytes.
    pub memory: u64,
    /// Wall time.
    pub time: Duration,
}

/// How often a process is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// Runs this program's `measure` with more arguments, and reads the object that it prints.
///
/// # Errors
/// It fails (the reason is its last line), or goes over a limit.
pub fn run<T: DeserializeOwned>(arguments: &[OsString], limits: Limits) -> Result<T> {
    let mut child = Command::new(env::current_exe()?)
        .arg("measure")
        // The error is a line, also where backtraces are asked for.
        .env("RUST_BACKTRACE", "0")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = reader(child.stdout.take());
    let error = reader(child.stderr.take());
    let stopped = supervise(&mut child, limits)?;
    let (out, error) = (out.join().unwrap_or_default(), error.join().unwrap_or_default());
    if let Some(reason) = stopped {
        bail!(reason);
    }
    if !child.wait()?.success() {
        bail!("{}", one_line(&error));
    }
    serde_json::from_str(&out).context("a measurement printed no JSON")
}

/// Waits for the end; why it was stopped, if it was.
fn supervise(child: &mut Child, limits: Limits) -> Result<Option<String>> {
    let status = format!("/proc/{}/status", child.id());
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        let memory = status_bytes(Path::new(&status), "VmRSS:").unwrap_or(0);
        let late = start.elapsed() > limits.time;
        if memory > limits.memory || late {
            child.kill()?;
            child.wait()?;
            return Ok(Some(match late {
                true => format!("stopped after {} s", limits.time.as_secs()),
                false => format!("stopped at {:.1} GB of memory", memory as f64 / 1e9),
            }));
        }
        thread::sleep(INTERVAL);
    }
    Ok(None)
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is enough for a message.
            let _ = pipe.read_to_string(&mut text);
        }
        text
    })
}

/// An error as `anyhow` prints it, without its lines.
fn one_line(error: &str) -> String {
    let lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let text: Vec<&str> = lines.filter(|line| *line != "Caused by:").collect();
    match text.is_empty() {
        true => "ended without a word (killed?)".into(),
        false => text.join(": ").trim_start_matches("Error: ").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line() {
        let error = "Error: set up\n\nCaused by:\n    too many rows\n";
        assert_eq!(one_line(error), "set up: too many rows");
        assert_eq!(one_line(""), "ended without a word (killed?)");
    }
}
