//! States of keys in whole jobs: members, a seeded runtime, look-ups while the job runs, views behind their batch.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidemill::testing::{collect_batches, input_batches, local, members, run_batches, seeded_members};
use tidemill::{Error, StateReader, StateSpec, StreamingContext, Text};

type Pairs = Vec<(u32, u64)>;

fn batches() -> Vec<Pairs> {
    (0..8_u64).map(|batch| (0..40).map(|n| (((batch * 7 + n * n) % 29) as u32, n)).collect()).collect()
}

fn sorted<T: Ord>(mut batches: Vec<Vec<T>>) -> Vec<Vec<T>> {
    batches.iter_mut().for_each(|batch| batch.sort());
    batches
}

/// Sums with a timeout, all states behind each batch, and all sums of another operator.
fn job(ssc: &StreamingContext) -> (Vec<Vec<(u32, u64, bool)>>, Vec<Pairs>, Vec<Pairs>) {
    let pairs = input_batches(ssc, 3, batches());
    let spec = StateSpec::new().timeout(Duration::from_secs(1));
    let mapped = pairs.map_with_state(spec, |key, value, state| {
        let sum = state.get().unwrap_or(&0) + value.unwrap_or(0);
        if !state.is_timing_out() {
            state.update(sum);
        }
        (*key, sum, state.is_timing_out())
    });
    let all = pairs.update_state_by_key(|new, sum: Option<u64>| Some(sum.unwrap_or(0) + new.sum::<u64>()));
    let (seen, states, all) =
        (collect_batches(&mapped), collect_batches(&mapped.state_snapshots()), collect_batches(&all));
    run_batches(ssc, 10).unwrap();
    (sorted(seen.batches()), sorted(states.batches()), sorted(all.batches()))
}

#[test]
fn states_are_the_same_on_one_member_and_on_several() {
    let alone = members(1, 2, job).remove(0);
    assert!(alone.0.concat().iter().any(|(_, _, over)| *over), "some keys time out");
    assert_eq!(alone.1[9], [], "all of them, at last");
    for count in [2, 3] {
        for of_member in members(count, 2, job) {
            assert_eq!(of_member, alone, "{count} members");
        }
    }
}

#[test]
fn states_are_the_same_whatever_thread_comes_first() {
    let alone = members(1, 2, job).remove(0);
    for seed in 0..6 {
        let (results, _) = seeded_members(seed, 2, 2, job);
        for of_member in results {
            assert_eq!(of_member, alone, "seed {seed}");
        }
    }
}

/// Two sums for each key that are always equal, each batch adds one to all.
fn twins(ssc: &StreamingContext) {
    let pairs = input_batches(ssc, 2, vec![(0..500_u32).map(|key| (key, 1_u64)).collect(); 6]);
    let sums = pairs.update_state_by_key(|new, sum: Option<u64>| Some(sum.unwrap_or(0) + new.sum::<u64>()));
    sums.uid("sums").foreach_rdd(|_, _| Ok(()));
}

#[test]
fn an_answer_is_of_one_committed_batch_whatever_runs_meanwhile() {
    let ssc = local(2);
    twins(&ssc);
    let looked = Arc::new(Mutex::new(Vec::new()));
    let (asking, found) = (ssc.clone(), Arc::clone(&looked));
    input_batches(&ssc, 1, vec![vec![0]]).foreach_rdd(move |_, time| {
        let reader = asking.state::<u32, u64>("sums")?;
        // The batch that runs is not committed yet.
        if let Ok((batch, states)) = reader.get(&[3, 499, 500]) {
            found.lock().unwrap().push((time.as_millis(), batch.as_millis(), states));
        }
        Ok(())
    });
    run_batches(&ssc, 3).unwrap();
    let of = |batch: u64| ((batch + 1) * 1000, batch * 1000, vec![Some(batch), Some(batch), None]);
    assert_eq!(*looked.lock().unwrap(), [of(1), of(2)]);
}

#[test]
fn a_scan_has_all_states_as_of_its_batch_while_batches_go_on() {
    let ssc = local(2);
    twins(&ssc);
    run_batches(&ssc, 2).unwrap();
    let mut scan = ssc.state::<u32, u64>("sums").unwrap().scan().unwrap();
    let mut all = scan.next().unwrap().unwrap();
    run_batches(&ssc, 2).unwrap();
    all.extend(scan.by_ref().flat_map(|pairs| pairs.unwrap()));
    all.sort_unstable();

    assert_eq!(scan.batch().as_millis(), 2000);
    assert_eq!(all, (0..500).map(|key| (key, 2)).collect::<Pairs>());
    assert_eq!(ssc.state::<u32, u64>("sums").unwrap().get(&[7]).unwrap().1, [Some(4)]);
}

#[test]
fn who_asks_for_what_is_not_there_is_told_what_is() {
    let ssc = local(2);
    twins(&ssc);
    let error = |state: Result<StateReader<u32, u64>, Error>| state.unwrap_err().to_string();
    assert!(error(ssc.state("sums")).contains("between the start and the end"), "before the start");
    run_batches(&ssc, 1).unwrap();

    let unknown = error(ssc.state("summs"));
    assert!(unknown.contains("`summs`") && unknown.contains("`sums`"), "{unknown}");
    let other = ssc.state::<u64, u64>("sums").unwrap_err().to_string();
    assert!(other.contains("`u32`") && other.contains("`u64`"), "{other}");
}

#[test]
fn a_key_of_another_member_is_an_error_that_says_so() {
    let told = members(2, 2, |ssc| {
        twins(ssc);
        let (asking, told) = (ssc.clone(), Arc::new(Mutex::new(None)));
        let telling = Arc::clone(&told);
        // Asked within a batch, which ends on no member before all have asked.
        input_batches(ssc, 1, vec![vec![0]]).foreach_rdd(move |_, time| {
            if time.as_millis() == 2000 {
                let reader = asking.state::<u32, u64>("sums")?;
                let mine: Vec<u32> = reader.scan()?.flat_map(Result::unwrap).map(|(key, _)| key).collect();
                let (_, found) = reader.get(&mine)?;
                assert!(found.iter().all(|state| *state == Some(1)));
                let other = (0..500).find(|key| !mine.contains(key)).unwrap();
                let error = reader.get(&[other]).unwrap_err().to_string();
                *telling.lock().unwrap() = Some((mine.len(), error));
            }
            Ok(())
        });
        run_batches(ssc, 2).unwrap();
        told.lock().unwrap().take().unwrap()
    });
    assert_eq!(told.iter().map(|(count, _)| count).sum::<usize>(), 500);
    assert!(told.iter().all(|(_, error)| error.contains("another member")), "{told:?}");
}

/// Takes each batch's states out of the job.
fn kept(ssc: &StreamingContext) -> Arc<Mutex<Vec<tidemill::Rdd<(char, u64)>>>> {
    let pairs = input_batches(ssc, 2, vec![vec![('a', 1_u64)], vec![('a', 1), ('b', 5)], vec![]]);
    let sums = pairs.update_state_by_key(|new, sum: Option<u64>| Some(sum.unwrap_or(0) + new.sum::<u64>()));
    let rdds = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&rdds);
    sums.foreach_rdd(move |rdd, _| {
        keep.lock().unwrap().push(rdd);
        Ok(())
    });
    rdds
}

#[test]
fn a_view_of_states_can_be_read_until_the_next_commit_and_says_so_later() {
    let ssc = local(2);
    let rdds = kept(&ssc);
    run_batches(&ssc, 2).unwrap();
    let rdds = rdds.lock().unwrap();

    assert_eq!(sorted(vec![rdds[1].collect().unwrap()]), [[('a', 2), ('b', 5)]]);
    let error = rdds[0].collect().unwrap_err().chain();
    assert!(error.contains("1000 ms") && error.contains("`remember`"), "{error}");
}

#[test]
fn states_that_are_remembered_are_copied_in_their_batch() {
    let ssc = local(2);
    ssc.remember(Duration::from_mins(1));
    let rdds = kept(&ssc);
    run_batches(&ssc, 3).unwrap();
    let rdds = rdds.lock().unwrap();

    assert_eq!(rdds[0].collect().unwrap(), [('a', 1)]);
    assert_eq!(sorted(vec![rdds[2].collect().unwrap()]), [[('a', 2), ('b', 5)]]);
}

#[test]
fn a_window_has_the_states_of_batches_that_are_over() {
    let ssc = local(2);
    let pairs = input_batches(&ssc, 2, vec![vec![('a', 1_u64)], vec![('a', 1)]]);
    let sums = pairs.update_state_by_key(|new, sum: Option<u64>| Some(sum.unwrap_or(0) + new.sum::<u64>()));
    let windows = collect_batches(&sums.window(Duration::from_secs(2), None));
    run_batches(&ssc, 3).unwrap();
    assert_eq!(
        sorted(windows.batches()),
        [vec![('a', 1)], vec![('a', 1), ('a', 2)], vec![('a', 2), ('a', 2)]]
    );
}

#[test]
fn a_key_that_belongs_elsewhere_is_an_error_that_names_it() {
    let ssc = local(2);
    let pairs = input_batches(&ssc, 1, vec![vec![(1_u32, 1_u64)]]);
    let spec = StateSpec::<u32, u64>::new().num_partitions(128);
    let states = pairs.update_state_by_key_iter(spec, |known| {
        known.flat_map(|(key, _, _)| [(key, 1), (key + 1, 1), (key + 2, 1)])
    });
    states.foreach_rdd(|_, _| Ok(()));
    let error = run_batches(&ssc, 1).unwrap_err().chain();
    assert!(error.contains("the key 2") || error.contains("the key 3"), "{error}");
}

#[test]
fn a_number_of_partitions_that_cannot_be_is_a_mistake_of_the_plan() {
    for (count, may) in [(0, false), (1, true), (128, true), (129, false)] {
        let ssc = local(2);
        let pairs = input_batches(&ssc, 1, vec![vec![(1, 1)]]);
        let spec = StateSpec::<i32, i32>::new().num_partitions(count);
        pairs.map_with_state(spec, |_, _, _| 0).foreach_rdd(|_, _| Ok(()));
        let started = ssc.start();
        assert_eq!(started.is_ok(), may, "{count}: {started:?}");
        let said = started.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(may || said.contains(&format!("not in {count}")), "{said}");
        ssc.stop(false).ok();
    }
}

#[test]
fn a_timeout_of_update_state_by_key_is_a_mistake_of_the_plan() {
    let ssc = local(2);
    let pairs = input_batches(&ssc, 1, vec![vec![(1, 1)]]);
    let spec = StateSpec::<i32, i32>::new().timeout(Duration::from_secs(1));
    pairs.update_state_by_key_with(spec, |_, state| state).foreach_rdd(|_, _| Ok(()));
    let said = ssc.start().unwrap_err().to_string();
    assert!(said.contains("a timeout is of no use here"), "{said}");
}

#[test]
fn a_state_holds_no_block_that_its_text_was_cut_from() {
    let block: Text = "a line that is too long to lie inside of the value itself, as most are".into();
    let (key, state) = (block.part(|line| &line[2..40]), block.part(|line| &line[10..60]));
    let place = |text: &Text| text.as_str().as_ptr() as usize;
    let within = place(&block)..place(&block) + block.len();
    assert!(within.contains(&place(&key)) && within.contains(&place(&state)), "they share it");

    let ssc = local(2);
    let pairs = input_batches(&ssc, 1, vec![vec![(key, state)]; 2]);
    let last = pairs.map_with_state(StateSpec::new(), |_, value, state| {
        if let Some(value) = value {
            state.update(value);
        }
    });
    last.uid("last").foreach_rdd(|_, _| Ok(()));
    run_batches(&ssc, 2).unwrap();
    let kept = ssc.state::<Text, Text>("last").unwrap().scan().unwrap().next().unwrap().unwrap();
    assert_eq!(kept.len(), 1);
    assert!(!within.contains(&place(&kept[0].0)) && !within.contains(&place(&kept[0].1)));
}
