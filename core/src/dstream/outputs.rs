//! `pprint`, `save_to` and the files.

use std::fmt::{Debug, Display};
use std::panic::Location;
use std::sync::Arc;

use super::DStream;
use crate::data::{Data, Wire};
use crate::runtime::Site;
use crate::sink::{ObjectFiles, Sink, TextFiles, frame, save};
use crate::words::Result;

/// How many elements a frame shows where the user says nothing.
const SHOWN: usize = 10;

impl<T> DStream<T> {
    /// Prints the first ten elements of each batch, in Spark's frame and Rust's Debug form.
    ///
    /// ```text
    /// -------------------------------------------
    /// Time: 1357008430000 ms
    /// -------------------------------------------
    /// ("tide", 3)
    /// ...
    ///
    /// ```
    #[track_caller]
    pub fn pprint(&self)
    where
        T: Wire + Debug,
    {
        self.print_frames("pprint", Location::caller(), SHOWN);
    }

    /// As [`pprint`](Self::pprint), with up to `n` elements; `...` says that there are more.
    #[doc(alias = "pprint")]
    #[track_caller]
    pub fn pprint_n(&self, n: usize)
    where
        T: Wire + Debug,
    {
        self.print_frames("pprint_n", Location::caller(), n);
    }

    /// Scala's name for [`pprint`](Self::pprint).
    #[track_caller]
    pub fn print(&self)
    where
        T: Wire + Debug,
    {
        self.print_frames("print", Location::caller(), SHOWN);
    }

    fn print_frames(&self, operator: &'static str, caller: &'static Location<'static>, n: usize)
    where
        T: Wire + Debug,
    {
        self.output(operator, caller, None, move |rdd, time| {
            let first = rdd.take(n.saturating_add(1))?;
            if rdd.job().engine.me() == 0 {
                frame::print(time, &first, n)?;
            }
            Ok(())
        });
    }

    /// Writes every batch to `sink`: once, where the sink can. It is shown when the batch is committed.
    #[track_caller]
    pub fn save_to(&self, sink: impl Sink<T>)
    where
        T: Data,
    {
        self.save_in("save_to", Location::caller(), sink);
    }

    /// Writes every batch as a folder of text: `prefix-TIME[.suffix]` with `part-00000` for each partition, and `_SUCCESS`
    /// once all of it is there. A line is an element as [`Display`] shows it.
    ///
    /// `prefix` is a path or a `file://` URL, with several members of a folder that all of them see; where it is empty, the
    /// folder is `TIME`. A folder of the same time is overwritten. The folder appears once, when its batch is committed.
    /// Unlike in Spark a batch without elements has no folder, unless `tidemill.output.empty_batches` is set. For other
    /// storages see [`TextFiles`].
    ///
    /// ```
    /// use tidemill::testing::{input_batches, local, run_batches};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let out = folder.path().join("words");
    /// let ssc = local(1);
    /// let words = input_batches(&ssc, 1, vec![vec!["sea", "tide"]]);
    /// words.save_as_text_files(&out.to_string_lossy(), "txt");
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(std::fs::read_to_string(folder.path().join("words-1000.txt/part-00000"))?, "sea\ntide\n");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "saveAsTextFiles")]
    #[track_caller]
    pub fn save_as_text_files(&self, prefix: &str, suffix: &str)
    where
        T: Data + Display,
    {
        let sink = TextFiles::at(prefix, suffix).map(|sink| sink.empty_batches(self.graph().empty_batches()));
        self.save_or_mistake("save_as_text_files", Location::caller(), sink);
    }

    /// As [`save_as_text_files`](Self::save_as_text_files), with the elements in the format of [`Wire`], to be read again
    /// with [`StreamingContext::object_file`](crate::StreamingContext::object_file).
    #[doc(alias = "saveAsObjectFiles")]
    #[track_caller]
    pub fn save_as_object_files(&self, prefix: &str, suffix: &str)
    where
        T: Wire,
    {
        let sink =
            ObjectFiles::at(prefix, suffix).map(|sink| sink.empty_batches(self.graph().empty_batches()));
        self.save_or_mistake("save_as_object_files", Location::caller(), sink);
    }

    fn save_or_mistake(
        &self,
        operator: &'static str,
        caller: &'static Location<'static>,
        sink: Result<impl Sink<T>>,
    ) where
        T: Data,
    {
        match sink {
            Ok(sink) => self.save_in(operator, caller, sink),
            Err(error) => self.graph().mistake(caller, error.chain()),
        }
    }

    fn save_in(&self, operator: &'static str, caller: &'static Location<'static>, sink: impl Sink<T>)
    where
        T: Data,
    {
        let (sink, site) = (Arc::new(sink), Site::new(operator, caller));
        let asked = Arc::clone(&sink);
        let check = Box::new(move || asked.check());
        self.output(operator, caller, Some(check), move |rdd, _| save(&rdd, site, &sink));
    }
}
