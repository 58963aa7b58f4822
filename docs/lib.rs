//! The book of tidemill: each of its snippets is a test, and so is what its tables say of the code.
//!
//! `cargo test -p tidemill-docs` runs them; `mdbook build docs` makes pages to read.

#![allow(
    clippy::doc_markdown,
    reason = "the text is written for a book: it names things that are no code of this crate"
)]

/// A module for each page, so that a failing snippet is named after its page.
macro_rules! pages {
    ($($page:ident: $file:literal,)*) => {
        $(#[doc = include_str!($file)] mod $page {})*

        /// The files above, to compare with the table of contents.
        #[cfg(test)]
        const FILES: &[&str] = &[$($file),*];
    };
}

pages! {
    readme: "../README.md",
    start: "src/start.md",
    word_count: "src/word-count.md",
    stateful_word_count: "src/stateful-word-count.md",
    model: "src/model.md",
    operators: "src/operators.md",
    state: "src/state.md",
    event_time: "src/event-time.md",
    windows: "src/windows.md",
    files: "src/files.md",
    receivers: "src/receivers.md",
    back_pressure: "src/back-pressure.md",
    testing: "src/testing.md",
    state_rocksdb: "src/state-rocksdb.md",
    state_size: "src/state-size.md",
    settings: "src/settings.md",
    bad_records: "src/bad-records.md",
    checkpoints: "src/checkpoints.md",
    listeners: "src/listeners.md",
}

#[cfg(test)]
mod tests;
