//! Counts the words of each batch of lines that a server sends.
//!
//! Without arguments it reads from a server of its own. To give it your own words, run `nc -lk 9999` in one terminal and
//! `cargo run --release -p tidemill-examples --bin network_word_count localhost 9999` in another, and type.

use tidemill_examples::{Job, NoMore, serve_text};
use {tidemill::prelude::*, tidemill_socket::SocketStreams as _};

fn main() -> anyhow::Result<()> {
    let does = "Counts the words of each batch of lines.";
    let job = Job::<NoMore>::from_args("network_word_count", does, serve_text)?;

    let ssc = StreamingContext::from_conf(job.conf.clone())?;
    let lines = ssc.socket_text_stream(&job.host, job.port);
    let words = lines.flat_map(|line| line.split(' '));
    let word_counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    word_counts.pprint_n(job.print);
    ssc.start()?;

    Ok(job.run(&ssc)?)
}
