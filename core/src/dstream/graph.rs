//! The plan as a whole.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::keeper::Keeper;
use super::stream::Stream;
use crate::ingest::Input;
use crate::rdd::{Engine, Function, Job, Rdd};
use crate::runtime::Site;
use crate::sink::{DeadLetter, Sink};
use crate::words::{BatchTime, Epoch, Error, Interval, Mistake, Result};

/// Where a context stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The plan is being drawn.
    Initialized,
    /// Batches run.
    Active,
    /// No batch runs any more.
    Stopped,
}

/// A stream whose elements do not matter.
pub(super) trait AnyStream: Send + Sync {
    /// The batch of `done` is done: Rdds older than `remember` go.
    fn forget(&self, done: BatchTime, remember: Duration);
}

/// What an output operation does for one batch, once all Rdds have been made.
pub(crate) type Generated = Box<dyn FnOnce() -> Result<()> + Send>;

type Generate = dyn Fn(BatchTime, &Arc<Job>) -> Result<Option<Generated>> + Send + Sync;

/// An output operation of the plan.
pub(crate) struct OutputOperation {
    pub(crate) site: Site,
    uid: Box<dyn Fn() -> Option<String> + Send + Sync>,
    check: Option<Box<dyn Fn() -> Result<()> + Send + Sync>>,
    generate: Box<Generate>,
}

impl OutputOperation {
    /// What it does for the batch of `time`; `None` where its stream has no Rdd then.
    pub(crate) fn generate(&self, time: BatchTime, job: &Arc<Job>) -> Result<Option<Generated>> {
        (self.generate)(time, job)
    }

    /// The uid of its stream, or its place among the outputs.
    pub(crate) fn uid(&self, index: usize) -> String {
        (self.uid)().unwrap_or_else(|| format!("output-{index}"))
    }

    /// Asks its sink whether the other side is there.
    pub(crate) fn check(&self) -> Result<()> {
        self.check.as_ref().map_or(Ok(()), |check| check())
    }
}

/// An operator that remembers something, and the uid that its stream was given.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) keeper: Arc<dyn Keeper>,
    uid: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl Kept {
    /// The uid of its stream, or its place among the operators that remember something.
    pub(crate) fn uid(&self, index: usize) -> String {
        (self.uid)().unwrap_or_else(|| format!("{}-{index}", self.keeper.site().operator()))
    }
}

/// Where dead letters go, and the place in the user's code that says so.
#[derive(Clone)]
pub(crate) struct DeadLetterOutput {
    pub(crate) site: Site,
    pub(crate) sink: Arc<dyn Sink<DeadLetter>>,
}

/// The uid of the dead letters: no stream may have it too.
pub(crate) const DEAD_LETTERS: &str = "dead-letters";

/// The plan as a whole: inputs, streams, outputs, and the mistakes that were made while it was drawn.
pub(crate) struct Graph {
    interval: Interval,
    engine: Arc<Engine>,
    parallelism_asked: AtomicBool,
    // Milliseconds of the newest batch whose Rdds were asked for.
    newest: Arc<AtomicU64>,
    // Whether outputs of files have a folder for a batch without records.
    empty_batches: bool,
    zero: Arc<OnceLock<BatchTime>>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    inputs: Vec<Arc<dyn Input>>,
    streams: Vec<Arc<dyn AnyStream>>,
    outputs: Vec<Arc<OutputOperation>>,
    keepers: Vec<Kept>,
    dead_letters: Option<DeadLetterOutput>,
    mistakes: Vec<Mistake>,
    // Made after the start: they come out of `await_termination`.
    late: Vec<Mistake>,
    remember: Option<Duration>,
    uids: Vec<(String, &'static Location<'static>)>,
}

impl Graph {
    pub(crate) fn new(interval: Interval, engine: &Arc<Engine>, empty_batches: bool) -> Arc<Self> {
        let state = State {
            phase: Phase::Initialized,
            inputs: Vec::new(),
            streams: Vec::new(),
            outputs: Vec::new(),
            keepers: Vec::new(),
            dead_letters: None,
            mistakes: Vec::new(),
            late: Vec::new(),
            remember: None,
            uids: Vec::new(),
        };
        let (engine, newest) = (Arc::clone(engine), Arc::default());
        Arc::new(Self {
            interval,
            engine,
            parallelism_asked: AtomicBool::new(false),
            newest,
            empty_batches,
            zero: Arc::default(),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn interval(&self) -> Interval {
        self.interval
    }

    /// Whether outputs of files have a folder for a batch without records.
    pub(crate) fn empty_batches(&self) -> bool {
        self.empty_batches
    }

    /// Partitions of a shuffle where the user names no number.
    pub(crate) fn parallelism(&self) -> usize {
        self.parallelism_asked.store(true, Ordering::Relaxed);
        self.engine.parallelism()
    }

    /// Whether a stream was drawn with that many partitions: then it is too late to set another number.
    pub(crate) fn parallelism_was_asked(&self) -> bool {
        self.parallelism_asked.load(Ordering::Relaxed)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.state.lock().phase = phase;
    }

    /// Fixes the time from which the grid counts: one interval before the first batch.
    pub(crate) fn set_zero(&self, zero: BatchTime) {
        let _ = self.zero.set(zero);
    }

    /// The newest batch whose Rdds were asked for.
    pub(super) fn newest(&self) -> BatchTime {
        BatchTime::from_millis(self.newest.load(Ordering::Relaxed))
    }

    /// A job of the batch of `time`, outside its outputs.
    pub(super) fn job(&self, time: BatchTime) -> Arc<Job> {
        Job::new(&self.engine, time, Epoch(0), Arc::default())
    }

    /// Takes `name` for a stream; one that is taken, or none, is a mistake.
    pub(super) fn claim_uid(&self, site: &'static Location<'static>, name: &str) -> bool {
        let taken = {
            let mut state = self.state.lock();
            let taken = state.uids.iter().find(|(uid, _)| uid == name).map(|(_, first)| *first);
            if taken.is_none() && !name.is_empty() {
                state.uids.push((name.into(), site));
            }
            taken
        };
        match taken {
            Some(first) => {
                self.mistake(
                    site,
                    format!("the uid `{name}` is taken by the stream named at {first}: choose another"),
                );
            }
            None if name.is_empty() => self.mistake(site, "a uid must not be empty"),
            None => return true,
        }
        false
    }

    /// Notes a mistake of the user's.
    pub(crate) fn mistake(&self, site: &'static Location<'static>, message: impl Into<String>) {
        let mistake = Mistake { site: Some(site), message: message.into() };
        let mut state = self.state.lock();
        if state.phase == Phase::Initialized {
            state.mistakes.push(mistake);
        } else {
            tracing::error!(%mistake, "the plan cannot be changed any more");
            state.late.push(mistake);
        }
    }

    /// Whether the plan may still be drawn; if not, that is a mistake.
    fn may_draw(&self, site: &'static Location<'static>) -> bool {
        let when = match self.phase() {
            Phase::Initialized => return true,
            Phase::Active => "starting",
            Phase::Stopped => "stopping",
        };
        self.mistake(
            site,
            format!("adding new inputs, transformations, and output operations after {when} a context is not supported"),
        );
        false
    }

    /// Adds a stream.
    pub(crate) fn draw<T: 'static>(
        &self,
        site: Site,
        slide: Interval,
        compute: impl Fn(BatchTime, &Arc<Job>) -> Result<Option<Rdd<T>>> + Function,
    ) -> Arc<Stream<T>> {
        let stream = Arc::new(Stream::new(site, slide, &self.zero, compute));
        if self.may_draw(site.location()) {
            self.state.lock().streams.push(Arc::clone(&stream) as Arc<dyn AnyStream>);
        }
        stream
    }

    /// The number of the next input.
    pub(crate) fn next_input(&self) -> usize {
        self.state.lock().inputs.len()
    }

    /// Adds an input.
    pub(crate) fn add_input(&self, input: Arc<dyn Input>) {
        let mut state = self.state.lock();
        if state.phase == Phase::Initialized {
            state.inputs.push(input);
        }
    }

    /// Adds an output operation.
    pub(crate) fn add_output(
        &self,
        site: Site,
        uid: impl Fn() -> Option<String> + Function,
        check: Option<Box<dyn Fn() -> Result<()> + Send + Sync>>,
        generate: impl Fn(BatchTime, &Arc<Job>) -> Result<Option<Generated>> + Function,
    ) {
        if self.may_draw(site.location()) {
            let newest = Arc::clone(&self.newest);
            let generate = Box::new(move |time: BatchTime, job: &Arc<Job>| {
                newest.fetch_max(time.as_millis(), Ordering::Relaxed);
                generate(time, job)
            });
            let output = OutputOperation { site, uid: Box::new(uid), check, generate };
            self.state.lock().outputs.push(Arc::new(output));
        }
    }

    /// Adds an operator that remembers something; who wants its state calls it by the name that `uid` gives.
    pub(crate) fn keep(&self, uid: impl Fn() -> Option<String> + Function, keeper: Arc<dyn Keeper>) {
        let mut state = self.state.lock();
        if state.phase == Phase::Initialized {
            state.keepers.push(Kept { keeper, uid: Arc::new(uid) });
        }
    }

    /// The operators that remember something, in the order in which they were drawn.
    pub(crate) fn keepers(&self) -> Vec<Kept> {
        self.state.lock().keepers.clone()
    }

    /// Says where dead letters go; may be said once.
    pub(crate) fn set_dead_letters(&self, site: Site, sink: Arc<dyn Sink<DeadLetter>>) {
        let at = site.location();
        if !self.may_draw(at) {
            return;
        }
        if let Some(first) = self.dead_letters() {
            let first = first.site.location();
            self.mistake(at, format!("dead letters have a sink already, since {first}: they have one"));
        } else if self.claim_uid(at, DEAD_LETTERS) {
            self.engine.keep_letters();
            self.state.lock().dead_letters = Some(DeadLetterOutput { site, sink });
        }
    }

    /// Where dead letters go.
    pub(crate) fn dead_letters(&self) -> Option<DeadLetterOutput> {
        self.state.lock().dead_letters.clone()
    }

    /// All mistakes at once; nothing to do is one too.
    pub(crate) fn check(&self) -> Result<()> {
        let mut mistakes = self.state.lock().mistakes.clone();
        let outputs = self.outputs();
        if outputs.is_empty() {
            let message = "no output operations registered, so nothing to execute: add `pprint()`, `foreach_rdd(…)` or \
                           `save_to(…)`";
            mistakes.push(Mistake { site: None, message: message.into() });
        }
        for output in outputs {
            if let Err(error) = output.check() {
                mistakes.push(Mistake { site: Some(output.site.location()), message: error.chain() });
            }
        }
        if let Some(DeadLetterOutput { site, sink }) = self.dead_letters()
            && let Err(error) = sink.check()
        {
            mistakes.push(Mistake { site: Some(site.location()), message: error.chain() });
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Error::Plan(mistakes)) }
    }

    /// Mistakes that were made after the start.
    pub(crate) fn late_mistakes(&self) -> Vec<Mistake> {
        self.state.lock().late.clone()
    }

    pub(crate) fn inputs(&self) -> Vec<Arc<dyn Input>> {
        self.state.lock().inputs.clone()
    }

    pub(crate) fn outputs(&self) -> Vec<Arc<OutputOperation>> {
        self.state.lock().outputs.clone()
    }

    /// How long Rdds are kept at least; may be set once.
    pub(crate) fn remember(&self, site: &'static Location<'static>, duration: Duration) {
        let before = {
            let mut state = self.state.lock();
            let before = state.remember;
            state.remember = before.or(Some(duration));
            before
        };
        if let Some(before) = before {
            self.mistake(site, format!("remember duration already set as {before:?}, cannot set it again"));
        }
    }

    /// Whether Rdds are kept beyond their batch.
    pub(super) fn remembers(&self) -> bool {
        self.state.lock().remember.is_some()
    }

    /// The batch of `done` is done: what no batch asks for any more goes.
    pub(crate) fn forget(&self, done: BatchTime) {
        let (streams, inputs, remember) = {
            let state = self.state.lock();
            (state.streams.clone(), state.inputs.clone(), state.remember.unwrap_or_default())
        };
        streams.iter().for_each(|stream| stream.forget(done, remember));
        inputs.iter().for_each(|input| input.forget(done));
    }

    /// After the last batch: nothing is kept.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        let _old = (
            std::mem::take(&mut state.streams),
            std::mem::take(&mut state.outputs),
            std::mem::take(&mut state.keepers),
            state.dead_letters.take(),
        );
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("interval", &self.interval).finish_non_exhaustive()
    }
}
