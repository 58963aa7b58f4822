//! The plan that a user draws: streams, one Rdd a batch each, and the output operations at their ends.
//!
//! Methods that draw return streams, never a `Result`: a mistake is noted with its place in the user's code, and
//! [`start`](crate::StreamingContext::start) returns all of them. One operator a file.

mod graph;
mod keeper;
mod keyed;
mod stream;

// Each element, each partition.
mod narrow;
mod pairs;
mod partitions;
mod persist;
mod try_forms;

// One Rdd of a batch from another.
mod by_value;
mod cogroup;
mod combining;
mod count;
mod joins;
mod reduce;
mod transform;
mod union;

// What is remembered for each key.
mod deduplicate;
mod event;
mod map_with_state;
mod update_state_by_key;

// Several batches.
mod windows;
mod count_by_value_and_window;
mod count_by_window;
mod group_by_key_and_window;
mod reduce_by_key_and_window;
mod reduce_by_window;
mod window;

// Several streams, and the outside.
mod foreach_partition;
mod foreach_rdd;
mod joined;
mod outputs;
mod slice;
mod uid;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

pub use self::event::{EventResults, EventStream, EventWindows};
pub(crate) use self::graph::{
    DEAD_LETTERS, DeadLetterOutput, Generated, Graph, Kept, OutputOperation, Phase,
};
pub(crate) use self::joined::all_rdds;
pub(crate) use self::keeper::{BaseJob, BaseWanted, Keeper, Opening};
pub(crate) use self::keyed::Query;
pub use self::keyed::{StateReader, StateScan};
pub use self::map_with_state::MapWithStateStream;
pub(crate) use self::stream::Stream;
use crate::rdd::{Function, Rdd};
use crate::runtime::Site;
use crate::words::Result;

/// A stream of elements: one [`Rdd`] for each batch.
///
/// Operators give new streams; nothing is computed until the job is started and an output operation asks. Clones are the
/// same stream.
#[must_use = "a stream computes nothing until an output operation such as `pprint` or `foreach_rdd` is added"]
pub struct DStream<T> {
    graph: Arc<Graph>,
    stream: Arc<Stream<T>>,
}

impl<T> Clone for DStream<T> {
    fn clone(&self) -> Self {
        Self { graph: Arc::clone(&self.graph), stream: Arc::clone(&self.stream) }
    }
}

impl<T> fmt::Debug for DStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DStream").field("site", &self.stream.site()).finish_non_exhaustive()
    }
}

impl<T> DStream<T> {
    pub(crate) fn new(graph: &Arc<Graph>, stream: Arc<Stream<T>>) -> Self {
        Self { graph: Arc::clone(graph), stream }
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    pub(crate) fn stream(&self) -> &Arc<Stream<T>> {
        &self.stream
    }

    /// Makes what `keeper` remembers for this stream part of the plan, under the stream's uid.
    fn keep(&self, keeper: Arc<dyn Keeper>)
    where
        T: 'static,
    {
        // Weakly: what the job remembers goes with the job.
        let named = Arc::downgrade(&self.stream);
        self.graph.keep(move || named.upgrade()?.uid(), keeper);
    }

    /// Notes a mistake where the operator at `site` is to give no partitions: then nothing would be computed.
    fn check_partitions(&self, site: Site, partitions: usize) {
        if partitions == 0 {
            let message = format!("`{}` cannot have 0 partitions: say 1 or more", site.operator());
            self.graph.mistake(site.location(), message);
        }
    }

    /// A stream whose Rdd is made from this stream's Rdd of the same time.
    pub(crate) fn each_rdd<U: 'static>(
        &self,
        operator: &'static str,
        caller: &'static Location<'static>,
        f: impl Fn(Rdd<T>) -> Result<Rdd<U>> + Function,
    ) -> DStream<U>
    where
        T: 'static,
    {
        let site = Site::new(operator, caller);
        let parent = Arc::clone(&self.stream);
        let stream =
            self.graph.draw(site, self.stream.slide(), move |time, job| match parent.rdd(time, job)? {
                Some(rdd) => f(rdd.at(site)).map(|made| Some(made.unnamed())),
                None => Ok(None),
            });
        self.stream.add_child();
        DStream::new(&self.graph, stream)
    }

    /// As [`each_rdd`](Self::each_rdd), for an operator of Rdds that takes functions of the user's: `f` is they, and
    /// `draw` gets its share of them each time.
    pub(crate) fn each_rdd_with<F: Function, U: 'static>(
        &self,
        operator: &'static str,
        caller: &'static Location<'static>,
        f: F,
        draw: impl Fn(Rdd<T>, Arc<F>) -> Rdd<U> + Function,
    ) -> DStream<U>
    where
        T: 'static,
    {
        let f = Arc::new(f);
        self.each_rdd(operator, caller, move |rdd| Ok(draw(rdd, Arc::clone(&f))))
    }
}
