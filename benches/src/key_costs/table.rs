//! The tables: what was measured, and what it comes to with more keys.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Kind, Place, Row};
use crate::measure::Measured;

const MIB: f64 = (1 << 20) as f64;

/// What a row of the table says.
#[derive(Debug)]
pub(super) struct Cost {
    place: Place,
    kind: Kind,
    timeout: bool,
    keys: u64,
    /// Bytes a key that the process grew by.
    memory: f64,
    /// All of what the process held: with RocksDB that has a bound, whatever the keys are.
    resident_mb: f64,
    /// Bytes a key of the checkpoint.
    checkpoint: f64,
    /// Bytes a key of RocksDB's own folder.
    rocksdb: f64,
    /// Keys a second, coming in.
    filled: f64,
    /// Seconds until the first batch behind a restart was done.
    started_s: f64,
}

impl Cost {
    pub(super) fn of(row: &Row, filled: &Measured, opened: &Measured) -> Result<Self> {
        let figure = |run: &Measured, name: &str| {
            run.more.get(name).and_then(Value::as_f64).with_context(|| format!("no figure {name}"))
        };
        let a_key = |mb: f64| mb * MIB / row.keys as f64;
        Ok(Self {
            place: row.place,
            kind: row.kind,
            timeout: row.timeout,
            keys: row.keys,
            memory: a_key(figure(filled, "states_mb")?),
            resident_mb: figure(filled, "resident_mb")?,
            // What a restart has read is in new bases by then, and the deltas before them are gone.
            checkpoint: a_key(figure(opened, "checkpoint_mb")?),
            rocksdb: a_key(figure(filled, "rocksdb_mb")?),
            filled: filled.rate,
            started_s: figure(opened, "started_s")?,
        })
    }

    fn names(&self) -> String {
        let place = match self.place {
            Place::Memory => "memory",
            Place::Rocksdb => "RocksDB",
        };
        let kind = match self.kind {
            Kind::Numbers => "`u64` → `u64`",
            Kind::Text => "20-byte `Text` → 100-byte `String`",
        };
        format!("{place} | {kind} | {}", if self.timeout { "yes" } else { "no" })
    }

    /// Keys a second that a restart has ready.
    fn opened(&self) -> f64 {
        self.keys as f64 / self.started_s
    }
}

/// What was measured, a line a row.
pub(super) fn measured(costs: &[Cost]) -> String {
    let mut table = String::from(
        "| states in | key → state | timeout | keys | memory, bytes a key | process, MiB | checkpoint, bytes a key | RocksDB's folder, bytes a key | coming in, keys/s | restart, keys/s |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for cost in costs {
        let on_disk =
            if cost.place == Place::Rocksdb { format!("{:.0}", cost.rocksdb) } else { "–".to_owned() };
        let _ = writeln!(
            table,
            "| {} | {} M | {:.0} | {:.0} | {:.0} | {on_disk} | {:.1} M | {:.1} M |",
            cost.names(),
            cost.keys as f64 / 1e6,
            cost.memory,
            cost.resident_mb,
            cost.checkpoint,
            cost.filled / 1e6,
            cost.opened() / 1e6,
        );
    }
    table
}

/// The same per key, times 200 M and 2 G keys.
pub(super) fn reckoned(costs: &[Cost]) -> String {
    let mut table = String::from(
        "| states in | key → state | timeout | 200 M keys: memory, checkpoint, restart | 2 G keys: memory, checkpoint, restart |\n|---|---|---|---|---|\n",
    );
    for cost in costs {
        let _ = writeln!(table, "| {} | {} | {} |", cost.names(), at(cost, 200e6), at(cost, 2e9));
    }
    table
}

fn at(cost: &Cost, keys: f64) -> String {
    let memory = match cost.place {
        Place::Memory => size(cost.memory * keys),
        Place::Rocksdb => format!("the setting, and {} of disk", size(cost.rocksdb * keys)),
    };
    format!("{memory}, {}, {}", size(cost.checkpoint * keys), time(keys / cost.opened()))
}

fn size(bytes: f64) -> String {
    let gb = bytes / 1e9;
    if gb >= 100.0 { format!("{gb:.0} GB") } else { format!("{gb:.1} GB") }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(place: Place) -> Cost {
        Cost {
            place,
            kind: Kind::Numbers,
            timeout: true,
            keys: 5_000_000,
            memory: 40.0,
            resident_mb: 200.0,
            checkpoint: 12.0,
            rocksdb: 20.0,
            filled: 1e6,
            started_s: 2.5,
        }
    }

    #[test]
    fn a_row_says_what_a_key_takes() {
        let table = measured(&[cost(Place::Memory)]);
        let row = "| memory | `u64` → `u64` | yes | 5 M | 40 | 200 | 12 | – | 1.0 M | 2.0 M |";
        assert_eq!(table.lines().last(), Some(row));
    }

    #[test]
    fn more_keys_take_as_much_more() {
        let table = reckoned(&[cost(Place::Memory), cost(Place::Rocksdb)]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| memory | `u64` → `u64` | yes | 8.0 GB, 2.4 GB, 100 s | 80.0 GB, 24.0 GB, 17 min |"
        );
        assert!(rows[1].contains("the setting, and 4.0 GB of disk, 2.4 GB"), "{}", rows[1]);
    }
}
