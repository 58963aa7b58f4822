//! What a plan that was changed is told at its start.

use tidemill::testing::{collect_batches, input_batches, local_with, run_batches};
use tidemill::{Conf, Error, MemoryStorage, Result, StateSpec};

use super::{conf, input};

/// Runs one batch of a sum under `uid`, in `partitions` partitions.
fn sums(conf: Conf, storage: &MemoryStorage, uid: &str, partitions: Option<u32>) -> Result<Vec<u64>> {
    let ssc = local_with(conf);
    ssc.checkpoint_to(storage.clone());
    let spec = match partitions {
        Some(count) => StateSpec::new().num_partitions(count),
        None => StateSpec::new(),
    };
    let pairs = input_batches(&ssc, 1, vec![input(1)]).map(|(_, value)| ((), value));
    let sums = pairs.map_with_state(spec, |(), value, sum| {
        sum.update(sum.get().copied().unwrap_or(0) + value.unwrap_or(0));
        sum.get().copied().unwrap_or(0)
    });
    let given = collect_batches(&sums.uid(uid));
    run_batches(&ssc, 1)?;
    ssc.stop(false)?;
    Ok(given.batches().remove(0))
}

fn said(result: Result<Vec<u64>>) -> String {
    match result {
        Err(error @ (Error::Plan(_) | Error::Setting { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn state_under_another_name_is_refused_with_both_names_or_begun_anew_where_that_is_accepted() {
    let storage = MemoryStorage::new();
    let first = sums(conf(), &storage, "sums", None).unwrap();
    let text = said(sums(conf(), &storage, "totals", None));
    assert!(text.contains("`sums`") && text.contains("`totals`") && text.contains(file!()), "{text}");
    assert!(text.contains("tidemill.state.mismatch"), "{text}");
    let accept = conf().set("tidemill.state.mismatch", "accept").unwrap();
    assert_eq!(sums(accept, &storage, "totals", None).unwrap(), first, "it begins anew");
    assert!(sums(conf(), &storage, "totals", None).unwrap() > first, "and goes on");
}

#[test]
fn another_number_of_partitions_is_refused_with_both_numbers() {
    let storage = MemoryStorage::new();
    sums(conf(), &storage, "sums", Some(7)).unwrap();
    let text = said(sums(conf(), &storage, "sums", Some(4)));
    assert!(text.contains("7 partitions in the checkpoint, and 4 in the plan"), "{text}");
    sums(conf(), &storage, "sums", Some(7)).unwrap();
}

#[test]
fn the_default_of_partitions_is_that_of_the_first_start_and_another_one_is_refused() {
    let storage = MemoryStorage::new();
    sums(conf(), &storage, "sums", None).unwrap();
    // Another machine has other task slots.
    let slots = Conf::new().master("local[8]").unwrap();
    sums(slots, &storage, "sums", None).unwrap();
    let other = Conf::new().set("tidemill.default.parallelism", "8").unwrap();
    let text = said(sums(other, &storage, "sums", None));
    assert!(text.contains("`tidemill.default.parallelism` is 8, but must be 3"), "{text}");
}

#[test]
fn another_batch_interval_is_refused() {
    let storage = MemoryStorage::new();
    sums(conf(), &storage, "sums", None).unwrap();
    let slower = conf().batch_interval(std::time::Duration::from_secs(2)).unwrap();
    let text = said(sums(slower, &storage, "sums", None));
    assert!(text.contains("batch_interval` is 2s, but must be 1s"), "{text}");
}

#[test]
fn a_checkpoint_is_named_once_and_before_the_start() {
    let ssc = local_with(Conf::new());
    ssc.checkpoint_to(MemoryStorage::new());
    ssc.checkpoint("s3://bucket/job");
    ssc.state_backend(tidemill::MemoryState::new());
    ssc.state_backend(tidemill::MemoryState::new());
    input_batches(&ssc, 1, vec![vec![1]]).count().pprint();
    let Err(Error::Plan(mistakes)) = run_batches(&ssc, 1) else { panic!("it has started") };
    let said: Vec<String> = mistakes.iter().map(|mistake| mistake.message.clone()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("s3://bucket/job"), "{said:?}");
    assert!(
        said[1].contains("the checkpoint directory is set already") && said[1].contains(file!()),
        "{said:?}"
    );
    assert!(said[2].contains("the state backend is set already"), "{said:?}");
}
