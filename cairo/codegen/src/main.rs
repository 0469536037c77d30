//! `veristar-cairo-codegen constraints [--check]`: writes `cairo/verifier/src/air/chips/*.cairo` from the
//! constraints of `veristar-air`, or compares what is there.

mod chips;
mod emit;
mod optimise;
mod roll;
mod tape;

use anyhow::{bail, Context, Result};
use std::fs;
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../verifier/src/air");
    match arguments.as_slice() {
        ["constraints"] => write(&root, false),
        ["constraints", "--check"] => write(&root, true),
        _ => bail!("usage: veristar-cairo-codegen constraints [--check]"),
    }
}

fn write(root: &Path, check: bool) -> Result<()> {
    for (name, text) in chips::files()? {
        let path = root.join(&name);
        if check {
            let found = fs::read_to_string(&path).unwrap_or_default();
            if found != text {
                bail!(
                    "{} is out of date: run `cargo run -p veristar-cairo-codegen constraints`",
                    path.display()
                );
            }
        } else {
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}
