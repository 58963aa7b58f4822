//! `dead_letters_to`: where records go that could not be used.

use std::panic::Location;
use std::sync::Arc;

use super::StreamingContext;
use crate::runtime::Site;
use crate::sink::{DeadLetter, Sink};

impl StreamingContext {
    /// Writes the records that could not be used to `sink`: those that an input could not decode, and those that
    /// [`map_or_reject`](crate::DStream::map_or_reject) left out. Without a sink they are counted, and the first reason is
    /// reported.
    ///
    /// The letters of a batch are written before its commit and shown behind it, as outputs are: each bad record that
    /// was read has one letter, however often it was read. A batch without bad records writes nothing, and one that
    /// failed and is skipped has no letters either. Where a program should read them again, use
    /// [`ObjectFiles`](crate::ObjectFiles).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// use tidemill::{MemoryStorage, Storage, TextFiles};
    ///
    /// # fn main() -> tidemill::Result<()> {
    /// let storage = Arc::new(MemoryStorage::new());
    /// let ssc = local(1);
    /// ssc.dead_letters_to(TextFiles::new(storage.clone(), "bad", "txt"));
    /// let texts = input_batches(&ssc, 1, vec![vec!["1".to_owned(), "two".to_owned()]]);
    /// let numbers = collect_batches(&texts.map_or_reject(|text| Ok(text.parse::<u32>()?)));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(numbers.batches(), [[1]]);
    /// let letters = storage.get("bad-1000.txt/part-00000", None)?.unwrap();
    /// let letters = String::from_utf8_lossy(&letters);
    /// assert!(letters.ends_with("error=\"invalid digit found in string\" bytes=\"\\x03two\"\n"), "{letters}");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn dead_letters_to(&self, sink: impl Sink<DeadLetter>) {
        self.graph().set_dead_letters(Site::new("dead_letters_to", Location::caller()), Arc::new(sink));
    }
}
