//! The program `veristar`: see `veristar --help`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
