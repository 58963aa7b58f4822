//! `files`: lines and words of a gigabyte of text in eight files, against a reader by hand.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use memchr::{memchr_iter, memrchr};
use tidemill::{Conf, Rdd, StreamingContext, Text};
use tidemill_file::{FileStream, FileStreams as _};

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Repeats, THREADS, Workload, repeat};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "files",
    goals: &[Goal { figure: "rate_ratio", want: Want::RatioAtLeast(0.7) }],
    sides: BOTH,
    run,
    entry,
};

/// Eight files of two million lines each: 1.07 GB.
const FILES: usize = 8;
const COPIES: usize = 2;

/// All files each time; the first pass brings them into the system's memory.
const REPEATS: Repeats = Repeats { warm: 1, measured: 10 };

/// So much is read at once by hand.
const BLOCK: usize = 256 << 10;

/// What was seen: lines, words.
type Seen = (u64, u64);

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    generate(setup.limits.data())?;
    run_child(setup.entry(Name::Files, side)?)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    match args.side {
        Side::Tidemill => by_tidemill(args),
        Side::Limit => {
            let files: Vec<PathBuf> = (0..FILES).map(|file| path_of(&args.data, file)).collect();
            let n = by_hand(&files)?.0;
            measured(n, args, || by_hand(&files))
        }
    }
}

/// The batch that holds the files is read as often as told.
fn by_tidemill(args: &EntryArgs) -> Result<Measured> {
    // All files in one batch, as by hand: a rate would begin with the first of them.
    let conf = Conf::new()
        .master(format!("local[{THREADS}]"))?
        .batch_interval(Duration::from_millis(100))?
        .set("tidemill.streaming.backpressure.enabled", "false")?;
    let ssc = StreamingContext::from_conf(conf)?;
    let files = FileStream::text(folder(&args.data)).new_files_only(false).settle(Duration::ZERO);
    let (sender, receiver) = mpsc::sync_channel(1);
    let again = EntryArgs { data: args.data.clone(), ..*args };
    ssc.file_stream(files).foreach_rdd(move |rdd, _| {
        let n = seen(&rdd)?.0;
        // The batches before and behind the one with the files are empty.
        if n > 0 {
            let _ = sender.try_send(measured(n, &again, || seen(&rdd)));
        }
        Ok(())
    });
    ssc.start()?;
    let measured = receiver.recv_timeout(Duration::from_mins(10)).context("no batch had files")??;
    ssc.stop(false)?;
    Ok(measured)
}

fn measured(n: u64, args: &EntryArgs, pass: impl FnMut() -> Result<Seen>) -> Result<Measured> {
    let (measured, (lines, words)) = repeat(REPEATS.of(args.quick), n, pass)?;
    ensure!(lines == n, "{lines} lines were read, then {n}");
    Ok(measured.with("words", words))
}

fn seen(lines: &Rdd<Text>) -> Result<Seen> {
    let words = lines.map(|line| (1, line.split(' ').count() as u64));
    Ok(words.reduce(|a, b| (a.0 + b.0, a.1 + b.1))?.unwrap_or_default())
}

/// Each thread reads the next file that nobody has read.
fn by_hand(files: &[PathBuf]) -> Result<Seen> {
    let next = AtomicUsize::new(0);
    let thread = || -> Result<Seen> {
        let mut sum = (0, 0);
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (lines, words) = read(file).with_context(|| format!("reading {}", file.display()))?;
            sum = (sum.0 + lines, sum.1 + words);
        }
        Ok(sum)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS).map(|_| scope.spawn(thread)).collect();
        running.into_iter().try_fold((0, 0), |sum, thread| {
            let (lines, words) = thread.join().map_err(|_| anyhow!("a thread by hand panicked"))??;
            Ok((sum.0 + lines, sum.1 + words))
        })
    })
}

/// Blocks into one buffer; whole lines of it are checked to be text, cut, and cut into words.
fn read(path: &Path) -> Result<Seen> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 2 * BLOCK];
    let (mut rest, mut lines, mut words) = (0, 0, 0);
    loop {
        let read = match file.read(&mut buffer[rest..rest + BLOCK]) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let filled = rest + read;
        let end = if read == 0 { filled } else { memrchr(b'\n', &buffer[..filled]).map_or(0, |end| end + 1) };
        let text = std::str::from_utf8(&buffer[..end])?;
        let mut start = 0;
        let mut line = |end: usize| {
            lines += 1;
            words += text[start..end].split(' ').count() as u64;
            start = end + 1;
        };
        memchr_iter(b'\n', text.as_bytes()).for_each(&mut line);
        if read == 0 {
            if end > 0 {
                line(end);
            }
            return Ok((lines, words));
        }
        buffer.copy_within(end..filled, 0);
        rest = filled - end;
        ensure!(rest <= BLOCK, "a line is longer than {BLOCK} bytes");
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join("files")
}

fn path_of(data: &Path, file: usize) -> PathBuf {
    folder(data).join(format!("lines-{file}.txt"))
}

/// Writes the files, once.
fn generate(data: &Path) -> Result<()> {
    if folder(data).exists() {
        return Ok(());
    }
    let lines = data.join("lines.txt");
    let lines = fs::read(&lines).with_context(|| format!("reading {}", lines.display()))?;
    // Into another folder first: half the files of an interrupted run would be taken for all.
    let part = data.join("files.part");
    fs::create_dir_all(&part).with_context(|| format!("making {}", part.display()))?;
    for file in 0..FILES {
        let path = part.join(format!("lines-{file}.txt"));
        fs::write(&path, lines.repeat(COPIES)).with_context(|| format!("writing {}", path.display()))?;
    }
    fs::rename(&part, folder(data)).with_context(|| format!("moving {} into place", part.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_by_hand_counts_lines_and_words_across_blocks() {
        let path = std::env::temp_dir().join(format!("tidemill-benches-files-{}", std::process::id()));
        fs::write(&path, "to be or not\n".repeat(BLOCK / 10) + "to be").unwrap();
        let seen = read(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(seen.unwrap(), (BLOCK as u64 / 10 + 1, BLOCK as u64 / 10 * 4 + 2));
    }
}
