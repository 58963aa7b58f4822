//! The bytes of pieces, which bases there are, and what is read back.

use super::*;
use crate::storage::MemoryStorage;

fn at(second: u64) -> BatchTime {
    BatchTime::from_millis(second * 1000)
}

fn piece(bytes: &[u8]) -> Piece {
    Piece { partition: 1, of: 2, bytes: bytes.to_vec() }
}

#[test]
fn the_bytes_of_panes_never_change_and_what_is_cut_off_is_refused() {
    let pieces = Pieces::from([(at(1), vec![Arc::new(piece(b"ab"))])]);
    let bytes = [&[0xe8, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0][..], b"ab"];
    let bytes = bytes.concat();
    assert_eq!(written(&pieces), bytes);
    assert_eq!(read("bases/7", &bytes).unwrap(), pieces);
    for length in 1..bytes.len() {
        let error = read("bases/7", &bytes[..length]).unwrap_err();
        assert!(matches!(&error, Error::Corrupt { path, .. } if path == "bases/7"), "{error:?}");
    }
    let delta = piece(b"ab").delta();
    assert_eq!((delta.partition, &delta.bytes[..]), (1, &[2, 0, 0, 0, b'a', b'b'][..]));
    assert_eq!(Piece::of_delta(&delta).unwrap(), piece(b"ab"));
    assert!(Piece::of_delta(&Delta { partition: 1, bytes: vec![2, 0] }).is_err());
}

#[test]
fn a_base_writes_what_is_new_and_names_what_still_reaches_into_the_window() {
    let (journal, storage) = (Journal::default(), MemoryStorage::new());
    journal.inner.lock().members = 1;
    let (length, mut bases) = (Duration::from_secs(16), 0);
    for second in 1..=60 {
        journal.run(at(second), vec![piece(&[second as u8])]);
        journal.over(at(second), second % 10 != 0);
        let (until, path) = (at((second + 1).saturating_sub(16)), format!("bases/{second}"));
        let wanted = BaseWanted { batch: at(second), bytes: 0, kept: &[], path: &path };
        let Some(job) = journal.base_from(&wanted, until, length) else { continue };
        if second % 7 == 0 {
            // It fails: all that it had is in the next one.
            continue;
        }
        let base = job(&storage).unwrap().remove(0);
        assert_eq!((base.groups, base.applied), (0..128, Some(at(second))));
        assert!(base.objects.len() <= 9, "{} objects", base.objects.len());
        let mut found = Vec::new();
        for object in &base.objects {
            let sealed = storage.get(object, None).unwrap().unwrap();
            let (_, payload) = envelope::open(KIND, object, &sealed).unwrap();
            found.extend(read(object, payload).unwrap().into_keys());
        }
        let count = found.len();
        let found: BTreeSet<BatchTime> = found.into_iter().collect();
        assert_eq!(found.len(), count, "a batch is written once");
        let committed = (1..=second).filter(|second| second % 10 != 0).map(at);
        assert!(committed.filter(|time| *time > until).all(|time| found.contains(&time)), "{found:?}");
        let skipped = |time: &BatchTime| time.as_millis().is_multiple_of(10_000);
        assert!(!found.iter().any(skipped), "a skipped batch is in no base: {found:?}");
        bases += 1;
    }
    assert!(bases > 15, "{bases} bases");
}

#[test]
fn what_is_committed_while_a_base_is_written_is_in_the_next_one() {
    let (journal, storage) = (Journal::default(), MemoryStorage::new());
    journal.inner.lock().members = 1;
    let mut objects = Vec::new();
    let mut writing: Option<BaseJob> = None;
    for second in 1..=3 {
        journal.run(at(second), vec![piece(&[second as u8])]);
        journal.over(at(second), true);
        if let Some(job) = writing.take() {
            objects = job(&storage).unwrap().remove(0).objects;
        }
        let path = format!("bases/{second}");
        let wanted = BaseWanted { batch: at(second), bytes: 0, kept: &[], path: &path };
        writing = journal.base_from(&wanted, at(0), Duration::ZERO);
    }
    assert_eq!(objects, ["bases/1/panes", "bases/2/panes"]);
    let sealed = storage.get(&objects[1], None).unwrap().unwrap();
    let (_, payload) = envelope::open(KIND, &objects[1], &sealed).unwrap();
    assert!(read(&objects[1], payload).unwrap().keys().eq([&at(2)]));
}

#[test]
fn what_came_since_a_base_is_written_early_where_it_is_much() {
    let journal = Journal::default();
    let wanted = |second| BaseWanted { batch: at(second), bytes: 0, kept: &[], path: "bases/1" };
    let hour = Duration::from_hours(1);
    let base = |second| journal.base_from(&wanted(second), at(0), hour).is_some();
    journal.run(at(1), vec![piece(b"little")]);
    journal.over(at(1), true);
    assert!(!base(1));
    journal.run(at(2), vec![piece(&vec![0; BASE_BYTES])]);
    journal.over(at(2), true);
    assert!(base(2));
}

#[test]
fn a_delta_that_is_in_a_base_already_is_passed_over() {
    let (storage, ssc) = (MemoryStorage::new(), crate::testing::local(1));
    let pieces = Pieces::from([1, 2].map(|second| (at(second), vec![Arc::new(piece(&[second as u8]))])));
    let sealed = envelope::seal(KIND, VERSION, &written(&pieces));
    let _: Put = storage.put("bases/1", &sealed, PutMode::Replace).unwrap();
    let base = |groups| StateBase { groups, applied: Some(at(2)), objects: vec!["bases/1".into()], bytes: 0 };
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let backend: Arc<dyn crate::state::StateBackend> = Arc::new(crate::state::MemoryState::new());
    let journal = Journal::default();
    let opening = Opening {
        ledger: "job",
        uid: "window",
        engine: &ssc.job().engine,
        backend: &backend,
        storage: &storage,
        durable: true,
        found: None,
        // Two members have named the same object.
        bases: &[base(0..64), base(64..128)],
        committed: Some(at(3)),
    };
    journal.open(&opening).unwrap();
    for second in [2, 3] {
        journal.replay(at(second), &[piece(&[second as u8]).delta()]).unwrap();
    }
    let restored = journal.restored(at(1));
    let expected = [2, 3].map(|second| (at(second), vec![Arc::new(piece(&[second as u8]))]));
    assert_eq!(restored, Pieces::from(expected));
    // What the base has is not written again.
    assert!(journal.inner.lock().since.keys().eq([&at(3)]));
}
