//! `veristar doctor`: what this machine offers, and what would make proofs faster or possible.

use super::{machine, text, ui::Ui};
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use std::time::Instant;

/// Say what this machine offers: SIMD, cores, memory, and the tools that some commands use.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar doctor

Nothing is changed. Every line that is not `ok` says what to do about it, or what will not work.")]
pub struct Arguments {}

/// Programs that parts of the project use, and for what. None is needed to prove and verify.
const TOOLS: [(&str, &str); 5] = [
    ("python3", "export models and run the example scripts"),
    ("scarb", "build contracts that use the verifier"),
    ("starknet-devnet", "try contracts on a local node"),
    ("node", "build the browser page"),
    ("cargo", "build from source"),
];
/// Below this rate of fresh memory, in bytes a second, it is felt in proofs of large models.
const SLOW_MEMORY: f64 = 1e9;
/// Fresh memory that is timed.
const PROBE: usize = 256 << 20;
/// A page at least.
const PAGE: usize = 4096;

/// One line of the answer.
struct Finding {
    name: &'static str,
    ok: bool,
    what: String,
    json: Value,
}

pub fn command(_: &Arguments, ui: &Ui) -> Result<Value> {
    ui.step("looking at this machine");
    let mut findings = vec![program(), simd(), cores(), memory(), fresh_memory()];
    findings.extend(TOOLS.map(|(name, purpose)| tool(name, purpose)));
    for finding in &findings {
        let verdict = if finding.ok { "ok" } else { "note" };
        ui.say(format!("{:<16} {verdict:<5} {}", finding.name, finding.what));
    }
    let object = findings.into_iter().map(|f| {
        let mut json = f.json;
        json["ok"] = f.ok.into();
        json["found"] = f.what.into();
        (f.name.to_string(), json)
    });
    Ok(Value::Object(object.collect()))
}

fn program() -> Finding {
    let version = env!("CARGO_PKG_VERSION");
    Finding {
        name: "veristar",
        ok: true,
        what: format!("{version}, {} {}", std::env::consts::OS, std::env::consts::ARCH),
        json: json!({ "version": version }),
    }
}

/// What the prover's SIMD was compiled to.
const fn compiled() -> &'static str {
    if cfg!(target_feature = "avx512f") {
        "avx512f"
    } else if cfg!(target_feature = "avx2") {
        "avx2"
    } else if cfg!(target_feature = "neon") {
        "neon"
    } else {
        "portable"
    }
}

/// The best that this CPU has, of what the prover can be compiled to.
fn best() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "avx512f";
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            return "avx2";
        }
    }
    compiled()
}

fn simd() -> Finding {
    let (compiled, best) = (compiled(), best());
    let what = match compiled == best {
        true => compiled.to_string(),
        false => format!(
            "built for {compiled}, this CPU has {best}: build it here with RUSTFLAGS=\"-C target-cpu=native\""
        ),
    };
    Finding {
        name: "simd",
        ok: compiled == best,
        what,
        json: json!({ "compiled": compiled, "best": best }),
    }
}

fn cores() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let what = match cores {
        1 => "1: a second one nearly halves the time of a proof".to_string(),
        n => n.to_string(),
    };
    Finding { name: "cores", ok: cores > 1, what, json: json!({ "cores": cores }) }
}

fn memory() -> Finding {
    let available = machine::available();
    let what = match available {
        Some(bytes) => format!("{} available", text::memory(bytes)),
        None => "unknown on this system: proofs that need too much are not refused".to_string(),
    };
    Finding {
        name: "memory",
        ok: available.is_some(),
        what,
        json: json!({ "available": available }),
    }
}

/// How fast the system gives pages that the process has not had yet.
fn fresh_memory() -> Finding {
    let start = Instant::now();
    let mut probe = vec![0u8; PROBE];
    probe.iter_mut().step_by(PAGE).for_each(|cell| *cell = 1);
    let seconds = start.elapsed().as_secs_f64();
    let touched: usize =
        std::hint::black_box(&probe).iter().step_by(PAGE).map(|b| usize::from(*b)).sum();
    let rate = (PAGE * touched) as f64 / seconds;
    let shown = format!("{:.1} GB a second", rate / 1e9);
    let ok = rate >= SLOW_MEMORY;
    let what = match ok {
        true => shown,
        false => format!(
            "{shown}, as on virtual machines whose host takes free pages back: the first proof of a process is slow, so keep it running (`veristar worker`)"
        ),
    };
    Finding { name: "fresh memory", ok, what, json: json!({ "bytes_per_second": rate }) }
}

fn tool(name: &'static str, purpose: &str) -> Finding {
    let place = find(name);
    let what = match &place {
        Some(path) => path.display().to_string(),
        None => format!("not found; only needed to {purpose}"),
    };
    Finding { name, ok: place.is_some(), what, json: json!({ "path": place }) }
}

/// Where a program is on the path.
fn find(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|directory| directory.join(name)).find(|path| path.is_file())
}
