//! The arguments of a packaged job, and how long it runs.

use std::io;

use anyhow::Result;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use tidemill::{Conf, StreamingContext, keys};
use tracing_subscriber::EnvFilter;

const SETTINGS: &str = "\
Settings:
  --conf KEY=VALUE        A setting; `docs/src/settings.md` lists all of them
  --master local[N]       How many tasks run at a time: `--conf tidemill.master=…`
  --name NAME             The job's name: `--conf tidemill.app.name=…`
  --properties-file FILE  A TOML file of settings";

/// What all packaged jobs take, and what this one takes beside it.
#[derive(Debug, Parser)]
#[command(after_help = SETTINGS)]
// No group of its own, as the arguments of a job may have any name.
#[group(skip)]
struct Arguments<A: Args> {
    /// The host of a server that sends lines; without one, the job brings its own.
    #[arg(requires = "port")]
    host: Option<String>,
    /// The server's port.
    port: Option<u16>,
    #[command(flatten)]
    own: A,
    /// The time from one batch to the next, such as `500ms` [default: 2s].
    #[arg(long)]
    interval: Option<String>,
    /// Stop gracefully after so many batches; without it the job runs until Ctrl-C.
    #[arg(long)]
    batches: Option<u64>,
    /// How many elements a frame shows.
    #[arg(long, default_value_t = 10)]
    print: usize,
}

/// For jobs that take what all take, and no more.
#[derive(Args, Clone, Copy, Debug)]
pub struct NoMore {}

/// A packaged job: its settings, its source, and when it ends.
#[derive(Debug)]
pub struct Job<A = NoMore> {
    /// The settings, as the job's code, the environment and the arguments say.
    pub conf: Conf,
    /// Where the lines come from.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How many elements a frame shows.
    pub print: usize,
    /// The arguments that are the job's own.
    pub own: A,
    batches: Option<u64>,
}

impl<A: Args> Job<A> {
    /// The interval unless told otherwise, as in Spark's own example.
    const INTERVAL: &str = "2s";

    /// The job `name`, as the command line wants it; `does` says in `--help` what it does.
    ///
    /// Starts the log, and where no other server is named the job's own one on this machine: `serve` returns its port.
    ///
    /// # Errors
    /// A setting or an argument that is wrong. `--help`, and arguments that clap refuses, end the process.
    pub fn from_args(
        name: &'static str,
        does: &'static str,
        serve: impl FnOnce() -> io::Result<u16>,
    ) -> Result<Self> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        // Frames go to the standard output, so the log does not. A second job in one process keeps the first one's log.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();

        let conf = Conf::new().app_name(name)?.set(keys::BATCH_INTERVAL.name(), Self::INTERVAL)?;
        let (conf, rest) = conf.with_environment()?.with_args(std::env::args().skip(1))?;
        // Behind the arguments, as the doc of a flattened struct would replace what stands here.
        let command = Arguments::<A>::command()
            .name(name)
            .about(does)
            .long_about(None)
            .override_usage(format!("{name} [HOST PORT] [OPTIONS] [SETTINGS]"));
        let matches = command.get_matches_from([name.to_owned()].into_iter().chain(rest));
        let Arguments { host, port, own, interval, batches, print } = Arguments::from_arg_matches(&matches)?;
        let conf = match interval {
            Some(interval) => conf.set(keys::BATCH_INTERVAL.name(), interval)?,
            None => conf,
        };
        let (host, port) = match (host, port) {
            (Some(host), Some(port)) => (host, port),
            _ => (crate::HOST.into(), serve()?),
        };
        Ok(Self { conf, host, port, print, own, batches })
    }
}

impl<A> Job<A> {
    /// Waits until the job has ended: after as many batches as the command line says, with Ctrl-C, or with an error.
    ///
    /// # Errors
    /// What stopped the job.
    pub fn run(&self, ssc: &StreamingContext) -> tidemill::Result<()> {
        self.run_and_look(ssc, || Ok(()))
    }

    /// As [`run`](Self::run), and calls `look` behind each batch.
    ///
    /// # Errors
    /// What stopped the job, and what `look` returns.
    pub fn run_and_look(
        &self,
        ssc: &StreamingContext,
        look: impl Fn() -> tidemill::Result<()>,
    ) -> tidemill::Result<()> {
        for batch in 1..=self.batches.unwrap_or(u64::MAX) {
            if ssc.await_batches(batch).is_err() {
                // It has ended before: by a signal, which is well, or by an error, which is told here.
                return ssc.await_termination();
            }
            look()?;
        }
        ssc.stop(true)
    }
}
