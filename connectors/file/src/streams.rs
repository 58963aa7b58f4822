//! The streams that a context gets from this crate.

use std::path::PathBuf;

use bytes::Bytes;
use tidemill::{DStream, StreamingContext, Text, keys};

use crate::input::FileInput;
use crate::read::FileFormat;
use crate::stream::FileStream;

/// Streams from folders of files, as methods of [`StreamingContext`].
pub trait FileStreams {
    /// The lines of text of the files that come into a folder, or into all folders that a glob names.
    ///
    /// A line ends with `\n`, `\r` or `\r\n`. Files whose names end in `.gz`, `.zst` or `.lz4` are decompressed. Files
    /// should be moved in when they are complete, though one that is written in place is waited for; see [`FileStream`].
    ///
    /// ```
    /// use std::fs;
    /// use std::time::Duration;
    /// use tidemill::testing::{collect_batches, local, run_batches};
    /// use tidemill_file::{FileStream, FileStreams as _};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let ssc = local(2);
    /// let stream = FileStream::text(folder.path()).settle(Duration::ZERO);
    /// let lines = collect_batches(&ssc.file_stream(stream));
    /// ssc.start()?;
    /// fs::write(folder.path().join("new.txt"), "sea\ntide\n")?;
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(lines.batches(), [vec!["sea".into(), "tide".into()], vec![]] as [Vec<tidemill::Text>; 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "textFileStream")]
    #[track_caller]
    fn text_file_stream(&self, directory: impl Into<PathBuf>) -> DStream<Text>;

    /// Records of `record_length` bytes each, of the files that come into a folder; what is shorter at the end of a file is
    /// rejected.
    #[doc(alias = "binaryRecordsStream")]
    #[track_caller]
    fn binary_records_stream(&self, directory: impl Into<PathBuf>, record_length: u32) -> DStream<Bytes>;

    /// The records of the files that `stream` describes: any format, and all that can be set.
    ///
    /// ```no_run
    /// use tidemill::prelude::*;
    /// use tidemill_file::{FileStream, FileStreams as _, OnChange};
    ///
    /// # fn main() -> Result<()> {
    /// let ssc = StreamingContext::new("local[2]", "all files", Duration::from_secs(10))?;
    /// let stream = FileStream::text("/in").nested(true).new_files_only(false).on_change(OnChange::Error);
    /// ssc.file_stream(stream).count().pprint();
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "fileStream")]
    #[track_caller]
    fn file_stream<F: FileFormat>(&self, stream: FileStream<F>) -> DStream<F::Record>;
}

impl FileStreams for StreamingContext {
    #[track_caller]
    fn text_file_stream(&self, directory: impl Into<PathBuf>) -> DStream<Text> {
        let input = input(self, FileStream::text(directory));
        self.input_stream_named("text_file_stream", input)
    }

    #[track_caller]
    fn binary_records_stream(&self, directory: impl Into<PathBuf>, record_length: u32) -> DStream<Bytes> {
        let input = input(self, FileStream::binary_records(directory, record_length));
        self.input_stream_named("binary_records_stream", input)
    }

    #[track_caller]
    fn file_stream<F: FileFormat>(&self, stream: FileStream<F>) -> DStream<F::Record> {
        let input = input(self, stream);
        self.input_stream_named("file_stream", input)
    }
}

fn input<F: FileFormat>(ssc: &StreamingContext, stream: FileStream<F>) -> FileInput<F> {
    FileInput::new(stream, ssc.conf().get_typed(keys::FILE_MIN_REMEMBER))
}
