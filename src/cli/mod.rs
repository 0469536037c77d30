//! The command line: arguments, exit codes, and how success and failure are told.
//!
//! | file | idea |
//! |---|---|
//! | `calibrate_page` | a page about precision |
//! | `setup`, `calibrate_report`, `run`, `prove`, `verify`, `rotate`, `verify_rotation`, `verify_ranges`, `inspect`, `demo` | one command each |
//! | `winterfell` | what the commands do for the other backend |
//! | `starknet` | `veristar starknet ..`: the contract on Starknet |
//! | `doctor` | what this machine offers |
//! | `manual` | shell completions and manual pages |
//! | `quantising` | how `setup` and `calibrate_report` quantise |
//! | `ui` | text, JSON, progress |
//! | `files` | reading files of a kind, writing them whole or not at all |
//! | `data` | inputs and outputs in real numbers |
//! | `worker` | `veristar worker`: a folder of inputs, proven one after the other |
//! | `context` | what a proof is made for, if it says |
//! | `cells` | rows, columns and cells of a key or a package |
//! | `bits` | security of a key |
//! | `hiding` | what proofs hide, and how many may be made |
//! | `profile` | where the time goes |
//! | `memory`, `machine` | what proving needs, what the machine has |
//! | `cpu` | whether this CPU has what the program was built for |
//! | `text` | numbers, sizes, times, tables |
//!
//! Exit codes: 0 for success, 1 for a proof that is refused, 2 for what cannot be used (arguments,
//! files, data), 101 for a defect of the program itself.

mod bits;
mod calibrate_page;
mod calibrate_report;
mod cells;
mod context;
mod cpu;
mod data;
mod demo;
mod doctor;
mod files;
mod hiding;
mod inspect;
mod machine;
mod manual;
mod memory;
mod profile;
mod prove;
mod quantising;
mod rotate;
mod run;
mod setup;
mod starknet;
mod text;
mod ui;
mod verify;
mod verify_ranges;
mod verify_rotation;
mod winterfell;
mod worker;

use clap::{error::ErrorKind, CommandFactory, Parser, Subcommand};
use serde_json::{json, Value};
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use ui::Ui;

const REFUSED: u8 = 1;
const UNUSABLE: u8 = 2;
const DEFECT: u8 = 101;

/// Where the last panic happened. Panics inside the ONNX parser are caught there and become errors,
/// so the hook itself prints nothing.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

#[derive(Parser)]
#[command(
    name = "veristar",
    version,
    about = "Proves that a committed machine-learning model gave this output for an input.",
    after_help = "\
Examples:
  veristar demo
  veristar setup model.onnx --calibration data.npz -o model
  veristar prove model.vsm --input sample.json -o sample.vproof
  veristar verify model.vk sample.vproof

Exit codes: 0 success or valid proof; 1 proof refused; 2 unusable arguments, files or data.
Proofs hide weights and private inputs, for a number of proofs that set-up chooses; then `veristar
rotate` commits to the weights anew. With `setup --no-hiding` they hide nothing, and neither do those of the
second backend, `setup --backend winterfell`."
)]
struct Cli {
    /// Print one JSON object on standard output instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Setup(setup::Arguments),
    CalibrateReport(calibrate_report::Arguments),
    Run(run::Arguments),
    Prove(prove::Arguments),
    Worker(worker::Arguments),
    Verify(verify::Arguments),
    Rotate(rotate::Arguments),
    VerifyRotation(verify_rotation::Arguments),
    VerifyRanges(verify_ranges::Arguments),
    Inspect(inspect::Arguments),
    Starknet(starknet::Arguments),
    Doctor(doctor::Arguments),
    Completions(manual::Completions),
    Manual(manual::Manual),
}

/// A proof that does not hold: a verdict, not a failure to reach one.
#[derive(Debug)]
struct Refused {
    reason: String,
    json: Value,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refused {}

pub fn main() -> ExitCode {
    veristar::prover::allocator::keep_freed();
    if let Some(feature) = cpu::missing() {
        let line = format!(
            "this program was built for a CPU with {feature}, which this one lacks; build it here, or with RUSTFLAGS=\"-C target-cpu=x86-64-v3\""
        );
        return fail(false, UNUSABLE, &line, json!({}));
    }
    set_hook(Box::new(|info| {
        if let Ok(mut last) = LAST_PANIC.lock() {
            *last = text::one_line(&info.to_string());
        }
    }));
    // Before arguments are understood, JSON is wanted if asked for anywhere.
    let json = std::env::args_os().any(|argument| argument == "--json");
    match catch_unwind(AssertUnwindSafe(start)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => match error.downcast_ref::<Refused>() {
            Some(refused) => fail(json, REFUSED, &refused.reason, refused.json.clone()),
            None => fail(json, UNUSABLE, &format!("{error:#}"), json!({})),
        },
        Err(_) => {
            let place = LAST_PANIC.lock().map(|last| last.clone()).unwrap_or_default();
            let line = format!(
                "internal error ({place}): this is a defect of veristar, please report it at {}/issues with the command you ran",
                env!("CARGO_PKG_REPOSITORY"),
            );
            fail(json, DEFECT, &line, json!({}))
        }
    }
}

fn start() -> anyhow::Result<()> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let ui = Ui::new(cli.json);
    let answer = match &cli.command {
        Command::Demo(arguments) => demo::command(arguments, &ui),
        Command::Setup(arguments) => setup::command(arguments, &ui),
        Command::CalibrateReport(arguments) => calibrate_report::command(arguments, &ui),
        Command::Run(arguments) => run::command(arguments, &ui),
        Command::Prove(arguments) => prove::command(arguments, &ui),
        Command::Worker(arguments) => worker::command(arguments, &ui),
        Command::Verify(arguments) => verify::command(arguments, &ui),
        Command::Rotate(arguments) => rotate::command(arguments, &ui),
        Command::VerifyRotation(arguments) => verify_rotation::command(arguments, &ui),
        Command::VerifyRanges(arguments) => verify_ranges::command(arguments, &ui),
        Command::Inspect(arguments) => inspect::command(arguments, &ui),
        Command::Starknet(arguments) => starknet::command(arguments, &ui),
        Command::Doctor(arguments) => doctor::command(arguments, &ui),
        Command::Completions(arguments) => manual::completions(arguments, Cli::command(), &ui),
        Command::Manual(arguments) => manual::pages(arguments, Cli::command(), &ui),
    };
    ui.finish();
    let answer = answer?;
    if cli.json {
        ui::print(&answer.to_string());
    }
    Ok(())
}

/// Help and version are answers; everything else is one line.
fn usage(error: &clap::Error) -> anyhow::Result<()> {
    use ErrorKind::{
        DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion, MissingSubcommand,
    };
    if matches!(error.kind(), DisplayHelp | DisplayVersion) {
        ui::print(error.render().to_string().trim_end());
        return Ok(());
    }
    if matches!(error.kind(), DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand) {
        anyhow::bail!("no command given; see `veristar --help`");
    }
    let full = error.render().to_string();
    let said = full.split("\n\nUsage:").next().unwrap_or(&full);
    let said = said.split("\n\nFor more information").next().unwrap_or(said);
    let said = text::one_line(said.trim_start_matches("error: "));
    anyhow::bail!("{said}; see `veristar --help` or `veristar COMMAND --help`")
}

fn fail(json: bool, code: u8, reason: &str, mut answer: Value) -> ExitCode {
    let reason = text::one_line(reason);
    if json {
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("error".into(), reason.clone().into());
            answer.insert("exit".into(), code.into());
        }
        ui::print(&answer.to_string());
    }
    ui::print_error(&format!("error: {reason}"));
    ExitCode::from(code)
}
