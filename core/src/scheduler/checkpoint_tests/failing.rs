//! One of several members fails in the middle of a batch: at each of its writes, or when it takes in what was committed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::sums::{Sums, expected};
use super::{job, memory, run};
use crate::context::StreamingContext;
use crate::storage::Storage;
use crate::testing::storage::{Call, FailingStorage};
use crate::testing::{members_with, run_batches};
use crate::words::Conf;

const MEMBERS: u32 = 3;
const BATCHES: u64 = 3;

/// What a member says at its end, how many batches it has done, and how often it has written.
type Ended = (Option<String>, u64, u64);

/// A job on three members, each with a storage of its own before the same disk.
fn ended(
    disk: &Arc<dyn Storage>,
    broken: impl Fn(u32, &FailingStorage, &Sums) + Send + Sync + 'static,
) -> Vec<Ended> {
    let disk = Arc::clone(disk);
    members_with(conf(), MEMBERS, 2, move |ssc: &StreamingContext| {
        let storage = FailingStorage::new(Arc::clone(&disk));
        let before: Arc<dyn Storage> = Arc::new(storage.clone());
        let sums = job(ssc, Some(&before));
        broken(ssc.member(), &storage, &sums);
        let ran = run_batches(ssc, BATCHES).and_then(|()| ssc.stop(false));
        let _ = ssc.stop(false);
        (ran.err().map(|error| error.chain()), ssc.batches_done(), storage.calls_of(Call::Put))
    })
}

fn conf() -> Conf {
    Conf::new().set("tidemill.default.parallelism", "2").unwrap()
}

/// What a restart comes to that runs one batch more, where `done` batches were done and the write of `path` has failed, or
/// only its answer was `lost`. Entry 0 opens the ledger; then each batch has one for its plan and one for its commit.
fn after(path: &str, lost: bool, done: u64) -> Vec<u64> {
    let entry: Option<u64> = path.strip_prefix("ledger/").map(|number| number.parse().unwrap());
    let is_planned = match entry {
        Some(number) => number > 0 && (number.is_multiple_of(2) || lost),
        None => path.starts_with("deltas/"),
    };
    let is_committed = is_planned && lost && entry.is_some_and(|number| number.is_multiple_of(2));
    // The time of a batch that was planned is not used again.
    expected((1..=done + u64::from(is_committed)).chain([done + 1 + u64::from(is_planned)]))
}

#[test]
fn a_member_that_fails_at_any_of_its_writes_ends_the_job_for_all_and_a_restart_is_as_of_the_last_commit() {
    let mut failed = Vec::new();
    for (member, nth, lost) in cases() {
        let disk = memory();
        let all = ended(&disk, move |me, storage, _| match (me == member, lost) {
            (false, _) => {}
            (true, false) => storage.fail(Call::Put, nth),
            (true, true) => storage.fail_after(Call::Put, nth),
        });
        let case = format!("write {nth} of member {member}, lost: {lost}: {all:?}");
        let sums = run(2, &conf(), &disk, 1);
        let Some(error) = &all[member as usize].0 else {
            // Bases and manifests can wait, and behind the last write there is none.
            assert!(all.iter().all(|(error, done, _)| error.is_none() && *done == BATCHES), "{case}");
            assert_eq!(sums, expected(1..=BATCHES + 1), "{case}");
            continue;
        };
        let error = &error[error.find("storage: cannot put `").expect(&case)..];
        let told = format!("member {member}: {error}");
        for (me, (heard, ..)) in (0..).zip(&all) {
            let expected = if me == member { error } else { &told };
            assert!(heard.as_ref().is_some_and(|heard| heard.ends_with(expected)), "{case}");
        }
        let path = error.split('`').nth(1).unwrap();
        assert_eq!(sums, after(path, lost, all[0].1), "{case}");
        failed.push((member, path.split('/').next().unwrap().to_owned()));
    }
    for case in [(0, "ledger"), (0, "deltas"), (0, "manifests"), (1, "deltas"), (2, "deltas")] {
        assert!(failed.contains(&(case.0, case.1.into())), "{case:?} is not among {failed:?}");
    }
}

/// Each member's writes, of which member 0 has most, each without its effect and with it.
fn cases() -> impl Iterator<Item = (u32, u64, bool)> {
    let writes = |member| if member == 0 { 13 } else { 4 };
    (0..MEMBERS).flat_map(move |member| {
        (0..writes(member)).flat_map(move |nth| [false, true].map(|lost| (member, nth, lost)))
    })
}

#[test]
fn a_member_that_cannot_take_in_what_was_committed_ends_the_job_for_all_and_a_restart_has_it() {
    for member in 0..MEMBERS {
        let disk = memory();
        let all = ended(&disk, move |me, _, sums| sums.commit_fails.store(me == member, Ordering::Relaxed));
        for (me, (error, ..)) in (0..).zip(&all) {
            let error = error.as_ref().unwrap_or_else(|| panic!("member {me} has ended well: {all:?}"));
            // The others have no part in it: they see one that is gone, the last of them perhaps another one than the first.
            let expected = if me == member {
                "the store is broken"
            } else {
                "it is gone; no collective with it can end"
            };
            assert!(error.ends_with(expected), "member {me}: {error}");
        }
        // The batch is in the ledger, with what it adds for all members.
        assert_eq!(run(2, &conf(), &disk, 1), expected(1..=2), "member {member}: {all:?}");
    }
}
