//! Streams that come from outside, as far as no connector is needed.

use std::panic::Location;
use std::sync::Arc;

use super::StreamingContext;
use crate::data::{Data, Text, Wire};
use crate::dstream::DStream;
use crate::ingest::{
    ChannelReceiver, DirectSource, Input, InputOf, QueueSource, RddQueue, ReceiverSource, Sender, Threaded,
    WhenEmpty,
};
use crate::rdd::Rdd;
use crate::runtime::Site;
use crate::sink::read_object_files;
use crate::source::{DirectInput, Receiver};
use crate::words::Result;

impl StreamingContext {
    /// A stream from a receiver of your own; the book shows how to write one.
    #[doc(alias = "receiverStream")]
    #[track_caller]
    pub fn receiver_stream<R: Receiver>(&self, receiver: R) -> DStream<R::Record> {
        self.received(Site::new("receiver_stream", Location::caller()), receiver)
    }

    /// As [`receiver_stream`](Self::receiver_stream), for a connector's own method: errors and plans name `operator`, that
    /// method, and the place where the user called it.
    ///
    /// ```
    /// use tidemill::{DStream, Gate, Receiver, Result, StreamingContext};
    ///
    /// # struct Gauge;
    /// # impl Receiver for Gauge {
    /// #     type Record = f64;
    /// #     type Position = ();
    /// #     async fn run(&self, _gate: Gate<f64, ()>) -> Result<()> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// trait GaugeStreams {
    ///     // Without this the place would be in the connector.
    ///     #[track_caller]
    ///     fn gauge_stream(&self) -> DStream<f64>;
    /// }
    ///
    /// impl GaugeStreams for StreamingContext {
    ///     #[track_caller]
    ///     fn gauge_stream(&self) -> DStream<f64> {
    ///         self.receiver_stream_named("gauge_stream", Gauge)
    ///     }
    /// }
    ///
    /// let ssc = tidemill::testing::local(1);
    /// assert!(format!("{:?}", ssc.gauge_stream()).contains("gauge_stream"));
    /// ```
    #[track_caller]
    pub fn receiver_stream_named<R: Receiver>(
        &self,
        operator: &'static str,
        receiver: R,
    ) -> DStream<R::Record> {
        self.received(Site::new(operator, Location::caller()), receiver)
    }

    /// A stream from an input that is asked for ranges.
    #[track_caller]
    pub fn input_stream<D: DirectInput>(&self, input: D) -> DStream<D::Record> {
        self.asked(Site::new("input_stream", Location::caller()), input)
    }

    /// As [`input_stream`](Self::input_stream), for a connector's own method: see
    /// [`receiver_stream_named`](Self::receiver_stream_named).
    #[track_caller]
    pub fn input_stream_named<D: DirectInput>(&self, operator: &'static str, input: D) -> DStream<D::Record> {
        self.asked(Site::new(operator, Location::caller()), input)
    }

    /// A stream from a queue of Rdds: one of them each batch, an empty Rdd where the queue is empty. The queue may be
    /// filled while the job runs: make it with [`RddQueue::default`] and give a clone.
    #[doc(alias = "queueStream")]
    #[track_caller]
    pub fn queue_stream<T: Data>(&self, queue: impl Into<RddQueue<T>>) -> DStream<T> {
        let site = Site::new("queue_stream", Location::caller());
        self.input(site, QueueSource::new(self.graph().next_input(), queue.into(), true, WhenEmpty::Empty))
    }

    /// As [`queue_stream`](Self::queue_stream): all Rdds of the queue each batch, united, unless `one_at_a_time`; and
    /// `default` where the queue is empty.
    #[doc(alias = "queueStream")]
    #[track_caller]
    pub fn queue_stream_with<T: Data>(
        &self,
        queue: impl Into<RddQueue<T>>,
        one_at_a_time: bool,
        default: Option<Rdd<T>>,
    ) -> DStream<T> {
        let site = Site::new("queue_stream", Location::caller());
        let when_empty = default.map_or(WhenEmpty::Empty, WhenEmpty::Default);
        self.input(site, QueueSource::new(self.graph().next_input(), queue.into(), one_at_a_time, when_empty))
    }

    /// The elements of a folder that [`save_as_object_files`](crate::DStream::save_as_object_files) wrote, with a partition
    /// for each of its parts. `path` is a path or a `file://` URL.
    ///
    /// ```
    /// use tidemill::testing::{input_batches, local, run_batches};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let out = folder.path().join("counts");
    /// let ssc = local(1);
    /// let counts = input_batches(&ssc, 1, vec![vec![("sea".to_string(), 2), ("tide".to_string(), 1)]]);
    /// counts.save_as_object_files(&out.to_string_lossy(), "");
    /// run_batches(&ssc, 1)?;
    /// let read = ssc.object_file::<(String, i32)>(&format!("{}-1000", out.display()))?;
    /// assert_eq!(read.collect()?, [("sea".to_string(), 2), ("tide".to_string(), 1)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the folder is not there or not whole;
    /// [`Error::Storage`](crate::Error::Storage) where it cannot be read. That elements are of another type is found by
    /// the action that reads them.
    #[doc(alias = "objectFile")]
    pub fn object_file<T: Wire>(&self, path: &str) -> Result<Rdd<T>> {
        read_object_files(&self.job(), path)
    }

    /// A stream that the program fills itself, from any of its threads: what is sent is in the next batch.
    ///
    /// `capacity` records may wait to be taken, at least one; then senders wait. With several members one of them runs the
    /// receiver, and the senders of the others are closed.
    ///
    /// ```
    /// use tidemill::testing::{collect_batches, local};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ssc = local(1);
    /// let (sender, words) = ssc.channel_stream(100);
    /// let collected = collect_batches(&words);
    /// sender.send("sea".to_string())?;
    /// sender.send("tide".to_string())?;
    /// ssc.start()?;
    /// ssc.stop(true)?;
    /// assert_eq!(collected.batches(), [["sea", "tide"]]);
    /// assert!(sender.send("ebb".to_string()).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn channel_stream<T: Wire>(&self, capacity: usize) -> (Sender<T>, DStream<T>) {
        let (sender, receiver) = ChannelReceiver::new(capacity);
        (sender, self.received(Site::new("channel_stream", Location::caller()), receiver))
    }

    /// A stream of what an iterator gives, as fast as the job takes it. It is driven on a thread of its own and may wait for
    /// its next element; where it ends, the stream stays empty and the job goes on. It cannot be driven again: what a
    /// process that died had taken is lost, and where it panics the stream ends.
    ///
    /// ```
    /// use tidemill::testing::{collect_batches, local, run_batches};
    ///
    /// # fn main() -> tidemill::Result<()> {
    /// let ssc = local(1);
    /// let squares = ssc.iterator_stream((1..=3).map(|n| n * n));
    /// let collected = collect_batches(&squares);
    /// while collected.batches().concat().len() < 3 {
    ///     run_batches(&ssc, 1)?;
    /// }
    /// assert_eq!(collected.batches().concat(), [1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn iterator_stream<I>(&self, iterator: I) -> DStream<I::Item>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Wire>,
    {
        let site = Site::new("iterator_stream", Location::caller());
        self.received(site, Threaded::iterator(iterator.into_iter()))
    }

    /// A stream of the lines of the standard input, until its end. Lines end with `\n`, `\r` or `\r\n`; the last one may
    /// have no end. A line that is not UTF-8, or longer than 16 MiB, is left out and counted.
    ///
    /// ```no_run
    /// # fn main() -> tidemill::Result<()> {
    /// let ssc = tidemill::StreamingContext::new("local[2]", "words", std::time::Duration::from_secs(1))?;
    /// ssc.stdin_stream().flat_map(|line| line.split(' ')).pprint();
    /// ssc.start()?;
    /// ssc.await_termination()
    /// # }
    /// ```
    #[track_caller]
    pub fn stdin_stream(&self) -> DStream<Text> {
        let site = Site::new("stdin_stream", Location::caller());
        self.received(site, Threaded::lines("standard input", std::io::stdin()))
    }

    /// A stream with the same Rdd in each batch.
    #[doc(alias = "ConstantInputDStream")]
    #[track_caller]
    pub fn constant_stream<T: Data>(&self, rdd: Rdd<T>) -> DStream<T> {
        let site = Site::new("constant_stream", Location::caller());
        self.input(
            site,
            QueueSource::new(self.graph().next_input(), RddQueue::default(), true, WhenEmpty::Default(rdd)),
        )
    }

    /// As a queue, but without a batch where it is empty: for tests of what operators make of that.
    #[cfg(feature = "testing")]
    #[track_caller]
    pub(crate) fn gap_stream<T: Data>(&self, queue: RddQueue<T>) -> DStream<T> {
        let site = Site::new("gap_stream", Location::caller());
        self.input(site, QueueSource::new(self.graph().next_input(), queue, true, WhenEmpty::Nothing))
    }

    fn received<R: Receiver>(&self, site: Site, receiver: R) -> DStream<R::Record> {
        self.input(site, ReceiverSource::new(site, self.graph().next_input(), receiver))
    }

    fn asked<D: DirectInput>(&self, site: Site, input: D) -> DStream<D::Record> {
        self.input(site, DirectSource::new(site, self.graph().next_input(), input))
    }

    /// Adds an input to the plan.
    fn input<T: Data>(&self, site: Site, input: impl InputOf<T> + 'static) -> DStream<T> {
        let (graph, input) = (self.graph(), Arc::new(input));
        graph.add_input(Arc::clone(&input) as Arc<dyn Input>);
        let stream = graph.draw(site, graph.interval(), move |time, job| Ok(input.rdd(time, job)));
        // Decoding is part of the batch: what several streams read is decoded once.
        stream.cache_if_shared();
        DStream::new(graph, stream)
    }
}
