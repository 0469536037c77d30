//! `veristar completions` and `veristar manual`: what shells and `man` want to know of the commands.

use super::ui::Ui;
use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::{json, Value};
use std::path::PathBuf;

/// Print completions for a shell.
#[derive(Args)]
#[command(after_help = "\
Examples:
  veristar completions bash > ~/.local/share/bash-completion/completions/veristar
  veristar completions zsh > ~/.zfunc/_veristar
  veristar completions fish > ~/.config/fish/completions/veristar.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

/// Write manual pages: veristar.1 and one for each command.
#[derive(Args)]
#[command(after_help = "\
Example:
  veristar manual ~/.local/share/man/man1")]
pub struct Manual {
    /// A directory that exists.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub fn completions(arguments: &Completions, mut program: Command, ui: &Ui) -> Result<Value> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "veristar", &mut script);
    let script = String::from_utf8_lossy(&script);
    ui.say(script.trim_end());
    Ok(json!({ "shell": arguments.shell.to_string(), "script": script }))
}

pub fn pages(arguments: &Manual, program: Command, ui: &Ui) -> Result<Value> {
    let directory = arguments.directory.display();
    clap_mangen::generate_to(program, &arguments.directory)
        .with_context(|| format!("cannot write manual pages to `{directory}`; choose a directory that exists and is writable"))?;
    ui.say(format!("wrote the manual to {directory}; read it with: man {directory}/veristar.1"));
    Ok(json!({ "directory": arguments.directory }))
}
