//! One stream of the plan.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::graph::AnyStream;
use crate::data::Data;
use crate::rdd::{Function, Job, Rdd};
use crate::runtime::Site;
use crate::words::{BatchTime, Error, Interval, Result};

type Compute<T> = dyn Fn(BatchTime, &Arc<Job>) -> Result<Option<Rdd<T>>> + Send + Sync;

/// One stream of the plan: how its Rdd of a time is made, and those that are remembered.
pub(crate) struct Stream<T> {
    site: Site,
    slide: Interval,
    zero: Arc<OnceLock<BatchTime>>,
    compute: Box<Compute<T>>,
    // What is made of each computed Rdd: `persist`.
    finish: Mutex<Option<Arc<dyn Fn(Rdd<T>) -> Rdd<T> + Send + Sync>>>,
    // What is made of it where several read it and nothing else was said.
    shared: Mutex<Option<fn(Rdd<T>) -> Rdd<T>>>,
    made: Mutex<Vec<(BatchTime, Option<Rdd<T>>)>>,
    uid: Mutex<Option<String>>,
    children: AtomicUsize,
    outputs: AtomicUsize,
}

impl<T> Stream<T> {
    pub(super) fn new(
        site: Site,
        slide: Interval,
        zero: &Arc<OnceLock<BatchTime>>,
        compute: impl Fn(BatchTime, &Arc<Job>) -> Result<Option<Rdd<T>>> + Function,
    ) -> Self {
        Self {
            site,
            slide,
            zero: Arc::clone(zero),
            compute: Box::new(compute),
            finish: Mutex::new(None),
            shared: Mutex::new(None),
            made: Mutex::default(),
            uid: Mutex::default(),
            children: AtomicUsize::new(0),
            outputs: AtomicUsize::new(0),
        }
    }

    pub(crate) fn site(&self) -> Site {
        self.site
    }

    pub(crate) fn slide(&self) -> Interval {
        self.slide
    }

    /// Another stream or an output reads this one.
    pub(crate) fn add_child(&self) {
        self.children.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the next output operation of this stream, from 0.
    pub(super) fn next_output(&self) -> usize {
        self.outputs.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set_uid(&self, uid: &str) {
        *self.uid.lock() = Some(uid.into());
    }

    pub(crate) fn uid(&self) -> Option<String> {
        self.uid.lock().clone()
    }

    /// Keeps Rdds that several streams or outputs read, unless a level is chosen.
    pub(crate) fn cache_if_shared(&self)
    where
        T: Data,
    {
        *self.shared.lock() = Some(|rdd| rdd.cache());
    }

    pub(crate) fn set_finish(&self, finish: impl Fn(Rdd<T>) -> Rdd<T> + Function) {
        *self.finish.lock() = Some(Arc::new(finish));
    }

    /// The zero time, from which the grid of every slide counts.
    pub(crate) fn zero(&self) -> Result<BatchTime> {
        let not_started = || {
            Error::State(format!(
                "{} has not been initialized: it has Rdds once the context is started",
                self.site
            ))
        };
        self.zero.get().copied().ok_or_else(not_started)
    }

    /// The Rdd of `time`; `None` where the stream has none then.
    pub(crate) fn rdd(&self, time: BatchTime, job: &Arc<Job>) -> Result<Option<Rdd<T>>> {
        if !time.is_due(self.slide, self.zero()?) {
            return Ok(None);
        }
        let known = self.made.lock().iter().find(|(made, _)| *made == time).map(|(_, rdd)| rdd.clone());
        if let Some(rdd) = known {
            return Ok(rdd.map(|rdd| rdd.in_job(job)));
        }
        // No lock is held: this runs the functions of `transform`.
        let rdd = (self.compute)(time, job)?;
        let (finish, shared) = (self.finish.lock().clone(), *self.shared.lock());
        let rdd = rdd.map(|rdd| match (finish, shared) {
            (Some(finish), _) => finish(rdd),
            (None, Some(cache)) if self.children.load(Ordering::Relaxed) > 1 => cache(rdd),
            _ => rdd,
        });
        let mut made = self.made.lock();
        // A `slice` may have made it meanwhile: one Rdd a time, so that nothing is computed twice.
        if let Some((_, first)) = made.iter().find(|(made, _)| *made == time) {
            return Ok(first.as_ref().map(|rdd| rdd.in_job(job)));
        }
        made.push((time, rdd.clone()));
        Ok(rdd)
    }
}

impl<T> AnyStream for Stream<T> {
    fn forget(&self, done: BatchTime, remember: Duration) {
        let oldest = done.minus(remember.max(self.slide.as_duration()));
        // Dropped outside the lock: an Rdd may hold a whole shuffle.
        let _old: Vec<_> = self.made.lock().extract_if(.., |(time, _)| *time <= oldest).collect();
    }
}
