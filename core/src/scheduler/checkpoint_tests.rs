//! Tests of what outlives a run, with an operator that only adds up.

mod sums;

use std::sync::Arc;

use self::sums::{Sums, expected};
use crate::context::StreamingContext;
use crate::storage::{FileStorage, MemoryStorage, Storage};
use crate::testing::{input_batches, local_with, members_with, run_batches};
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
