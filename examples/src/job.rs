//! The arguments of a packaged job, and how long it runs.

use std::ffi::OsString;
use std::io;

use anyhow::Result;
use clap::Parser;
use tidemill::{Conf, StreamingContext, keys};
use tracing_subscriber::EnvFilter;

use crate::TextServer;

/// What all packaged jobs take.
#[derive(Debug, Parser)]
#[command(
    override_usage = "JOB [HOST PORT] [--interval 500ms] [--batches N] [--print N] [--conf KEY=VALUE]...",
    after_help = "--conf KEY=VALUE, --master, --name and --properties-file give settings; the book lists them."
)]
struct Arguments {
    /// The host of a server that sends lines of text; without one, the job brings its own.
    #[arg(requires = "port")]
    host: Option<String>,
    /// The server's port.
    port: Option<u16>,
    /// The time from one batch to the next [default: 2s].
    #[arg(long)]
    interval: Option<String>,
    /// Stop gracefully after so many batches; without it the job runs until Ctrl-C.
    #[arg(long)]
    batches: Option<u64>,
    /// How many elements a frame shows.
    #[arg(long, default_value_t = 10)]
    print: usize,
}

/// A packaged job: its settings, its source, and when it ends.
#[derive(Debug)]
pub struct Job {
    /// The settings, as the job's code, the environment and the arguments say.
    pub conf: Conf,
    /// Where the text comes from.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How many elements a frame shows.
    pub print: usize,
    batches: Option<u64>,
}

impl Job {
    /// The interval unless told otherwise, as in Spark's own example.
    const INTERVAL: &str = "2s";

    /// The job `name`, as the command line wants it. Starts the text server where no other is named, and the log.
    ///
    /// # Errors
    /// A setting or an argument that is wrong. `--help`, and arguments that clap refuses, end the process.
    pub fn from_args(name: &str) -> Result<Self> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        // Frames go to the standard output, so the log does not. A second job in one process keeps the first one's log.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();

        let conf = Conf::new().app_name(name)?.set(keys::BATCH_INTERVAL.name(), Self::INTERVAL)?;
        let (conf, rest) = conf.with_environment()?.with_args(std::env::args().skip(1))?;
        let Arguments { host, port, interval, batches, print } =
            Arguments::parse_from([OsString::from(name)].into_iter().chain(rest.into_iter().map(Into::into)));
        let conf = match interval {
            Some(interval) => conf.set(keys::BATCH_INTERVAL.name(), interval)?,
            None => conf,
        };
        let (host, port) = match (host, port) {
            (Some(host), Some(port)) => (host, port),
            _ => (TextServer::HOST.into(), TextServer::start()?),
        };
        Ok(Self { conf, host, port, print, batches })
    }

    /// Waits until the job has ended: after as many batches as the command line says, with Ctrl-C, or with an error.
    ///
    /// # Errors
    /// What stopped the job.
    pub fn run(&self, ssc: &StreamingContext) -> tidemill::Result<()> {
        match self.batches {
            Some(batches) => {
                ssc.await_batches(batches)?;
                ssc.stop(true)
            }
            None => ssc.await_termination(),
        }
    }
}
