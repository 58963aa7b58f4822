//! Step `examples`: the packaged jobs run to their end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo::{Metadata, cargo, command};

const PACKAGE: &str = "tidemill-examples";

/// Far longer than any of the jobs takes; one that reaches it hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// A job, how it is called, and what it has to print.
struct Job {
    bin: &'static str,
    args: &'static [&'static str],
    /// How many frames each run prints at least.
    frames: usize,
    /// For jobs with `--checkpoint`: the second run has what the first one left.
    twice: bool,
    /// Part of a line that the last run prints.
    says: &'static str,
}

/// The packaged jobs. A new one is added here.
const JOBS: &[Job] = &[
    Job {
        bin: "network_word_count",
        args: &["--interval", "500ms", "--batches", "3"],
        frames: 3,
        twice: false,
        says: "(\"",
    },
    Job {
        bin: "windowed_word_count",
        args: &["--interval", "200ms", "--window", "1200ms", "--slide", "400ms", "--batches", "8"],
        frames: 4,
        twice: false,
        says: "(\"",
    },
    Job {
        bin: "stateful_network_word_count",
        // Enough for all words of the text, so that the two below are among them.
        args: &["--interval", "200ms", "--batches", "4", "--print", "1000"],
        frames: 4,
        twice: true,
        says: "(\"hello\", 1)",
    },
    Job {
        bin: "page_view_sessions",
        args: &["--interval", "200ms", "--batches", "8", "--idle", "400ms"],
        frames: 8,
        twice: true,
        says: ", Visit { pages: ",
    },
];

/// Builds the examples and runs each job.
pub(crate) fn run() -> Result<()> {
    let metadata = Metadata::of_host()?;
    let Some(examples) = metadata.member(PACKAGE) else {
        println!("{PACKAGE} is not there yet: skipped");
        return Ok(());
    };
    cargo(&["build", "--locked", "-p", PACKAGE, "--bins"])?;
    for job in JOBS {
        if !examples.bins.iter().any(|bin| bin == job.bin) {
            println!("{} is not there yet: skipped", job.bin);
            continue;
        }
        let program = metadata.target_directory.join("debug").join(job.bin);
        let program = program.to_str().context("the target directory's name is no text")?;
        let checkpoint = metadata.target_directory.join("checkpoint").join(job.bin);
        let mut args: Vec<&str> = job.args.to_vec();
        if job.twice {
            // What a run of long ago has left is of no use.
            if checkpoint.exists() {
                std::fs::remove_dir_all(&checkpoint)?;
            }
            args.extend([
                "--checkpoint",
                checkpoint.to_str().context("the target directory's name is no text")?,
            ]);
            let first = printed(job, program, &args)?;
            let second = printed(job, program, &args)?;
            goes_on(&first, &second).with_context(|| job.bin)?;
        } else {
            printed(job, program, &args)?;
        }
    }
    Ok(())
}

/// Runs a job to its end, shows what it prints, and returns that.
fn printed(job: &Job, program: &str, args: &[&str]) -> Result<Vec<String>> {
    println!("$ {program} {}", args.join(" "));
    let mut child = command(program, args)?
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} does not start", job.bin))?;
    let stdout = child.stdout.take().context("its output is not there")?;
    // The lines come on a thread of their own, so that a job that prints nothing and goes on is seen too.
    let lines = std::thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.inspect(|line| println!("  {line}")).collect::<Vec<_>>()
    });
    wait(&mut child, PATIENCE).with_context(|| job.bin)?;
    let lines = lines.join().ok().context("its output could not be read")?;
    let frames = lines.iter().filter(|line| line.starts_with("Time: ")).count();
    if frames < job.frames {
        bail!("{} printed {frames} frames instead of {}", job.bin, job.frames);
    }
    if !lines.iter().any(|line| line.contains(job.says)) {
        bail!("{} never printed `{}`", job.bin, job.says);
    }
    Ok(lines)
}

/// The first frame of a second run has the counts of the last frame of the first one, or higher ones.
fn goes_on(first: &[String], second: &[String]) -> Result<()> {
    let (before, now) = (frames(first), frames(second));
    let (Some(before), Some(now)) = (before.last(), now.first()) else { bail!("there are no frames") };
    let missing = before.iter().find(|pair| now.get(pair.0).is_none_or(|now| now < pair.1));
    match missing {
        Some((word, count)) => bail!("`{word}` was counted {count} times, and less often behind a restart"),
        None => Ok(()),
    }
}

/// The frames of an output, with their lines of the form `("word", 3)`.
fn frames(lines: &[String]) -> Vec<BTreeMap<&str, u64>> {
    let mut frames = Vec::new();
    for line in lines {
        if line.starts_with("Time: ") {
            frames.push(BTreeMap::new());
        } else if let Some(frame) = frames.last_mut() {
            let pair = line.strip_prefix("(\"").and_then(|line| line.strip_suffix(')')?.split_once("\", "));
            if let Some((word, count)) = pair.and_then(|(word, count)| Some((word, count.parse().ok()?))) {
                frame.insert(word, count);
            }
        }
    }
    frames
}

/// Waits for a success, and ends what is not done within `patience`.
fn wait(child: &mut Child, patience: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("failed ({status})"),
            None if start.elapsed() > patience => {
                child.kill()?;
                child.wait()?;
                bail!("not done after {patience:?}");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str, patience: Duration) -> Result<()> {
        wait(&mut command("sh", &["-c", script])?.spawn()?, patience)
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_second_run_that_has_counted_anew_is_an_error() {
        let first = lines("Time: 1 ms\n(\"sea\", 1)\n\nTime: 2 ms\n(\"sea\", 2)\n(\"mill\", 1)\n");
        for (second, goes) in [
            ("Time: 3 ms\n(\"sea\", 3)\n(\"mill\", 1)\n", true),
            ("Time: 3 ms\n(\"sea\", 1)\n(\"mill\", 1)\n", false),
            ("Time: 3 ms\n(\"sea\", 2)\n\nTime: 4 ms\n(\"sea\", 2)\n(\"mill\", 1)\n", false),
            ("", false),
        ] {
            assert_eq!(goes_on(&first, &lines(second)).is_ok(), goes, "{second}");
        }
    }

    #[test]
    fn a_job_that_fails_or_hangs_is_an_error_and_ends() {
        ended("exit 0", PATIENCE).unwrap();
        assert!(ended("exit 3", PATIENCE).unwrap_err().to_string().contains('3'));
        assert!(ended("exec sleep 1000", Duration::ZERO).unwrap_err().to_string().starts_with("not done"));
    }
}
