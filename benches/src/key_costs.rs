//! `key-costs`: what a key's state takes in memory and on disk, and how fast it is read at a restart.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::harness::run_child;
use crate::limit::target_folder;
use crate::measure::Measured;

mod job;
mod size;
mod table;

pub(crate) use self::job::measure;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Keys whose states are in memory; 0 leaves these rows out.
    #[arg(long, default_value_t = 5_000_000)]
    memory_keys: u64,
    /// Keys whose states are in RocksDB; 0 leaves these rows out. Without the feature `rocksdb` there are none.
    #[arg(long, default_value_t = 20_000_000)]
    rocksdb_keys: u64,
    /// An empty folder for checkpoints and databases: some gigabytes. Default: below the target folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Where states are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    Memory,
    Rocksdb,
}

/// What a key and a state are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A `u64` to a `u64`.
    Numbers,
    /// A `Text` of 20 bytes to a `String` of 100.
    Text,
}

/// One of the two runs behind a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    /// All keys come in, and are written into the checkpoint.
    Fill,
    /// Another process goes on where the first one ended.
    Reopen,
}

/// A row of the table, for a child that measures it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Row {
    #[arg(value_enum)]
    place: Place,
    #[arg(value_enum)]
    kind: Kind,
    #[arg(value_enum)]
    phase: Phase,
    /// With a timeout that is never over.
    #[arg(long)]
    timeout: bool,
    #[arg(long)]
    keys: u64,
    #[arg(long)]
    folder: PathBuf,
}

impl Row {
    fn run(&self, phase: Phase) -> Result<Measured> {
        let mut command = Command::new(env::current_exe().context("finding this program")?);
        command.arg("key-cost");
        for value in
            [self.place.to_possible_value(), self.kind.to_possible_value(), phase.to_possible_value()]
        {
            command.arg(value.context("a hidden name")?.get_name());
        }
        if self.timeout {
            command.arg("--timeout");
        }
        command.args(["--keys", &self.keys.to_string()]).arg("--folder").arg(&self.folder);
        run_child(command)
    }
}

/// Measures all rows, each in processes of its own, and prints the tables in Markdown.
///
/// # Errors
/// If a row cannot be measured.
pub(crate) fn run(plan: &Plan) -> Result<()> {
    let folder = match &plan.folder {
        Some(folder) => folder.clone(),
        None => target_folder()?.join("bench-limit").join("key-costs"),
    };
    let mut costs = Vec::new();
    for (place, keys) in [(Place::Memory, plan.memory_keys), (Place::Rocksdb, plan.rocksdb_keys)] {
        if keys == 0 || (place == Place::Rocksdb && !cfg!(feature = "rocksdb")) {
            continue;
        }
        for kind in [Kind::Numbers, Kind::Text] {
            for timeout in [false, true] {
                let row = Row { place, kind, phase: Phase::Fill, timeout, keys, folder: folder.clone() };
                size::make_empty(&folder)?;
                let (filled, opened) = (row.run(Phase::Fill)?, row.run(Phase::Reopen)?);
                costs.push(table::Cost::of(&row, &filled, &opened)?);
                // Each as it comes: the larger ones take minutes.
                println!("{}", serde_json::to_string(&(&filled, &opened))?);
            }
        }
    }
    size::make_empty(&folder)?;
    println!("\n{}", table::measured(&costs));
    println!("\n{}", table::reckoned(&costs));
    Ok(())
}
