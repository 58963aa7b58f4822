//! Windows give what a model gives that keeps everything, whatever fails and however many members there are.

#[path = "windows/plan.rs"]
mod plan;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use plan::{Batches, Given, Plan, SECOND, plans};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidemill::testing::sinks::CollectingSink;
use tidemill::testing::{
    collect_batches, input_batches, local, local_with, members, members_with, run_batches, seeded_members,
};
use tidemill::{BatchTime, BoxError, Conf, DStream, MemoryStorage, Storage};

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() })
}

#[test]
fn windows_give_what_a_model_gives_that_keeps_everything_whatever_fails() {
    let tried = runner(40).run(&plans(), |plan| {
        prop_assert_eq!(plan.run(&local(2)), plan.expected());
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn windows_give_the_same_on_two_and_on_three_members() {
    let tried = runner(10).run(&(plans(), 2u32..4), |(plan, count)| {
        let expected = plan.expected();
        let plan = Plan { fails_every: None, ..plan };
        for (me, given) in members(count, 2, move |ssc| plan.run(ssc)).into_iter().enumerate() {
            prop_assert_eq!(given, expected.clone(), "member {}", me);
        }
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn windows_give_the_same_in_every_order_of_threads() {
    let plan = Plan {
        batches: (0..7).map(|batch| (0..batch).map(|n| (n, format!("{batch}{n} "))).collect()).collect(),
        partitions: 2,
        length: 5,
        slide: 2,
        fails_every: None,
    };
    let expected = plan.expected();
    for seed in 0..8 {
        let plan = plan.clone();
        let (given, _) = seeded_members(seed, 2, 2, move |ssc| plan.run(ssc));
        assert_eq!(given, [expected.clone(), expected.clone()], "seed {seed}");
    }
}

fn sorted<T: Ord>(mut batches: Vec<Vec<T>>) -> Vec<Vec<T>> {
    batches.iter_mut().for_each(|batch| batch.sort());
    batches
}

#[test]
fn the_form_with_an_inverse_gives_what_the_form_without_gives() {
    let ssc = local(2);
    // Key b has a value of 0 every other time.
    let numbers = input_batches(&ssc, 2, (1..10).map(|n| vec![('a', n), ('b', n % 2)]).collect());
    let sum = |a: i32, b: i32| a + b;
    let mut given = Vec::new();
    // Also with a slide that is longer than the window.
    for (length, slide) in [(2, 1), (2, 3), (4, 2), (3, 2)] {
        let (length, slide) = (SECOND * length, SECOND * slide);
        let plain = numbers.reduce_by_key_and_window(length, slide, sum);
        let inverse = numbers.reduce_by_key_and_window_inverse(length, slide, sum, |a, b| a - b);
        let filtered =
            numbers.reduce_by_key_and_window_filtered(length, slide, sum, |a, b| a - b, |(_, n)| *n > 0);
        given.push([plain, inverse, filtered].map(|stream| collect_batches(&stream)));
    }
    run_batches(&ssc, 14).unwrap();
    let of = |case: usize, form: usize| sorted(given[case][form].batches());
    assert_eq!(of(1, 0)[..3], [[('a', 5), ('b', 1)], [('a', 11), ('b', 1)], [('a', 17), ('b', 1)]]);
    for case in 0..given.len() {
        let plain = of(case, 0);
        assert_eq!(of(case, 1), plain);
        assert!(plain.last().is_some_and(Vec::is_empty), "all have left: {plain:?}");
        let positive =
            |batch: Vec<(char, i32)>| batch.into_iter().filter(|(_, n)| *n > 0).collect::<Vec<_>>();
        assert_eq!(of(case, 2), plain.into_iter().map(positive).collect::<Vec<_>>());
    }
}

#[test]
fn windows_need_no_checkpoint_directory() {
    let conf = Conf::new().master("local[2]").unwrap().batch_interval(SECOND).unwrap();
    let ssc = local_with(conf.set("tidemill.state.volatile", "false").unwrap());
    let numbers = input_batches(&ssc, 1, vec![vec![1, 2], vec![3]]);
    let counts = collect_batches(&numbers.count_by_window(2 * SECOND, None));
    let sums =
        collect_batches(&numbers.reduce_by_window_inverse(2 * SECOND, None, |a, b| a + b, |a, b| a - b));
    run_batches(&ssc, 2).unwrap();
    assert_eq!((counts.batches(), sums.batches()), (vec![vec![2], vec![3]], vec![vec![3], vec![6]]));
}

#[test]
fn what_is_before_a_window_is_forgotten_with_its_batch() {
    let ssc = local(2);
    let batches: Vec<Vec<Arc<String>>> = (0..4).map(|n| vec![Arc::new(n.to_string())]).collect();
    let held: Vec<Weak<String>> = batches.iter().map(|batch| Arc::downgrade(&batch[0])).collect();
    let texts = input_batches(&ssc, 1, batches).map(|text| text.to_string());
    let window = collect_batches(&texts.window(4 * SECOND, None));
    let joined = collect_batches(&texts.reduce_by_window(4 * SECOND, None, |a, b| a + &b));
    run_batches(&ssc, 4).unwrap();
    assert_eq!(window.batches()[3], ["0", "1", "2", "3"]);
    assert_eq!(joined.batches()[3], ["0123"]);
    let alive: Vec<bool> = held.iter().map(|text| text.strong_count() > 0).collect();
    assert_eq!(alive, [false, false, false, true]);
}

#[test]
fn a_window_over_a_window_and_over_a_union_is_by_time_too() {
    let ssc = local(2);
    let numbers = input_batches(&ssc, 2, (1..=8).map(|n| vec![n]).collect());
    let tens = input_batches(&ssc, 1, (1..=8).map(|n| vec![n * 10]).collect());
    let both = numbers.union(&tens).window(2 * SECOND, 2 * SECOND);
    let sums = both.reduce_by_window(4 * SECOND, 4 * SECOND, |a, b| a + b);
    let by_key = numbers.map(|n| (n % 2, n)).reduce_by_key_and_window(2 * SECOND, 2 * SECOND, |a, b| a + b);
    let windows =
        (collect_batches(&both), collect_batches(&sums), collect_batches(&by_key.window(4 * SECOND, None)));
    run_batches(&ssc, 8).unwrap();
    assert_eq!(windows.0.batches()[..2], [[1, 10, 2, 20], [3, 30, 4, 40]]);
    assert_eq!(windows.1.batches(), [[110], [286]]);
    assert_eq!(
        sorted(windows.2.batches()),
        [
            vec![(0, 2), (1, 1)],
            vec![(0, 2), (0, 4), (1, 1), (1, 3)],
            vec![(0, 4), (0, 6), (1, 3), (1, 5)],
            vec![(0, 6), (0, 8), (1, 5), (1, 7)]
        ]
    );
}

#[test]
fn a_function_of_transform_may_read_a_window_while_the_batch_is_drawn() {
    let ssc = local(2);
    let numbers = input_batches(&ssc, 2, vec![vec![3, 1], vec![2], vec![]]);
    let shares = |sums: &DStream<i32>| {
        collect_batches(&sums.try_transform(|rdd| {
            let all = rdd.collect()?.into_iter().sum::<i32>();
            Ok(rdd.map(move |n| (n, all)))
        }))
    };
    let window = shares(&numbers.window(2 * SECOND, None));
    let sums = shares(&numbers.reduce_by_window(2 * SECOND, None, |a, b| a + b));
    run_batches(&ssc, 3).unwrap();
    assert_eq!(window.batches(), [vec![(3, 4), (1, 4)], vec![(3, 6), (1, 6), (2, 6)], vec![(2, 2)]]);
    assert_eq!(sums.batches(), [[(4, 4)], [(6, 6)], [(2, 2)]]);
}

#[test]
fn a_batch_that_is_skipped_is_in_no_window() {
    let conf = Conf::new().master("local[2]").unwrap().batch_interval(SECOND).unwrap();
    let ssc = local_with(conf.set("tidemill.batch.on_failure", "skip").unwrap());
    let numbers = input_batches(&ssc, 1, (1..=6).map(|n| vec![n]).collect());
    let window = numbers.window(3 * SECOND, None);
    let sums = numbers.map(|n| ((), n)).reduce_by_key_and_window(3 * SECOND, None, |a, b| a + b).values();
    let (given, summed) = (collect_batches(&window), collect_batches(&sums));
    // Behind the windows: they have run when it fails.
    sums.foreach_rdd(|_, time| if time.as_millis() == 3000 { Err("low water".into()) } else { Ok(()) });
    run_batches(&ssc, 6).unwrap();
    let at = |time: u64| given.times().iter().position(|known| known.as_millis() == time).unwrap();
    assert_eq!(given.batches()[at(3000)], [1, 2, 3], "the failed batch itself has seen it");
    let behind: Vec<_> = [4000, 5000, 6000]
        .map(|time| (given.batches()[at(time)].clone(), summed.batches()[at(time)][0]))
        .into();
    assert_eq!(behind, [(vec![2, 4], 6), (vec![4, 5], 9), (vec![4, 5, 6], 15)]);
}

#[test]
fn what_a_window_reads_is_rejected_in_its_own_batch_and_once() {
    let ssc = local(2);
    let sink = CollectingSink::default();
    ssc.dead_letters_to(sink.clone());
    let batches = [vec!["1", "ebb"], vec!["2"], vec!["flood", "3"], vec![]];
    let words =
        input_batches(&ssc, 2, batches.map(|batch| batch.into_iter().map(String::from).collect()).into());
    let numbers = words.map_or_reject(|word| word.parse::<u64>().map_err(BoxError::from));
    let sums = collect_batches(&numbers.reduce_by_window(4 * SECOND, 2 * SECOND, |a, b| a + b));
    let window = collect_batches(&numbers.window(4 * SECOND, 2 * SECOND));
    run_batches(&ssc, 4).unwrap();
    assert_eq!((sums.batches(), window.batches()), (vec![vec![3], vec![6]], vec![vec![1, 2], vec![1, 2, 3]]));
    let letters: Vec<usize> =
        (1..=4).map(|n| sink.shown_at(BatchTime::from_millis(n * 1000)).len()).collect();
    assert_eq!(letters, [1, 0, 1, 0]);
}

/// Runs `plan` in runs of so many members and batches, each of which goes on where the one before ended.
fn in_runs(plan: &Plan, runs: &[(u32, usize)], storage: &Arc<dyn Storage>) -> Given {
    let conf = Conf::new().set("tidemill.default.parallelism", "3").unwrap();
    let (mut given, mut first) = (Given::default(), 0);
    for (count, batches) in runs.iter().copied() {
        let (plan, storage) = (plan.clone(), Arc::clone(storage));
        let some: Batches = plan.batches.iter().skip(first).take(batches).cloned().collect();
        let mut of_members = members_with(conf.clone(), count, 2, move |ssc| {
            ssc.checkpoint_to(Arc::clone(&storage));
            plan.run_batches(ssc, some.clone(), batches)
        });
        first += batches;
        given = given.then(of_members.swap_remove(0));
    }
    given
}

#[test]
fn with_a_checkpoint_a_window_goes_on_at_a_restart_also_with_other_members() {
    let runs = prop::collection::vec((1u32..4, 1usize..6), 2..5);
    let tried = runner(12).run(&(plans(), runs), |(plan, runs)| {
        let plan = Plan { fails_every: None, ..plan };
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let all = runs.iter().map(|(_, batches)| batches).sum();
        prop_assert_eq!(in_runs(&plan, &runs, &storage), plan.expected_until(all), "{:?}", runs);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_window_that_was_written_down_in_many_batches_goes_on_from_few_objects() {
    let batches: Batches = (0..230u32)
        .map(|batch| (0..batch % 5).map(|n| ((n * batch % 6) as u8, format!("{batch}.{n} "))).collect())
        .collect();
    let plan = Plan { batches, partitions: 2, length: 40, slide: 4, fails_every: None };
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let runs = [(1, 110), (2, 90), (1, 10), (3, 20)];
    let (given, expected) = (in_runs(&plan, &runs, &storage), plan.expected_until(230));
    assert_eq!(given.times, expected.times);
    for (window, (given, expected)) in given.window.iter().zip(&expected.window).enumerate() {
        assert_eq!(given, expected, "window {window}");
    }
    assert_eq!(given, expected);
    let objects = storage.list("bases/", "", 10_000).unwrap();
    assert!(!objects.is_empty(), "so many batches are worth a base");
    // Eight operators, of each member at most a few objects that reach into the window.
    assert!(objects.len() <= 8 * 3 * 12, "{} objects", objects.len());
}

#[test]
fn panes_that_do_not_fit_into_memory_are_spilled_and_give_the_same() {
    // Each batch has 48 KiB, and each of eight windows keeps nine of them.
    let text = |batch: u32, n: u32| format!("{batch}.{n} {}", "some text ".repeat(400));
    let batches: Batches =
        (0..16).map(|batch| (0..12).map(|n| ((n * batch % 6) as u8, text(batch, n))).collect()).collect();
    let plan = Plan { batches, partitions: 2, length: 9, slide: 2, fails_every: None };
    let expected = plan.expected();
    for disk in ["10g", "0b"] {
        let folder = tempfile::tempdir().unwrap();
        let conf = Conf::new().master("local[2]").unwrap().batch_interval(SECOND).unwrap();
        let conf = conf.set("tidemill.memory", "1m").unwrap().set("tidemill.memory.disk", disk).unwrap();
        let ssc = local_with(conf.set("tidemill.memory.spill_dir", folder.path().to_str().unwrap()).unwrap());
        let seen = Arc::new(AtomicUsize::new(0));
        let (most, spilled) = (Arc::clone(&seen), folder.path().to_owned());
        input_batches(&ssc, 1, vec![vec![0]]).foreach_rdd(move |_, _| {
            most.fetch_max(files(&spilled), Ordering::Relaxed);
            Ok(())
        });
        assert!(plan.run(&ssc) == expected, "disk: {disk}");
        assert_eq!(seen.load(Ordering::Relaxed) > 4, disk != "0b", "files for a disk of {disk}");
    }
}

/// Files in a folder and in those below it.
fn files(folder: &Path) -> usize {
    let entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.iter().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
