//! What receivers bring in beyond the memory goes to disk, comes back as it was, and is lost nowhere on the way.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use proptest::prelude::*;
use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::{
    Collected, Turn, clock, collect_batches, limit_spill_disk, local_with, run_batches, seeded_members_with,
};
use tidemill::{Clock, Conf, Event, StreamingContext, StreamingListener, Text, TextLinesBlock};

/// How long a test waits for what must happen; only a broken promise takes that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// One megabyte of memory, so much disk, and one task thread.
fn conf(folder: &Path, disk: &str) -> Conf {
    let settings = [
        // What comes in, comes in at once.
        ("tidemill.streaming.backpressure.enabled", "false"),
        ("tidemill.memory", "1m"),
        ("tidemill.memory.disk", disk),
        ("tidemill.memory.spill_dir", folder.to_str().unwrap()),
    ];
    let conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    settings.into_iter().fold(conf, |conf, (key, value)| conf.set(key, value).unwrap())
}

fn scripted(ssc: &StreamingContext) -> (Script<String>, Collected<String>) {
    let script = Script::new();
    let collected = collect_batches(&ssc.receiver_stream(script.clone()));
    ssc.start().unwrap();
    (script, collected)
}

/// The sizes of the spill files that there are.
fn spilled(folder: &Path) -> Vec<u64> {
    let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().collect::<Vec<_>>();
    let folders = inside(folder).into_iter().map(|folder| folder.path());
    let files = folders.flat_map(|folder| inside(&folder));
    let files = files.filter(|file| file.file_name() != "lock");
    files.filter_map(|file| Some(file.metadata().ok()?.len())).collect()
}

fn pass_a_second(ssc: &StreamingContext) {
    let Clock::Manual(clock) = clock(ssc) else { panic!("not by hand") };
    clock.advance(Duration::from_secs(1));
}

/// A record of a thousand bytes or so, which LZ4 makes hardly smaller.
fn record(n: u64) -> String {
    let mut x = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let noise = std::iter::repeat_with(|| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        char::from(b' ' + (x % 95) as u8)
    });
    format!("{n} ").chars().chain(noise).take(1000).collect()
}

/// What a receiver may do with four records.
fn step(kind: u64, n: u64) -> Vec<Step<String>> {
    let records = || (n..n + 4).map(record);
    match kind {
        0 => records().map(Step::Emit).collect(),
        1 => vec![Step::EmitAll("a", records().collect(), Some(n + 4))],
        _ => vec![Step::EmitBlock("b", records().collect(), 4000)],
    }
}

/// Sends what listeners hear of failures to spill.
struct Failures(Mutex<mpsc::Sender<String>>);

impl StreamingListener for Failures {
    fn on_event(&self, event: &Event) {
        if let Event::SpillFailed { input, error, .. } = event {
            self.0.lock().unwrap().send(format!("{input}: {error}")).unwrap();
        }
    }
}

fn failures(ssc: &StreamingContext) -> mpsc::Receiver<String> {
    let (failed, failures) = mpsc::channel();
    ssc.add_streaming_listener(Failures(Mutex::new(failed)));
    failures
}

#[test]
fn what_is_beyond_the_memory_waits_on_disk_in_order_and_its_file_goes_with_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = local_with(conf(folder.path(), "1g"));
    let (script, collected) = scripted(&ssc);
    let mut steps: Vec<_> = (0..2500).flat_map(|n| step(n % 3, n * 4)).collect();
    let last = steps.pop().unwrap();
    steps.into_iter().for_each(|step| script.push(step));

    // Ten megabytes, with no batch run: only the disk makes it possible.
    script.run(last);
    let files = spilled(folder.path());
    assert!(files.len() <= 3 && files.iter().sum::<u64>() > 7_000_000, "{files:?}");
    run_batches(&ssc, 1).unwrap();
    let expected: Vec<_> = (0..10_000).map(record).collect();
    assert!(collected.batches().concat() == expected, "records were lost, moved, or changed");
    // Blocks are kept until the next batch is done.
    run_batches(&ssc, 1).unwrap();
    assert_eq!(spilled(folder.path()), []);
    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat().len(), expected.len());
}

#[test]
fn lines_come_back_from_disk_as_they_were_with_what_is_rejected() {
    struct Lines(mpsc::Sender<()>);
    impl tidemill::Receiver for Lines {
        type Record = Text;
        type Position = ();

        async fn run(&self, gate: tidemill::Gate<Text, ()>) -> tidemill::Result<()> {
            for n in 0..200 {
                let mut bytes = format!("{n}\n{}\n", record(n)).repeat(50).into_bytes();
                bytes.extend_from_slice(b"\xff\n");
                gate.emit_block("lines", TextLinesBlock::new(bytes, 1 << 20), None).await?;
            }
            self.0.send(()).unwrap();
            Ok(())
        }
    }
    #[derive(Clone, Default)]
    struct Rejected(Arc<Mutex<u64>>);
    impl StreamingListener for Rejected {
        fn on_event(&self, event: &Event) {
            if let Event::RecordsRejected { records, .. } = event {
                *self.0.lock().unwrap() += records;
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let ssc = local_with(conf(folder.path(), "1g"));
    let rejected = Rejected::default();
    ssc.add_streaming_listener(rejected.clone());
    let (done, all_in) = mpsc::channel();
    let lines = ssc.receiver_stream(Lines(done));
    let (collected, counted) = (collect_batches(&lines), collect_batches(&lines.count()));
    ssc.start().unwrap();
    all_in.recv_timeout(PATIENCE).unwrap();
    assert!(spilled(folder.path()).iter().sum::<u64>() > 0, "nothing was spilled");
    run_batches(&ssc, 1).unwrap();
    ssc.stop(true).unwrap();

    let expected: Vec<_> = (0..200).flat_map(|n| vec![[n.to_string(), record(n)]; 50].concat()).collect();
    assert!(collected.batches().concat() == expected, "lines were lost, moved, or changed");
    assert_eq!(counted.batches().concat().iter().sum::<u64>(), 20_000);
    assert_eq!(*rejected.0.lock().unwrap(), 200);
}

#[test]
fn a_full_disk_closes_the_gate_with_one_event_and_the_receiver_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = local_with(conf(folder.path(), "1g"));
    let failures = failures(&ssc);
    let script = Script::new();
    let stream = ssc.receiver_stream(script.clone());
    let (let_go, held) = mpsc::channel();
    let held = Mutex::new(held);
    stream.foreach_rdd(move |_, time| {
        // The first batch holds its blocks, and so the memory, until the test lets it go.
        if time.as_millis() == 1000 {
            held.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    let collected = collect_batches(&stream);
    limit_spill_disk(&ssc, Some(500_000));
    ssc.start().unwrap();
    let steps: Vec<_> = (0..800).flat_map(|n| step(n % 3, n * 4)).collect();
    let all = steps.len() as u64;
    steps.into_iter().for_each(|step| script.push(step));

    let failure = failures.recv_timeout(PATIENCE).unwrap();
    assert!(failure.starts_with("script: ") && failure.contains("spill to"), "{failure}");
    // The next try, which fails too: a batch takes what was about to be written, and so much more comes in.
    pass_a_second(&ssc);
    let before = script.progress().begun;
    assert!(before < all, "nothing waited");
    limit_spill_disk(&ssc, None);
    pass_a_second(&ssc);
    script.wait(|progress| progress.done == all);
    let_go.send(()).unwrap();
    run_batches(&ssc, 1).unwrap();
    ssc.stop(true).unwrap();

    let expected: Vec<_> = (0..3200).map(record).collect();
    assert!(collected.batches().concat() == expected, "records were lost, moved, or changed");
    assert_eq!(failures.try_iter().collect::<Vec<_>>(), Vec::<String>::new(), "told more than once");
}

#[test]
fn a_graceful_stop_on_a_full_disk_takes_what_waits_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = local_with(conf(folder.path(), "1g"));
    let failures = failures(&ssc);
    limit_spill_disk(&ssc, Some(300_000));
    let (script, collected) = scripted(&ssc);
    (0..4000).for_each(|n| script.push(Step::Emit(record(n))));
    failures.recv_timeout(PATIENCE).unwrap();

    ssc.stop(true).unwrap();

    let progress = script.progress();
    assert!(!progress.running && progress.begun < 4000, "{progress:?}");
    let expected: Vec<_> = (0..progress.begun).map(record).collect();
    assert!(collected.batches().concat() == expected, "records were lost, moved, or changed");
}

#[test]
fn a_block_is_cut_before_it_is_larger_than_the_setting_wherever_it_lies() {
    for memory in ["64m", "1m"] {
        let folder = tempfile::tempdir().unwrap();
        let conf = conf(folder.path(), "1g").set("tidemill.memory", memory).unwrap();
        let ssc = local_with(conf.set("tidemill.source.block_bytes", "1m").unwrap());
        let script = Script::new();
        let partitions = Arc::new(Mutex::new(Vec::<usize>::new()));
        let seen = Arc::clone(&partitions);
        ssc.receiver_stream(script.clone()).foreach_rdd(move |rdd, _| {
            *seen.lock().unwrap() = rdd.glom().collect()?.iter().map(Vec::len).collect();
            Ok(())
        });
        ssc.start().unwrap();
        // The clock stands, so it is not their age.
        (0..10).for_each(|n| script.push(Step::EmitBlock("a", vec![n.to_string()], 400_000)));
        script.push(Step::EmitBlock("a", vec!["large".into()], 3 << 20));
        script.run(Step::Emit("small".into()));
        run_batches(&ssc, 1).unwrap();
        ssc.stop(true).unwrap();

        assert_eq!(*partitions.lock().unwrap(), [2, 2, 2, 2, 2, 1, 1], "{memory}");
    }
}

fn emitted(seed: u64, memory: &str) -> (Vec<Vec<Vec<String>>>, Vec<Turn>) {
    let folder = tempfile::tempdir().unwrap();
    let conf = conf(folder.path(), "1g").set("tidemill.memory", memory).unwrap();
    seeded_members_with(seed, 3, 2, conf, |ssc| {
        let scripts: Vec<Script<String>> = (0..3).map(|_| Script::new()).collect();
        for (receiver, script) in (0u64..).zip(&scripts) {
            let of_batch = |n: u64| step(n % 3, receiver * 1_000_000 + n * 4);
            (0..400).flat_map(of_batch).for_each(|step| script.push(step));
        }
        let streams: Vec<_> = scripts.iter().map(|script| ssc.receiver_stream(script.clone())).collect();
        let collected: Vec<_> = streams.iter().map(collect_batches).collect();
        run_batches(ssc, 4).unwrap();
        ssc.stop(true).unwrap();
        collected.iter().map(|collected| collected.batches().concat()).collect()
    })
}

#[test]
fn on_three_members_the_disk_changes_no_result_and_the_same_seed_gives_the_same_run() {
    let expected: Vec<Vec<_>> =
        (0..3).map(|receiver| (0..1600).map(|n| record(receiver * 1_000_000 + n)).collect()).collect();
    let is_expected = |results: &[Vec<Vec<String>>]| results.iter().all(|member| *member == expected);
    for seed in 0..2 {
        let (results, turns) = emitted(seed, "1m");
        assert!(is_expected(&results), "records were lost, moved, or changed: seed {seed}");
        assert!(turns.iter().any(|turn| &*turn.thread == "spill"), "nothing was spilled: seed {seed}");
        let (again, turns_again) = emitted(seed, "1m");
        assert!(again == results && turns_again == turns, "seed {seed}");
    }
    let (results, turns) = emitted(0, "512m");
    assert!(is_expected(&results));
    assert!(turns.iter().all(|turn| &*turn.thread != "spill"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_comes_in_and_however_little_room_there_is_it_comes_out_as_it_was(
        kinds in prop::collection::vec((0u64..3, 1usize..100), 1..30),
        disk in prop::sample::select(vec!["0b", "200k", "1m", "1g"]),
        device in prop::option::of(0u64..1_000_000),
        batches in 0u64..3,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let ssc = local_with(conf(folder.path(), disk));
        limit_spill_disk(&ssc, device);
        let (script, collected) = scripted(&ssc);
        let mut n = 0;
        for (kind, times) in kinds {
            for _ in 0..times {
                step(kind, n).into_iter().for_each(|step| script.push(step));
                n += 4;
            }
            run_batches(&ssc, batches).unwrap();
        }
        // A gate that is closed opens with a batch or two, as nothing else holds memory.
        for _ in 0..1000 {
            if collected.batches().iter().map(Vec::len).sum::<usize>() as u64 == n {
                break;
            }
            run_batches(&ssc, 1).unwrap();
        }
        ssc.stop(true).unwrap();

        let expected: Vec<_> = (0..n).map(record).collect();
        prop_assert!(collected.batches().concat() == expected, "records were lost, moved, or changed");
        drop(ssc);
        prop_assert_eq!(spilled(folder.path()), []);
    }
}
