//! tidemill: Spark Streaming's `DStream`s for Rust.
//!
//! Continuous data is cut into small batches, and each batch is computed as a small parallel job. A job is drawn on a
//! [`StreamingContext`]: streams come from receivers, inputs or queues, operators make new [`DStream`]s, output
//! operations end them; each stream has one [`Rdd`] for each batch.
//!
//! ```
//! use tidemill::prelude::*;
//!
//! # fn main() -> Result<()> {
//! # let conf = Conf::new().master("local[2]")?.batch_interval(Duration::from_millis(10))?.allow_several(true);
//! let ssc = StreamingContext::from_conf(conf)?;
//! let (sender, lines) = ssc.channel_stream::<Text>(100);
//! let words = lines.flat_map(|line| line.split(' '));
//! words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b).pprint();
//! ssc.start()?;
//! sender.send("sea tide sea".into()).expect("the job runs");
//! ssc.stop(true)
//! # }
//! ```
//!
//! A connector brings its stream as an extension trait, as `tidemill-socket` does. What a connector or a store implements:
//! [`Receiver`], [`DirectInput`], [`Sink`], [`Storage`], [`StateStore`], [`Transport`]. The test kit (feature `testing`)
//! runs jobs by a manual clock, on several members, or on a seeded runtime, and holds implementations to their promises.

// In each library and not in the workspace's lints: tests and examples may unwrap.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// The rooms, in the order in which data walks through them; ARCHITECTURE.md has the table.
mod words;
mod runtime;
mod metrics;
mod data;
mod storage;
mod memory;
mod transport;
mod rdd;
mod source;
mod backpressure;
mod ingest;
mod window;
mod state;
mod sink;
mod dstream;
mod ledger;
mod scheduler;
mod context;
#[cfg(feature = "testing")]
pub mod testing;

pub use crate::backpressure::{BatchReport, Pid, PidGains, RateEstimator, Steady};
pub use crate::context::StreamingContext;
pub use crate::data::{Chunk, Chunks, Data, Key, KeyGroup, Wire};
pub use crate::data::{
    Separator, Split, SplitAsciiWhitespace, SplitLines, SplitN, SplitWhitespace, Text, TextBlock, TextLines,
};
pub use crate::dstream::{
    DStream, EventResults, EventStream, EventWindows, MapWithStateStream, StateReader, StateScan,
};
pub use crate::ingest::{RddQueue, Sender};
pub use crate::metrics::{
    BatchInfo, Event, InputInfo, OutputOperationInfo, ReceiverInfo, ReceiverState, StreamingListener,
};
pub use crate::rdd::{
    Accumulate, Accumulator, Broadcast, Elements, Emitter, Rdd, Rejected, Rejects, StorageLevel,
};
pub use crate::runtime::{Bell, BoxFuture, Clock, ManualClock, Monitor, Runtime, Site, TaskContext};
pub use crate::sink::{DeadLetter, ObjectFiles, OutputId, Receipt, Rows, Sink, TextFiles};
pub use crate::source::{
    Ask, BlockMaker, DirectInput, Gate, InputBlock, InputContext, Lane, LineCutter, Received, Receiver,
    TextLinesBlock,
};
pub use crate::state::{
    Change, Changes, Keys, MemoryState, ScanCursor, State, StateBackend, StateBase, StateOpening, StateSpec,
    StateStore, StateView, Values,
};
pub use crate::storage::{
    BufferedStage, Entry as StorageEntry, FileStorage, Log, MemoryStorage, Put, PutMode, SegmentLog, Staged,
    Storage, check_storage_path, envelope, open_storage,
};
pub use crate::transport::{Alone, Block, Collective, Inbox, Member, Outbox, Transport};
pub use crate::window::{EventTime, EventWindow, WatermarkSpec};
pub use crate::words::{
    BatchTime, BoxError, Conf, Epoch, Error, Interval, Master, Mistake, Origin, Rate, Result, Retry, Setting,
    keys,
};

/// What a job needs in one `use`.
pub mod prelude {
    pub use std::time::Duration;

    pub use crate::{BatchTime, Conf, DStream, Rdd, Result, StreamingContext, Text};
}
