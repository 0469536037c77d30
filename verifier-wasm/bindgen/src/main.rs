//! What the program `wasm-bindgen --target web` does, and nothing else.
//!
//! The program itself brings a test runner, a web server and an HTTP client with it; its library takes
//! a third of the time to build.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().with_context(|| format!("missing: {what}"));
    let (input, out_dir, name) = (next("INPUT.wasm")?, next("DIRECTORY")?, next("NAME")?);
    Bindgen::new()
        .input_path(input)
        .out_name(&name)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out_dir)
}
