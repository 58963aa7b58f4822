//! `str::split` borrows from the line, which ends with the function; `Text::split` gives pieces of their own.
use tidemill::{DStream, Text};

fn job(lines: &DStream<Text>) {
    let _ = lines.flat_map(|line| line.as_str().split(' '));
}

fn main() {}
