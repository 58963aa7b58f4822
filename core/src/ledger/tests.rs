//! Tests of the ledger.

use super::*;
use crate::state::{Delta, Shape};

fn identity() -> Identity {
    let zero = BatchTime::from_millis(0);
    Identity { job: "job".into(), parallelism: 2, interval_ms: 1000, zero, build: "0".into() }
}

fn published(n: u64) -> Entry {
    Entry::Published { batch: BatchTime::from_millis(n) }
}

#[test]
fn entries_come_back_in_order_and_the_oldest_go() {
    let ledger = Ledger::in_memory(identity()).unwrap();
    (1..=20).for_each(|n| ledger.append(&published(n), &[]).unwrap());

    let entries: Vec<Entry> = ledger.entries().unwrap().into_iter().map(|(_, entry)| entry).collect();

    assert_eq!(entries, (13..=20).map(published).collect::<Vec<_>>());
}

#[test]
fn a_writer_that_was_superseded_stops() {
    let ledger = Ledger::in_memory(identity()).unwrap();
    let other = ledger.storage.put(&path(1), b"another run", PutMode::IfAbsent).unwrap();
    assert_eq!(other, Put::Done);

    let error = ledger.append(&published(1), &[]).unwrap_err();

    assert!(matches!(error, Error::Fenced(_)), "{error}");
}
