//! Outputs of files, and outputs that fail: what is shown, when, and what a failure leaves.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidemill::testing::sink::{Readable, conformance};
use tidemill::testing::sinks::{CollectingSink, FailingSink, Step};
use tidemill::testing::storage::FailingStorage;
use tidemill::testing::{input_batches, local, local_with, run_batches};
use tidemill::{
    BatchTime, Conf, Error, MemoryStorage, ObjectFiles, Result, Retry, Sink, Storage, StreamingContext,
    TextFiles,
};

/// All objects of a storage.
fn paths(storage: &dyn Storage) -> Vec<String> {
    storage.list("", "", 1000).unwrap().into_iter().map(|entry| entry.path).collect()
}

fn read(storage: &dyn Storage, path: &str) -> String {
    String::from_utf8(storage.get(path, None).unwrap().unwrap()).unwrap()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let storage = tidemill::FileStorage::new(folder).unwrap();
    paths(&storage)
}

fn prefix(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn with(key: &str, value: &str) -> StreamingContext {
    let conf = Conf::new().allow_several(true).master("local[2]").unwrap();
    local_with(conf.batch_interval(Duration::from_secs(1)).unwrap().set(key, value).unwrap())
}

#[test]
fn each_batch_is_a_folder_and_each_partition_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = local(2);
    let words = input_batches(&ssc, 2, vec![vec!["sea", "tide", "mill"], vec![], vec!["ebb"]]);
    words.save_as_text_files(&prefix(&folder, "words"), "txt");
    words.save_as_text_files(&format!("file://{}", prefix(&folder, "again")), "");

    run_batches(&ssc, 3).unwrap();
    ssc.stop(true).unwrap();

    let expected = [
        "again-1000/_SUCCESS",
        "again-1000/part-00000",
        "again-1000/part-00001",
        "again-3000/_SUCCESS",
        "again-3000/part-00000",
        "again-3000/part-00001",
        "words-1000.txt/_SUCCESS",
        "words-1000.txt/part-00000",
        "words-1000.txt/part-00001",
        "words-3000.txt/_SUCCESS",
        "words-3000.txt/part-00000",
        "words-3000.txt/part-00001",
    ];
    assert_eq!(files(folder.path()), expected, "no folder for the empty batch, and nothing staged is left");
    let part = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(part("words-1000.txt/part-00000"), "sea\n");
    assert_eq!(part("words-1000.txt/part-00001"), "tide\nmill\n");
    assert_eq!(part("words-3000.txt/part-00000"), "", "a partition without elements has a part");
}

#[test]
fn an_empty_batch_has_a_folder_where_the_setting_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = with("tidemill.output.empty_batches", "true");
    let numbers = input_batches::<u64>(&ssc, 2, vec![vec![]]);
    numbers.save_as_text_files(&prefix(&folder, "text"), "");
    numbers.save_as_object_files(&prefix(&folder, "objects"), "");

    run_batches(&ssc, 1).unwrap();

    let part = |name: &str| format!("{name}-1000/part-00000");
    let all = files(folder.path());
    assert!(all.contains(&part("text")) && all.contains(&part("objects")), "{all:?}");
    assert!(all.contains(&"text-1000/_SUCCESS".to_owned()), "{all:?}");
    let read = ssc.object_file::<u64>(&prefix(&folder, "objects-1000")).unwrap();
    assert_eq!((read.num_partitions(), read.count().unwrap()), (2, 0));
}

#[test]
fn a_folder_of_the_same_time_is_overwritten() {
    let storage = Arc::new(MemoryStorage::new());
    let run = |words: Vec<&'static str>, partitions| {
        let ssc = local(1);
        input_batches(&ssc, partitions, vec![words]).save_to(TextFiles::new(storage.clone(), "words", ""));
        run_batches(&ssc, 1).unwrap();
    };

    run(vec!["old", "older", "oldest"], 3);
    run(vec!["new", "newer"], 2);

    assert_eq!(paths(&*storage), ["words-1000/_SUCCESS", "words-1000/part-00000", "words-1000/part-00001"]);
    assert_eq!(read(&*storage, "words-1000/part-00000"), "new\n");
}

#[test]
fn objects_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = local(2);
    // More than a frame holds, and elements of no bytes.
    let pairs: Vec<(String, Option<u64>)> =
        (0..20_000u64).map(|n| (format!("key {n}"), (n % 3 > 0).then_some(n))).collect();
    input_batches(&ssc, 3, vec![pairs.clone()]).save_as_object_files(&prefix(&folder, "pairs"), "bin");
    input_batches(&ssc, 1, vec![vec![(); 70_000]]).save_as_object_files(&prefix(&folder, "units"), "");
    run_batches(&ssc, 1).unwrap();

    let read = ssc.object_file::<(String, Option<u64>)>(&prefix(&folder, "pairs-1000.bin")).unwrap();
    assert_eq!(read.num_partitions(), 3);
    assert_eq!(read.collect().unwrap(), pairs);
    assert_eq!(ssc.object_file::<()>(&prefix(&folder, "units-1000")).unwrap().count().unwrap(), 70_000);
}

#[test]
fn a_folder_that_is_not_whole_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let ssc = local(1);
    input_batches(&ssc, 1, vec![vec![1u64, 2, 3]]).save_as_object_files(&prefix(&folder, "n"), "");
    run_batches(&ssc, 1).unwrap();
    let (path, part) = (prefix(&folder, "n-1000"), folder.path().join("n-1000/part-00000"));
    let whole = fs::read(&part).unwrap();

    // The last frame has 12 bytes.
    fs::write(&part, &whole[..whole.len() - 12]).unwrap();
    let error = ssc.object_file::<u64>(&path).unwrap().collect().unwrap_err().chain();
    assert!(error.contains("part-00000") && error.contains("its end is missing"), "{error}");
    fs::remove_file(folder.path().join("n-1000/_SUCCESS")).unwrap();
    let error = ssc.object_file::<u64>(&path).unwrap_err().chain();
    assert!(error.contains("n-1000") && error.contains("_SUCCESS"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_mistake_of_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "no folder").unwrap();
    let ssc = local(1);
    let words = input_batches(&ssc, 1, vec![vec!["sea"]]);
    words.save_as_text_files(&prefix(&folder, "file/words"), "");
    words.map(str::len).save_as_object_files("tape://reel/words", "");

    let error = ssc.start().unwrap_err();

    let Error::Plan(mistakes) = &error else { panic!("{error:?}") };
    assert_eq!(mistakes.len(), 2, "{error}");
    let text = error.to_string();
    assert!(text.contains("file/words") && text.contains("save_files.rs"), "{text}");
    assert!(text.contains("tape://reel"), "{text}");
}

/// A job whose sink fails in the second of three batches.
fn fail_second(on_failure: &str, step: Step) -> (StreamingContext, CollectingSink<u64>, Result<()>) {
    let ssc = with("tidemill.batch.on_failure", on_failure);
    let inner = CollectingSink::default();
    let sink = FailingSink::new(inner.clone());
    input_batches(&ssc, 1, vec![vec![1u64], vec![2], vec![3]]).save_to(sink.clone());
    run_batches(&ssc, 1).unwrap();
    sink.fail(step, 1, Retry::Never);
    let outcome = run_batches(&ssc, 2);
    (ssc, inner, outcome)
}

#[test]
fn a_sink_that_fails_stops_the_job_and_the_error_names_output_site_and_batch() {
    for step in [Step::BeforeWrite, Step::AfterWrite, Step::BeforePublish] {
        let (ssc, sink, outcome) = fail_second("stop", step);

        let error = outcome.unwrap_err().chain();
        for part in ["`save_to`", "save_files.rs", "2000 ms", &format!("{step:?}")] {
            assert!(error.contains(part), "{step:?}: {error}");
        }
        assert_eq!(sink.shown(), [[1]], "{step:?}");
        assert!(ssc.await_termination().is_err(), "{step:?}");
    }
}

#[test]
fn a_batch_whose_write_failed_is_skipped_where_the_setting_says_so() {
    let (ssc, sink, outcome) = fail_second("skip", Step::BeforeWrite);

    outcome.unwrap();
    ssc.stop(true).unwrap();

    assert_eq!(sink.shown(), [[1], [3]]);
}

#[test]
fn a_publication_that_failed_is_not_skipped_as_its_batch_is_committed() {
    let (_, sink, outcome) = fail_second("skip", Step::BeforePublish);

    assert!(outcome.is_err());
    assert_eq!((sink.shown(), sink.staged()), (vec![vec![1]], 1));
}

#[test]
fn a_write_that_fails_once_is_tried_again_and_its_rows_are_there_once() {
    let ssc = local_with(Conf::new().allow_several(true).master("local[1,3]").unwrap());
    let inner = CollectingSink::default();
    let sink = FailingSink::new(inner.clone());
    sink.fail(Step::AfterWrite, 2, Retry::WithBackoff);
    input_batches(&ssc, 1, vec![vec![1u64, 2]]).save_to(sink);

    run_batches(&ssc, 1).unwrap();

    assert_eq!(inner.shown(), [[1, 2]]);
}

#[test]
fn a_skipped_batch_leaves_no_folder() {
    let storage = Arc::new(MemoryStorage::new());
    let sink = FailingSink::new(TextFiles::new(storage.clone(), "words", ""));
    let ssc = with("tidemill.batch.on_failure", "skip");
    input_batches(&ssc, 1, vec![vec!["sea"], vec!["tide"]]).save_to(sink.clone());
    sink.fail(Step::AfterWrite, 1, Retry::Never);

    run_batches(&ssc, 1).unwrap();
    assert!(paths(&*storage).iter().all(|path| path.starts_with("_staged/")), "{:?}", paths(&*storage));
    run_batches(&ssc, 1).unwrap();

    assert_eq!(paths(&*storage), ["words-2000/_SUCCESS", "words-2000/part-00000"], "the rest is swept too");
}

#[test]
fn a_crash_at_any_call_of_the_publication_is_made_good_by_the_next_one() {
    let mut crashes = 0;
    for crash in 0.. {
        let disk = Arc::new(MemoryStorage::new());
        // A whole folder of an older run, with a part more.
        for name in ["part-00000", "part-00001", "part-00002", "_SUCCESS"] {
            let _ = disk.put(&format!("n-1000/{name}"), b"old", tidemill::PutMode::Replace).unwrap();
        }
        let storage = FailingStorage::new(disk.clone());
        let ssc = local(1);
        let sink = Twice { storage: storage.clone(), disk: disk.clone(), crash };
        input_batches(&ssc, 2, vec![vec![1u64, 2]]).save_to(sink);

        run_batches(&ssc, 1).unwrap();

        let expected = ["n-1000/_SUCCESS", "n-1000/part-00000", "n-1000/part-00001"];
        assert_eq!(paths(&*disk), expected, "crash at call {crash}");
        assert_eq!(read(&*disk, "n-1000/part-00001"), "2\n", "crash at call {crash}");
        if storage.calls() < crash {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 5, "the publication has calls to crash at");
}

/// Publishes on a storage that crashes, then again on one that does not.
struct Twice {
    storage: FailingStorage,
    disk: Arc<MemoryStorage>,
    crash: u64,
}

impl Sink<u64> for Twice {
    fn write(
        &self,
        id: &tidemill::OutputId,
        epoch: tidemill::Epoch,
        rows: tidemill::Rows<u64>,
        task: &tidemill::TaskContext,
    ) -> Result<tidemill::Receipt> {
        TextFiles::new(self.disk.clone(), "n", "").write(id, epoch, rows, task)
    }

    fn publish(&self, batch: BatchTime, receipts: &[tidemill::Receipt]) -> Result<()> {
        self.storage.crash_at(self.crash);
        let first = TextFiles::new(Arc::new(self.storage.clone()), "n", "");
        let crashed = Sink::<u64>::publish(&first, batch, receipts).is_err();
        let whole = self.disk.get("n-1000/_SUCCESS", None)?.is_some_and(|mark| mark.is_empty());
        let new = self.disk.get("n-1000/part-00001", None)?.as_deref() == Some(b"2\n");
        assert!(new || !whole, "a folder that says it is whole holds the new parts");
        assert!(crashed || whole);
        Sink::<u64>::publish(&TextFiles::new(self.disk.clone(), "n", ""), batch, receipts)
    }
}

struct Texts(Arc<MemoryStorage>);

impl Readable for Texts {
    type Sink = TextFiles;
    const FENCES: bool = false;

    fn sink(&self) -> TextFiles {
        TextFiles::new(self.0.clone(), "rows", "txt")
    }

    fn visible(&self, batch: BatchTime) -> Vec<String> {
        let all = self.0.list(&format!("rows-{}.txt/part-", batch.as_millis()), "", 100).unwrap();
        all.iter()
            .flat_map(|entry| read(&*self.0, &entry.path).lines().map(String::from).collect::<Vec<_>>())
            .collect()
    }
}

struct Objects(tempfile::TempDir, StreamingContext);

impl Readable for Objects {
    type Sink = ObjectFiles;
    const FENCES: bool = false;

    fn sink(&self) -> ObjectFiles {
        let storage = tidemill::FileStorage::new(self.0.path()).unwrap();
        ObjectFiles::new(Arc::new(storage), "rows", "")
    }

    fn visible(&self, batch: BatchTime) -> Vec<String> {
        let folder = self.0.path().join(format!("rows-{}", batch.as_millis()));
        if !folder.exists() {
            return Vec::new();
        }
        self.1.object_file(folder.to_str().unwrap()).unwrap().collect().unwrap()
    }
}

struct Collecting(CollectingSink<String>);

impl Readable for Collecting {
    type Sink = CollectingSink<String>;
    const FENCES: bool = true;

    fn sink(&self) -> CollectingSink<String> {
        self.0.clone()
    }

    fn visible(&self, batch: BatchTime) -> Vec<String> {
        self.0.shown_at(batch)
    }
}

#[test]
fn text_files_keep_the_promises_of_a_sink() {
    conformance(|| Texts(Arc::new(MemoryStorage::new())));
}

#[test]
fn object_files_keep_the_promises_of_a_sink() {
    conformance(|| Objects(tempfile::tempdir().unwrap(), local(1)));
}

#[test]
fn the_collecting_sink_keeps_the_promises_of_a_sink() {
    conformance(|| Collecting(CollectingSink::default()));
}
