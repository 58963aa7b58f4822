//! Tests of what outlives a run, with an operator that only adds up.

mod failing;
mod sums;

use std::sync::Arc;

use self::sums::{Sums, expected};
use crate::context::StreamingContext;
use crate::storage::{FileStorage, MemoryStorage, Storage};
use crate::testing::{input_batches, local_with, members_with, run_batches, seeded_members};
use crate::words::{Conf, Error, Result};

/// A context with a running sum under the uid `sums`.
fn job(ssc: &StreamingContext, storage: Option<&Arc<dyn Storage>>) -> Arc<Sums> {
    if let Some(storage) = storage {
        ssc.checkpoint_to(Arc::clone(storage));
    }
    let sums = Sums::draw(ssc, "sums");
    input_batches(ssc, 1, vec![vec![1]]).foreach_rdd(|_, _| Ok(()));
    sums
}

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

/// Runs `batches` batches on `members` members, each with `conf`, to a clean end; gives the sums of all partitions.
fn run(members: u32, conf: &Conf, storage: &Arc<dyn Storage>, batches: u64) -> Vec<u64> {
    let storage = Arc::clone(storage);
    let of_members = members_with(conf.clone(), members, 2, move |ssc| {
        let sums = job(ssc, Some(&storage));
        run_batches(ssc, batches).unwrap();
        ssc.stop(false).unwrap();
        sums.sums()
    });
    sums::together(of_members)
}

#[test]
fn a_restart_goes_on_with_what_was_committed() {
    let storage = memory();
    assert_eq!(run(1, &Conf::new(), &storage, 3), expected(1..=3));
    assert_eq!(run(1, &Conf::new(), &storage, 1), expected(1..=4));
    assert_eq!(run(1, &Conf::new(), &storage, 2), expected(1..=6));
}

#[test]
fn the_storage_is_let_go_before_anybody_hears_of_the_end() {
    for graceful in [true, false].repeat(20) {
        let storage = Arc::new(MemoryStorage::new());
        let held = Arc::downgrade(&storage);
        let ssc = local_with(Conf::new());
        let storage: Arc<dyn Storage> = storage;
        job(&ssc, Some(&storage));
        drop(storage);
        run_batches(&ssc, 2).unwrap();
        ssc.stop(graceful).unwrap();
        drop(ssc);
        // A storage that one process may have open at a time can be opened again now.
        assert!(held.upgrade().is_none(), "stopped gracefully: {graceful}");
    }
}

#[test]
fn a_restart_may_have_another_number_of_members() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(folder.path()).unwrap());
    let conf = Conf::new().set("tidemill.default.parallelism", "2").unwrap();
    let mut batches = 0;
    for members in [2, 3, 1, 2] {
        assert_eq!(run(members, &conf, &storage, 2), expected(1..=batches + 2), "{members} members");
        batches += 2;
    }
}

#[test]
fn without_a_checkpoint_a_job_with_state_does_not_start_unless_it_may_end_with_the_process() {
    let refused = |conf: Conf| -> Result<()> {
        let ssc = local_with(conf);
        let _sums = job(&ssc, None);
        run_batches(&ssc, 1)
    };
    refused(Conf::new()).unwrap();
    let Err(Error::Plan(mistakes)) = refused(Conf::new().set("tidemill.state.volatile", "false").unwrap())
    else {
        panic!("it has started")
    };
    let said = mistakes[0].to_string();
    assert!(said.contains("the checkpoint directory has not been set"), "{said}");
    assert!(said.contains("tidemill.state.volatile") && said.contains(file!()), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let conf = Conf::new().set("tidemill.state.volatile", "false").unwrap();
    let directory = folder.path().to_str().unwrap();
    refused(conf.set("spark.streaming.checkpoint.directory", directory).unwrap()).unwrap();
    assert!(folder.path().join("ledger").is_dir());
}

fn listed(storage: &Arc<dyn Storage>, folder: &str) -> Vec<String> {
    storage.list(folder, "", 10_000).unwrap().into_iter().map(|entry| entry.path).collect()
}

#[test]
fn what_is_written_down_is_bounded_and_a_restart_reads_little() {
    let storage = memory();
    for members in [1, 2] {
        let conf = Conf::new().set("tidemill.default.parallelism", "2").unwrap();
        let before = listed(&storage, "ledger/").len();
        run(members, &conf, &storage, 400);
        let (entries, manifests) = (listed(&storage, "ledger/").len(), listed(&storage, "manifests/"));
        let (deltas, bases) = (listed(&storage, "deltas/").len(), listed(&storage, "bases/").len());
        // Entries of two manifests of 64 batches and one round of bases, at two entries a batch.
        assert!(entries < 450, "{before} entries became {entries}");
        assert_eq!(manifests.len(), 2, "{manifests:?}");
        assert!(deltas <= 225 * members as usize, "{deltas} objects of deltas");
        assert!((8..=24).contains(&bases), "{bases} objects of bases");
    }
    let ssc = local_with(Conf::new());
    let sums = job(&ssc, Some(&storage));
    run_batches(&ssc, 1).unwrap();
    assert_eq!(sums.found_in_bases(), 8);
    let replayed = sums.replayed();
    assert!(replayed.len() < 200, "{} batches were read again", replayed.len());
    assert_eq!(sums::together(vec![sums.sums()]), expected(1..=801));
    ssc.stop(false).unwrap();
}

#[test]
fn while_bases_fail_deltas_are_kept_and_later_bases_are_written() {
    let storage = memory();
    for fails in [true, false] {
        let ssc = local_with(Conf::new());
        let sums = job(&ssc, Some(&storage));
        sums.bases_fail.store(fails, std::sync::atomic::Ordering::Relaxed);
        run_batches(&ssc, 200).unwrap();
        ssc.stop(false).unwrap();
        let from_bases = listed(&storage, "bases/").len();
        assert_eq!(from_bases > 0, !fails, "{from_bases} objects of bases");
        // The commit of the first batch.
        let kept = listed(&storage, "ledger/00000000000000000002").len();
        assert_eq!(kept, usize::from(fails), "the first batch is needed without bases alone");
    }
    assert_eq!(run(1, &Conf::new(), &storage, 1), expected(1..=401));
}

#[test]
fn the_later_of_two_runs_goes_on_and_the_earlier_one_stops() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(folder.path()).unwrap());
    let older = local_with(Conf::new());
    let _sums = job(&older, Some(&storage));
    run_batches(&older, 2).unwrap();

    assert_eq!(run(1, &Conf::new(), &storage, 2), expected(1..=4));
    let error = run_batches(&older, 1).unwrap_err();
    assert!(matches!(&error, Error::Stopped(why) if matches!(**why, Error::Fenced(_))), "{error:?}");

    assert_eq!(run(1, &Conf::new(), &storage, 1), expected(1..=5), "nothing of the older run is kept");
}

#[test]
fn an_earlier_run_that_slept_until_its_numbers_are_free_again_stops_too() {
    let storage = memory();
    let older = local_with(Conf::new());
    let _sums = job(&older, Some(&storage));
    run_batches(&older, 2).unwrap();
    run(1, &Conf::new(), &storage, 300);
    assert!(!listed(&storage, "ledger/").contains(&"ledger/00000000000000000005".to_owned()));

    let error = run_batches(&older, 1).unwrap_err();
    assert!(matches!(&error, Error::Stopped(why) if matches!(**why, Error::Fenced(_))), "{error:?}");
    assert_eq!(run(1, &Conf::new(), &storage, 1), expected(1..=303));
}

#[test]
fn state_of_another_version_is_written_down_whole_before_the_first_batch() {
    let storage = memory();
    run(1, &Conf::new(), &storage, 3);
    for (version, replayed) in [(2, vec![1, 2, 3]), (2, vec![4])] {
        let ssc = local_with(Conf::new());
        let sums = job(&ssc, Some(&storage));
        sums.version.store(version, std::sync::atomic::Ordering::Relaxed);
        run_batches(&ssc, 1).unwrap();
        assert_eq!(sums.replayed(), replayed);
        ssc.stop(false).unwrap();
    }
    let ssc = local_with(Conf::new());
    let sums = job(&ssc, Some(&storage));
    sums.version.store(2, std::sync::atomic::Ordering::Relaxed);
    run_batches(&ssc, 1).unwrap();
    assert_eq!((sums.found_in_bases(), sums.replayed()), (8, vec![4, 5]));
    assert_eq!(sums::together(vec![sums.sums()]), expected(1..=6));
}

#[test]
fn a_batch_that_was_planned_and_not_committed_is_not_computed_again_and_its_time_is_not_used_again() {
    let storage = memory();
    let ssc = local_with(Conf::new());
    ssc.checkpoint_to(Arc::clone(&storage));
    let _sums = Sums::draw(&ssc, "sums");
    input_batches(&ssc, 1, vec![vec![1]]).foreach_rdd(|_, time| match time.as_millis() {
        3000 => Err("the database is away".into()),
        _ => Ok(()),
    });
    run_batches(&ssc, 3).unwrap_err();
    drop(ssc);

    let all = run(1, &Conf::new(), &storage, 2);
    assert_eq!(all, expected([1, 2, 4, 5].into_iter()), "batch 3 has left nothing");
}

#[test]
fn a_damaged_manifest_leaves_the_one_before() {
    let storage = memory();
    run(1, &Conf::new(), &storage, 200);
    let newest = listed(&storage, "manifests/").pop().unwrap();
    let mut bytes = storage.get(&newest, None).unwrap().unwrap();
    bytes[40] ^= 1;
    let _ = storage.put(&newest, &bytes, crate::storage::PutMode::Replace).unwrap();
    assert_eq!(run(1, &Conf::new(), &storage, 1), expected(1..=201));
}

#[test]
fn all_partitions_are_as_of_one_batch_whatever_the_order_of_threads() {
    for seed in 0..6 {
        let storage = memory();
        let mut before = 0;
        for members in [2, 3] {
            let storage = Arc::clone(&storage);
            let (of_members, _) = seeded_members(seed, members, 2, move |ssc| {
                let sums = job(ssc, Some(&storage));
                run_batches(ssc, 70).unwrap();
                ssc.stop(false).unwrap();
                sums.sums()
            });
            let all = sums::together(of_members);
            let first = all[0];
            assert!(first > before, "seed {seed}: {first} is not more than {before}");
            assert!(all.iter().zip(1..).all(|(sum, times)| *sum == first * times), "seed {seed}: {all:?}");
            before = first;
        }
    }
}
