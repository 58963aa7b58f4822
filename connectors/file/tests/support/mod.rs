//! A folder, a job by a manual clock that reads it, and what the job told its listeners.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tidemill::testing::{Collected, collect_batches, local, run_batches};
use tidemill::{BatchInfo, Event, StreamingContext, StreamingListener, Text};
use tidemill_file::{FileStream, FileStreams as _, TextLines};

/// Far longer than anything here takes; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A folder for files.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), content).unwrap();
    }

    /// Says that a file was modified so long after 1970.
    pub(crate) fn touch(&self, name: &str, after: Duration) {
        let file = File::options().append(true).open(self.at(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + after).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.at(name)).unwrap();
    }

    /// A stream of the lines of its files, each as soon as it is found.
    pub(crate) fn stream(&self) -> FileStream<TextLines> {
        at_once(FileStream::text(self.path()))
    }
}

/// Reads a file as soon as it is found.
pub(crate) fn at_once(stream: FileStream<TextLines>) -> FileStream<TextLines> {
    stream.settle(Duration::ZERO).watch(false)
}

/// A job with one stream, which has started.
pub(crate) struct Job {
    pub(crate) ssc: StreamingContext,
    pub(crate) lines: Collected<Text>,
    events: Receiver<Event>,
    seen: usize,
}

struct Listener(Sender<Event>);

impl StreamingListener for Listener {
    fn on_event(&self, event: &Event) {
        let _ = self.0.send(event.clone());
    }
}

impl Job {
    pub(crate) fn start(stream: FileStream<TextLines>) -> Self {
        Self::start_in(local(2), stream)
    }

    pub(crate) fn start_in(ssc: StreamingContext, stream: FileStream<TextLines>) -> Self {
        let lines = collect_batches(&ssc.file_stream(stream));
        let (sender, events) = channel();
        ssc.add_streaming_listener(Listener(sender));
        ssc.start().unwrap();
        Self { ssc, lines, events, seen: 0 }
    }

    /// The lines of the next batch, in order.
    pub(crate) fn batch(&mut self) -> Vec<String> {
        run_batches(&self.ssc, 1).unwrap();
        let batches = self.lines.batches();
        self.seen += 1;
        assert_eq!(batches.len(), self.seen);
        batches[self.seen - 1].iter().map(ToString::to_string).collect()
    }

    /// The lines of the next batch, sorted.
    pub(crate) fn batch_sorted(&mut self) -> Vec<String> {
        let mut lines = self.batch();
        lines.sort_unstable();
        lines
    }

    /// What people were told since the last call.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.try_iter().collect()
    }

    /// The warnings since the last call.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warning =
            |event| if let Event::InputWarning { warning, .. } = event { Some(warning) } else { None };
        self.events().into_iter().filter_map(warning).collect()
    }

    /// The batches since the last call.
    pub(crate) fn batches(&self) -> Vec<BatchInfo> {
        let batch = |event| if let Event::BatchCompleted(batch) = event { Some(batch) } else { None };
        self.events().into_iter().filter_map(batch).collect()
    }
}
