//! `cargo xtask`: the project's own tooling, and the one place for scripts.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a tool talks to its user on the terminal and takes the machine's time"
)]

mod cargo;
mod ci;
mod jobs;
mod licences;
mod light;
mod native;
mod new;
mod setup;
mod spdx;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup                  checks what a build needs; installs missing packages where it is root, otherwise names the command
  ci [STEP]...           all that CI runs, or only these steps; `ci --list` names them
  native                 compiles RocksDB's C++, once; tests of what uses it need this
  new connector NAME     lays out connectors/NAME and adds it to the workspace";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match args {
        ["setup"] => setup::run(),
        ["native"] => native::build(),
        ["ci", steps @ ..] => ci::run(steps),
        ["new", "connector", name] => new::connector(&cargo::root()?, name),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("`cargo xtask {}` is no command\n\n{USAGE}", args.join(" ")),
    }
}
