//! The input behind a stream of files.

use std::collections::HashSet;
use std::hash::BuildHasher as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::fast::FixedState;
use parking_lot::Mutex;
use tidemill::{Ask, Chunk, Chunks, DirectInput, Error, InputContext, Rejects, Result, TaskContext};

use crate::look::{FileRange, Filter, Judge, Judged, KnownFiles, Listing, News, Pattern, Rules, Walk, Watch};
use crate::part::{FileId, FilePart};
use crate::read::{FileFormat, Nothing, cuts, read_part};
use crate::stream::FileStream;

/// A record is taken to have so many bytes until some were read. So short are few, so where the number of records is limited
/// the first batch has rather too few than too many.
const FIRST_RECORD_BYTES: u64 = 16;

/// A stream of files, asked batch by batch.
pub(crate) struct FileInput<F> {
    stream: FileStream<()>,
    format: Arc<F>,
    rules: Rules,
    started: OnceLock<(InputContext, Pattern)>,
    looks: Mutex<Looks>,
    read: Arc<Read>,
}

/// What is kept from look to look on member 0.
#[derive(Default)]
struct Looks {
    judge: Judge,
    watch: Option<Watch>,
    // What lay there at the start, until a plan has said so.
    before: Arc<KnownFiles>,
    slow: bool,
}

/// What was read in this process, to know how long a record is.
#[derive(Debug, Default)]
struct Read {
    bytes: AtomicU64,
    records: AtomicU64,
}

impl<F: FileFormat> FileInput<F> {
    /// The input of `stream`; a file that is gone stays known for `remember` unless the stream says it.
    pub(crate) fn new(stream: FileStream<F>, remember: Duration) -> Self {
        let (stream, format) = stream.without_format();
        let remember = stream.remember.unwrap_or(remember);
        let rules = Rules { settle: stream.settle, remember, on_change: stream.on_change };
        Self {
            stream,
            format: Arc::new(format),
            rules,
            started: OnceLock::new(),
            looks: Mutex::default(),
            read: Arc::default(),
        }
    }

    fn look(&self, pattern: &Pattern, known: &KnownFiles) -> Result<Listing> {
        let filter: Option<&Filter> = self.stream.filter.as_deref();
        // The filter is a user's function, and nobody above expects one to panic here.
        catch_unwind(AssertUnwindSafe(|| Walk::look(pattern, self.stream.nested, filter, known)))
            .map_err(|panic| Error::Panic(format!("in the filter of a file stream: {}", panic_text(&*panic))))
    }

    /// The first look: what is there already.
    fn begin(&self, with: &InputContext, pattern: &Pattern) -> Result<()> {
        let mut looks = Looks::default();
        if self.stream.watch {
            match Watch::start() {
                Ok(watch) => looks.watch = Some(watch),
                Err(why) => with.warn(why),
            }
        }
        let listing = self.look(pattern, &KnownFiles::default())?;
        if let Some(why) = looks.watch.as_mut().and_then(|watch| watch.follow(&listing.folders)) {
            with.warn(why);
        }
        if self.stream.new_files_only {
            let mut before = KnownFiles::default();
            listing.strangers.iter().for_each(|file| before.learn(&file.path, file.length));
            looks.before = Arc::new(before);
        }
        let judged = looks.judge.judge(&listing, &HashSet::default(), with.uptime(), &self.rules)?;
        judged.warnings.into_iter().for_each(|warning| with.warn(warning));
        *self.looks.lock() = looks;
        Ok(())
    }

    fn judged(&self, position: &KnownFiles) -> Result<Judged> {
        let Some((with, pattern)) = self.started.get() else { return Ok(Judged::default()) };
        // No lock while the filter runs.
        let (before, closed) = {
            let looks = self.looks.lock();
            let closed = looks.watch.as_ref().map(Watch::closed).unwrap_or_default();
            (Arc::clone(&looks.before), closed)
        };
        let known = if position.begun() { position } else { &*before };
        let listing = self.look(pattern, known)?;
        let mut looks = self.looks.lock();
        let mut judged = looks.judge.judge(&listing, &closed, with.uptime(), &self.rules)?;
        judged.warnings.extend(looks.watch.as_mut().and_then(|watch| watch.follow(&listing.folders)));
        if position.begun() {
            looks.before = Arc::default();
        }
        Ok(judged)
    }

    /// As many files as the records allow, whole and at least one.
    fn allowed(&self, files: Vec<FileId>, records_max: Option<u64>) -> Vec<FileId> {
        let Some(records_max) = records_max else { return files };
        let mut records = 0u64;
        let fits = |file: &FileId| {
            let room = records == 0 || records < records_max;
            records = records.saturating_add(self.read.records_in(file.length).max(1));
            room
        };
        files.into_iter().take_while(fits).collect()
    }

    fn warn_if_slow(&self, with: &InputContext, took: Duration, within: Duration) {
        let mut looks = self.looks.lock();
        let was = std::mem::replace(&mut looks.slow, took > within);
        drop(looks);
        if took > within && !was {
            with.warn(format!("looking for new files took {took:?}; fewer files or folders make it faster"));
        }
    }
}

impl<F: FileFormat> DirectInput for FileInput<F> {
    type Record = F::Record;
    type Range = FileRange;
    type Position = KnownFiles;

    fn start(&self, with: &InputContext) -> Result<()> {
        self.format.check()?;
        let pattern = Pattern::new(&self.stream.path)?;
        if with.member() == 0 {
            self.begin(with, &pattern)?;
        }
        let _ = self.started.set((with.clone(), pattern));
        Ok(())
    }

    fn advance(position: &mut KnownFiles, range: &FileRange) {
        position.advance(range);
    }

    fn plan(&self, position: &KnownFiles, ask: &Ask) -> Result<Vec<FileRange>> {
        let began = self.started.get().map(|(with, _)| with.uptime());
        let judged = self.judged(position)?;
        if let (Some((with, _)), Some(began)) = (self.started.get(), began) {
            self.warn_if_slow(with, with.uptime().saturating_sub(began), ask.within);
            judged.warnings.into_iter().for_each(|warning| with.warn(warning));
        }
        let before = (!position.begun()).then(|| self.looks.lock().before.all());
        let forgotten = judged.forgotten.into_iter().map(Into::into).collect();
        let news = News { before, forgotten };
        let mut ranges = Vec::new();
        for file in self.allowed(judged.files, ask.records_max) {
            for (from, to) in cuts(&*self.format, &file, self.stream.part_bytes) {
                ranges.push(FileRange { part: Some(FilePart { file: file.clone(), from, to }), news: None });
            }
        }
        if !news.is_empty() {
            // What was learned travels with the first partition, or in one of its own that is empty.
            if ranges.is_empty() {
                ranges.push(FileRange { part: None, news: None });
            }
            if let Some(first) = ranges.first_mut() {
                first.news = Some(Box::new(news));
            }
        }
        Ok(ranges)
    }

    fn records(&self, range: &FileRange) -> Option<u64> {
        // Only who reads a file knows.
        range.part.is_none().then_some(0)
    }

    fn read(
        &self,
        range: &FileRange,
        rejects: &Rejects,
        task: &TaskContext,
    ) -> Result<Box<dyn Chunks<F::Record>>> {
        let Some(part) = &range.part else { return Ok(Box::new(Nothing)) };
        let records = read_part(&self.format, part, self.stream.on_broken, rejects, task)?;
        Ok(Box::new(Counted { records, count: 0, bytes: part.to - part.from, read: Arc::clone(&self.read) }))
    }

    fn home(&self, range: &FileRange) -> u64 {
        let part = range.part.as_ref().map(|part| (part.file.path.as_os_str(), part.from));
        FixedState::default().hash_one(part)
    }

    fn name(&self) -> String {
        format!("files {}", self.stream)
    }
}

impl Read {
    /// A part was read to its end.
    fn learn(&self, bytes: u64, records: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    /// About how many records so many bytes are.
    fn records_in(&self, bytes: u64) -> u64 {
        let records = self.records.load(Ordering::Relaxed);
        match self.bytes.load(Ordering::Relaxed) {
            0 => bytes / FIRST_RECORD_BYTES,
            read => {
                u64::try_from(u128::from(bytes) * u128::from(records) / u128::from(read)).unwrap_or(u64::MAX)
            }
        }
    }
}

/// Counts the records of a part.
struct Counted<T> {
    records: Box<dyn Chunks<T>>,
    count: u64,
    bytes: u64,
    read: Arc<Read>,
}

impl<T> Chunks<T> for Counted<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        let Self { records, count, bytes, read } = self;
        let chunk = records.next()?;
        match &chunk {
            Some(chunk) => *count += chunk.as_slice().len() as u64,
            None => read.learn(*bytes, *count),
        }
        Ok(chunk)
    }

    fn count_rest(&mut self) -> Result<u64> {
        let rest = self.records.count_rest()?;
        self.read.learn(self.bytes, self.count + rest);
        Ok(rest)
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "a value that is no text",
    }
}

#[cfg(test)]
mod tests;
