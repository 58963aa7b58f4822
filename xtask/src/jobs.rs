//! Step `examples`: the packaged jobs run to their end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo::{Metadata, cargo, command};

const PACKAGE: &str = "tidemill-examples";

/// Far longer than any of the jobs takes; one that reaches it hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// A job, how it is called, and how many frames it prints at least.
struct Job {
    bin: &'static str,
    args: &'static [&'static str],
    frames: usize,
}

/// The packaged jobs. A new one is added here.
const JOBS: &[Job] =
    &[Job { bin: "network_word_count", args: &["--interval", "500ms", "--batches", "3"], frames: 3 }];

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
        println!("$ {program} {}", job.args.join(" "));
        let mut child = command(program, job.args)?
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", job.bin))?;
        let stdout = child.stdout.take().context("its output is not there")?;
        // The lines come on a thread of their own, so that a job that prints nothing and goes on is seen too.
        let lines = std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.inspect(|line| println!("  {line}")).filter(|line| line.starts_with("Time: ")).count()
        });
        wait(&mut child, PATIENCE).with_context(|| job.bin)?;
        let frames = lines.join().ok().context("its output could not be read")?;
        if frames < job.frames {
            bail!("{} printed {frames} frames instead of {}", job.bin, job.frames);
        }
    }
    Ok(())
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

    #[test]
    fn a_job_that_fails_or_hangs_is_an_error_and_ends() {
        ended("exit 0", PATIENCE).unwrap();
        assert!(ended("exit 3", PATIENCE).unwrap_err().to_string().contains('3'));
        assert!(ended("exec sleep 1000", Duration::ZERO).unwrap_err().to_string().starts_with("not done"));
    }
}
