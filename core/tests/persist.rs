//! What is persisted is computed once as far as the memory goes, at every level, and always reads the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tidemill::testing::{collect_batches, input_batches, local_with, run_batches};
use tidemill::{Conf, Rdd, StorageLevel, StreamingContext};

const LEVELS: [StorageLevel; 5] = [
    StorageLevel::MemoryOnly,
    StorageLevel::MemoryAndDisk,
    StorageLevel::MemoryOnlySer,
    StorageLevel::MemoryAndDiskSer,
    StorageLevel::DiskOnly,
];

/// The least that a context takes, in bytes.
const MEMORY: usize = 1 << 20;

/// A context with so many bytes of memory left, and of disk.
fn context(memory: usize, disk: usize, folder: &tempfile::TempDir) -> StreamingContext {
    let conf = Conf::new().set("tidemill.memory", format!("{MEMORY}b")).unwrap();
    let conf = conf.set("tidemill.memory.disk", format!("{disk}b")).unwrap();
    let ssc = local_with(conf.set("tidemill.memory.spill_dir", folder.path().to_str().unwrap()).unwrap());
    // What is not left is taken by an Rdd that stays.
    let filler = ssc.parallelize(vec![0u8; MEMORY - memory.min(MEMORY)], 1).cache();
    filler.count().unwrap();
    std::mem::forget(filler);
    ssc
}

/// Numbers as texts, and how many of them have been computed.
fn counted(ssc: &StreamingContext, count: u32) -> (Rdd<String>, Arc<AtomicUsize>) {
    let computed = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&computed);
    let numbers = ssc.parallelize((0..count).collect(), 3).map(move |n| {
        counting.fetch_add(1, Ordering::SeqCst);
        format!("number {n}")
    });
    (numbers, computed)
}

#[test]
fn every_level_computes_once_where_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    for level in LEVELS {
        let ssc = context(MEMORY, 64 << 20, &folder);
        let (numbers, computed) = counted(&ssc, 1000);
        let kept = numbers.persist(level);
        let expected = numbers.collect().unwrap();
        computed.store(0, Ordering::SeqCst);

        for _ in 0..3 {
            assert_eq!(kept.collect().unwrap(), expected, "{level}");
        }

        assert_eq!(computed.load(Ordering::SeqCst), 1000, "{level}");
    }
}

#[test]
fn what_does_not_fit_into_memory_goes_to_disk_or_is_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    for level in LEVELS {
        let ssc = context(4 << 10, 64 << 20, &folder);
        let (numbers, computed) = counted(&ssc, 10_000);
        let kept = numbers.persist(level);
        let expected = numbers.collect().unwrap();
        computed.store(0, Ordering::SeqCst);

        for _ in 0..2 {
            assert_eq!(kept.collect().unwrap(), expected, "{level}");
        }

        let again = matches!(level, StorageLevel::MemoryOnly | StorageLevel::MemoryOnlySer);
        assert_eq!(computed.load(Ordering::SeqCst), if again { 20_000 } else { 10_000 }, "{level}");
    }
}

#[test]
fn where_the_disk_is_full_too_everything_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    for level in LEVELS {
        let ssc = context(4 << 10, 8 << 10, &folder);
        let (numbers, _) = counted(&ssc, 10_000);
        let kept = numbers.persist(level);

        for _ in 0..2 {
            assert_eq!(kept.collect().unwrap(), numbers.collect().unwrap(), "{level}");
        }
    }
}

#[test]
fn spill_files_go_with_the_rdd() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = context(4 << 10, 64 << 20, &folder);
    let (numbers, _) = counted(&ssc, 10_000);
    let kept = numbers.persist(StorageLevel::DiskOnly);
    kept.count().unwrap();
    assert!(files_below(folder.path()) > 0);

    drop(kept);

    assert_eq!(files_below(folder.path()), 0);
}

/// Spill files of any process below `folder`; locks are none.
fn files_below(folder: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += files_below(&path);
        } else if std::fs::metadata(&path).unwrap().len() > 0 {
            count += 1;
        }
    }
    count
}

#[test]
fn a_stream_that_two_outputs_read_computes_its_input_once() {
    let ssc = tidemill::testing::local(2);
    let computed = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&computed);
    let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3], vec![4]]).map(move |n| {
        counting.fetch_add(1, Ordering::SeqCst);
        n * 10
    });
    let numbers = numbers.cache();
    let (first, second) = (collect_batches(&numbers), collect_batches(&numbers.map(|n| n + 1)));

    run_batches(&ssc, 2).unwrap();

    assert_eq!(first.batches(), [vec![10, 20, 30], vec![40]]);
    assert_eq!(second.batches(), [vec![11, 21, 31], vec![41]]);
    assert_eq!(computed.load(Ordering::SeqCst), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_level_with_any_room_reads_what_was_there(
        partitions in proptest::collection::vec(proptest::collection::vec(".{0,12}", 0..600), 1..4),
        memory in 0usize..20_000,
        disk in 0usize..20_000,
        level in 0usize..5,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let ssc = context(memory, disk, &folder);
        let all: Vec<String> = partitions.into_iter().flatten().collect();
        let kept = ssc.parallelize(all.clone(), 3).persist(LEVELS[level]);

        prop_assert_eq!(kept.collect().unwrap(), all.clone());
        prop_assert_eq!(kept.filter(|text| text.len() > 3).count().unwrap(),
            all.iter().filter(|text| text.len() > 3).count() as u64);
        prop_assert_eq!(kept.collect().unwrap(), all);
    }
}

#[test]
fn what_a_stream_persists_goes_when_its_batch_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = context(MEMORY, 64 << 20, &folder);
    let stream = input_batches(&ssc, 2, vec![vec![1u64; 1000]]).persist(StorageLevel::DiskOnly);
    let path = folder.path().to_owned();
    let seen = Arc::new(AtomicUsize::new(0));
    let most = Arc::clone(&seen);
    stream.foreach_rdd(move |rdd, _| {
        rdd.count()?;
        most.fetch_max(files_below(&path), Ordering::SeqCst);
        Ok(())
    });

    run_batches(&ssc, 1).unwrap();
    assert!(seen.load(Ordering::SeqCst) > 0, "nothing was written while the batch ran");

    // A batch is remembered until the next one is done, for `slice`.
    run_batches(&ssc, 2).unwrap();

    assert_eq!(files_below(folder.path()), 0);
}
