//! `tidemill-benches WORKLOAD`: runs tidemill and its hand-written limit in turn and prints what the two cost.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "lines of JSON on standard output are what this program is for"
)]
#![allow(clippy::disallowed_methods, reason = "it measures with the machine's own time and threads")]

mod child;
mod harness;
mod key_costs;
mod limit;
mod measure;
mod plants;
mod stats;
mod workloads;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::harness::{Plan, Side};
use crate::workloads::{EntryArgs, Name};

// The limits use it too: the ratio must not compare allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs tidemill and its limit in turn; one JSON line a run, a last line with the ratios of the medians.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Args {
    /// What to measure.
    #[arg(value_enum, required = true)]
    workload: Option<Name>,
    /// How often each side runs. Fewer than 7 rounds do not count.
    #[arg(long, default_value_t = harness::ROUNDS_THAT_COUNT, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Short runs, to see that everything works. Such figures do not count.
    #[arg(long)]
    quick: bool,
    /// Runs this side alone, without ratios.
    #[arg(long, value_enum)]
    only: Option<Side>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One run of one side in this process; what the harness starts as a child.
    #[command(hide = true)]
    Entry(EntryArgs),
    /// Rate estimators on 1,000 jobs on paper: the table of the book. Nothing is measured, so it needs no rounds.
    Plants,
    /// Memory and disk that a key's state takes, and how long a restart reads it: the tables of the book.
    KeyCosts(key_costs::Plan),
    /// One row of that table, filled or opened again in this process.
    #[command(hide = true)]
    KeyCost(key_costs::Row),
}

fn main() -> Result<()> {
    let args = Args::parse();
    match (args.command, args.workload) {
        (Some(Command::Plants), _) => {
            plants::run();
            Ok(())
        }
        (Some(Command::KeyCosts(plan)), _) => key_costs::run(&plan),
        (Some(Command::KeyCost(row)), _) => {
            println!("{}", serde_json::to_string(&key_costs::measure(&row)?)?);
            Ok(())
        }
        (Some(Command::Entry(entry)), _) => {
            let run = workloads::find(entry.workload).entry;
            println!("{}", serde_json::to_string(&run(&entry)?)?);
            Ok(())
        }
        (None, Some(name)) => {
            let plan = Plan { rounds: args.rounds, quick: args.quick, only: args.only };
            harness::run(&workloads::find(name), plan)
        }
        (None, None) => unreachable!("clap asks for a workload"),
    }
}
