//! Counts the words of the last minute, every ten seconds.
//!
//! Without arguments it reads from a server of its own. To give it your own words, run `nc -lk 9999` in one terminal and
//! `cargo run --release -p tidemill-examples --bin windowed_word_count localhost 9999` in another, and type. What was typed is
//! counted for a minute, then it is gone. `--window 10s --slide 2s` makes that shorter; both are whole numbers of intervals.

use tidemill_examples::{Job, serve_text};
use {tidemill::prelude::*, tidemill_socket::SocketStreams as _};

#[derive(clap::Args, Debug)]
struct Arguments {
    /// How far back the counts go.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    window: Duration,
    /// The time from one frame to the next.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    slide: Duration,
}

fn main() -> anyhow::Result<()> {
    let does = "Counts the words of the last minute, every ten seconds.";
    let job = Job::<Arguments>::from_args("windowed_word_count", does, serve_text)?;
    let Arguments { window, slide } = job.own;

    let ssc = StreamingContext::from_conf(job.conf.clone())?;
    let lines = ssc.socket_text_stream(&job.host, job.port);
    let words = lines.flat_map(|line| line.split(' '));
    let word_counts = words.map(|word| (word, 1u64)).reduce_by_key_and_window(window, slide, |a, b| a + b);
    word_counts.pprint_n(job.print);
    ssc.start()?;

    Ok(job.run(&ssc)?)
}
