//! Tests of the ledger.

use super::*;
use crate::state::Delta;

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

#[test]
fn a_directory_that_was_emptied_is_told_apart_from_another_run() {
    let storage = Arc::new(MemoryStorage::new());
    let lines = VecDeque::from([Line { number: 7, committed: None, objects: Vec::new() }]);
    let _: Put = storage.put(&path(7), b"opened", PutMode::IfAbsent).unwrap();
    let ledger = Ledger::durable(Arc::<MemoryStorage>::clone(&storage), Epoch(1), lines);
    ledger.append(&published(1), &[]).unwrap();
    // A successor has taken over, and has removed what it does not need.
    let _: Put = storage.put(&path(20), b"opened", PutMode::IfAbsent).unwrap();
    (7..9).for_each(|number| storage.delete(&path(number)).unwrap());
    let error = ledger.append(&published(2), &[]).unwrap_err();
    assert!(matches!(error, Error::Fenced(_)), "{error}");
    storage.delete(&path(20)).unwrap();
    let error = ledger.append(&published(2), &[]).unwrap_err();
    assert!(error.chain().contains("the checkpoint directory was removed or emptied"), "{}", error.chain());
    assert!(storage.list("", "", 10).unwrap().is_empty(), "nothing is left behind");
}

fn deltas() -> Vec<KeeperDeltas> {
    let delta = |partition: u32, bytes: &[u8]| Delta { partition, bytes: bytes.to_vec() };
    vec![
        KeeperDeltas { uid: "sums".into(), deltas: vec![delta(0, b"low"), delta(3, b"")] },
        KeeperDeltas { uid: "tides".into(), deltas: vec![delta(1, &[7; 300])] },
    ]
}

fn committed(deltas: Deltas) -> Entry {
    Entry::Committed { batch: BatchTime::from_millis(1000), failed: None, outputs: Vec::new(), deltas }
}

#[test]
fn deltas_stand_behind_their_commit_as_they_were_and_a_cut_is_noticed() {
    let mut bytes = Vec::new();
    entry::write_entry(Epoch(3), &committed(Deltas::Inline), &deltas(), &mut bytes).unwrap();
    let read = entry::read_entry("ledger/1", &bytes).unwrap();
    assert_eq!(read, (Epoch(3), committed(Deltas::Inline), deltas()));

    let payload = &bytes[crate::storage::envelope::HEADER_BYTES..];
    for length in [payload.len() - 1, payload.len() - 301, 10] {
        let cut = crate::storage::envelope::seal(*b"LEDG", 1, &payload[..length]);
        let error = entry::read_entry("ledger/1", &cut).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
}

#[test]
fn an_object_of_deltas_is_the_one_that_its_commit_names() {
    let (object, bytes) = delta_object("deltas/1".into(), &deltas()).unwrap();
    assert_eq!(entry::read_delta_object(&object, Some(bytes.clone())).unwrap(), deltas());
    let (_, other) = delta_object("deltas/1".into(), &deltas()[..1]).unwrap();
    let (mut longer, mut changed) = (bytes.clone(), bytes.clone());
    longer.push(0);
    changed[40] ^= 1;
    for wrong in [None, Some(other), Some(longer), Some(changed)] {
        let error = entry::read_delta_object(&object, wrong).unwrap_err();
        assert!(matches!(&error, Error::Corrupt { path, .. } if path == "deltas/1"), "{error}");
    }
}

#[test]
fn an_entry_of_a_newer_version_says_that_it_is_newer() {
    let bytes = crate::storage::envelope::seal(*b"LEDG", 2, b"what will be");
    let error = entry::read_entry("ledger/7", &bytes).unwrap_err().to_string();
    assert!(error.contains("`ledger/7`") && error.contains("newer tidemill"), "{error}");
}
