//! Outputs of several members: each effect is there once, as on one member.

use std::fs;
use std::sync::Arc;

use parking_lot::Mutex;
use tidemill::testing::{input_batches, members, run_batches};
use tidemill::{
    BatchTime, Epoch, MemoryStorage, OutputId, Receipt, Result, Rows, Sink, Storage, StreamingContext,
    TaskContext, TextFiles,
};

/// Three batches of numbers in five partitions; the second is empty.
fn numbers(ssc: &StreamingContext) -> tidemill::DStream<u64> {
    input_batches(ssc, 5, vec![(0..23).collect(), vec![], vec![7, 8]])
}

fn run(ssc: &StreamingContext) {
    run_batches(ssc, 3).unwrap();
    ssc.stop(true).unwrap();
}

#[test]
fn what_is_done_on_the_driver_is_done_once_and_all_members_hear_of_it() {
    for count in [1, 2, 3] {
        let effects = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&effects);
        let told = members(count, 2, move |ssc| {
            let told = Arc::new(Mutex::new(Vec::new()));
            let (told_here, effects) = (Arc::clone(&told), Arc::clone(&shared));
            numbers(ssc).foreach_rdd(move |rdd, time| {
                let total = rdd.count()?;
                let effects = Arc::clone(&effects);
                let written = rdd.on_driver(move || {
                    let mut effects = effects.lock();
                    effects.push((time.as_millis(), total));
                    Ok(effects.len())
                })?;
                told_here.lock().push(written);
                Ok(())
            });
            run(ssc);
            std::mem::take(&mut *told.lock())
        });

        // Behind the three there may be an empty one at the stop.
        assert_eq!(effects.lock()[..3], [(1000, 23), (2000, 0), (3000, 2)], "{count} members");
        let calls = effects.lock().len();
        for told in told {
            assert_eq!(told, (1..=calls).collect::<Vec<_>>(), "{count} members");
        }
    }
}

/// What lies below a folder, with its text.
fn files(folder: &std::path::Path) -> Vec<(String, String)> {
    let storage = tidemill::FileStorage::new(folder).unwrap();
    let all = storage.list("", "", 1000).unwrap();
    let text = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    all.into_iter().map(|entry| (entry.path.clone(), text(&entry.path))).collect()
}

#[test]
fn several_members_write_the_same_files_as_one() {
    let written = |count| {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("n").to_str().unwrap().to_owned();
        members(count, 2, move |ssc| {
            numbers(ssc).map(|n| n * n).save_as_text_files(&prefix, "txt");
            run(ssc);
        });
        files(folder.path())
    };

    let alone = written(1);

    let names: Vec<&str> = alone.iter().map(|(path, _)| path.as_str()).collect();
    let expected = ["_SUCCESS", "part-00000", "part-00001", "part-00002", "part-00003", "part-00004"];
    let of = |time: u64| expected.map(|name| format!("n-{time}.txt/{name}"));
    assert_eq!(names, [of(1000), of(3000)].concat());
    assert_eq!(alone[1], ("n-1000.txt/part-00000".into(), "0\n1\n4\n9\n".into()));
    for count in [2, 3] {
        assert_eq!(written(count), alone, "{count} members");
    }
}

/// Text files, with a list of who wrote and published what.
#[derive(Clone)]
struct Counted {
    inner: Arc<TextFiles>,
    writes: Arc<Mutex<Vec<(u64, u32)>>>,
    publications: Arc<Mutex<Vec<u64>>>,
}

impl Sink<u64> for Counted {
    fn write(&self, id: &OutputId, epoch: Epoch, rows: Rows<u64>, task: &TaskContext) -> Result<Receipt> {
        self.writes.lock().push((id.batch.as_millis(), id.partition));
        self.inner.write(id, epoch, rows, task)
    }

    fn publish(&self, batch: BatchTime, receipts: &[Receipt]) -> Result<()> {
        self.publications.lock().push(batch.as_millis());
        Sink::<u64>::publish(&*self.inner, batch, receipts)
    }
}

#[test]
fn each_part_is_written_by_one_member_and_each_batch_published_by_one() {
    for count in [1, 3] {
        let storage = Arc::new(MemoryStorage::new());
        let sink = Counted {
            inner: Arc::new(TextFiles::new(storage.clone(), "n", "")),
            writes: Arc::default(),
            publications: Arc::default(),
        };
        let shared = sink.clone();
        members(count, 2, move |ssc| {
            numbers(ssc).save_to(shared.clone());
            run(ssc);
        });

        // An empty batch asks the sink too.
        let mut writes = sink.writes.lock().clone();
        writes.sort_unstable();
        let of = |batch: u64| (0..5).map(move |part| (batch * 1000, part));
        assert_eq!(writes, (1..=3).flat_map(of).collect::<Vec<_>>(), "{count} members");
        // The batch at the stop of several members has no partition to write; it is published all the same.
        let published = sink.publications.lock().clone();
        let expected: Vec<u64> = (1..=published.len().max(3) as u64).map(|batch| batch * 1000).collect();
        assert_eq!(published, expected, "{count} members");
        assert!(storage.list("_staged", "", 10).unwrap().is_empty(), "{count} members");
    }
}
