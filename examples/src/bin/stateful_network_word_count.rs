//! Counts the words of all lines that a server has ever sent, over restarts too.
//!
//! Without arguments it reads from a server of its own. To give it your own words, run `nc -lk 9999` in one terminal and
//! `cargo run --release -p tidemill-examples --bin stateful_network_word_count localhost 9999` in another, and type. Stop it
//! with Ctrl-C, start it again: the counts go on where they were, from what is in the folder `checkpoint/words`. Another
//! `--checkpoint`, or a folder that was deleted, begins anew, with one `hello` and one `world`.

use tidemill::StateSpec;
use tidemill_examples::{Job, serve_text};
use {tidemill::prelude::*, tidemill_socket::SocketStreams as _};

#[derive(clap::Args, Debug)]
struct Arguments {
    /// The folder that keeps the counts from one run to the next.
    #[arg(long, default_value = "checkpoint/words", value_name = "FOLDER")]
    checkpoint: String,
}

fn main() -> anyhow::Result<()> {
    let does = "Counts the words of all lines that a server has ever sent, over restarts too.";
    let job = Job::<Arguments>::from_args("stateful_network_word_count", does, serve_text)?;

    let ssc = StreamingContext::from_conf(job.conf.clone())?;
    ssc.checkpoint(&job.own.checkpoint);
    let initial = StateSpec::new().initial_state([("hello".into(), 1u64), ("world".into(), 1)]);
    let lines = ssc.socket_text_stream(&job.host, job.port);
    let words = lines.flat_map(|line| line.split(' '));
    let running_counts = words
        .map(|word| (word, 1u64))
        .update_state_by_key_with(initial, |ones, count| Some(ones.sum::<u64>() + count.unwrap_or(0)))
        .uid("counts");
    running_counts.pprint_n(job.print);
    ssc.start()?;

    Ok(job.run(&ssc)?)
}
