//! Measurements of whole models.
//!
//! ```text
//! cargo run --release -p veristar-benches -- [MODEL]... [--runs N] [--json]   examples: accuracy, times, sizes
//! cargo run --release -p veristar-benches -- models [NAME]...                 bench models, one process each
//! cargo run --release -p veristar-benches -- growth                           proving time against size
//! ```
//!
//! Bench models are made by `benches/models/generate.py`. Times are medians over proofs of different inputs, after
//! set-up, on all cores; what else the machine does is in them, so the load is printed too.
//!
//! | module | idea |
//! |---|---|
//! | `fixtures` | the example models under both presets |
//! | `measure` | one model in one process: set-up, or proofs |
//! | `phases` | where proving time goes, from the prover's spans |
//! | `child` | starts such processes, within a limit of memory and time |
//! | `models` | a table, JSON and a plot of the bench models |
//! | `growth` | two series of models, and lines through their times |
//! | `svg` | plots |
//! | `numbers` | medians, units, tables |

mod child;
mod fixtures;
mod growth;
mod measure;
mod models;
mod numbers;
mod phases;
mod svg;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures models", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    fixtures: fixtures::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Measures bench models, each in processes of its own.
    Models(models::Arguments),
    /// Measures how proving time grows with weights and with activations.
    Growth(growth::Arguments),
    /// One process of the two above.
    #[command(hide = true)]
    Measure(measure::Arguments),
}

fn main() -> Result<()> {
    // As the program itself does.
    veristar_prover::allocator::keep_freed();
    let arguments = Arguments::parse();
    match &arguments.command {
        None => fixtures::command(&arguments.fixtures),
        Some(Command::Models(models)) => models::command(models),
        Some(Command::Growth(growth)) => growth::command(growth),
        Some(Command::Measure(measure)) => measure::command(measure),
    }
}
