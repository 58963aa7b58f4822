//! Whose turn it is: one thread at a time, the next drawn from the seed, in virtual time.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::wants::{Rings, Wants};

/// How long a thread may keep the turn, in real time, before the run fails: by then it waits for a lock that is held
/// across a turn, or for something outside the runtime, and would do so for ever.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many of the last turns a failure lists.
const LAST_TURNS: usize = 12;

/// A participating thread.
pub(super) type Id = u64;

/// Has the turn while time jumps: whoever enters then waits, too.
const CLOCK: Id = Id::MAX;

/// One turn of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Virtual time since the start.
    pub at: Duration,
    /// The thread's name.
    pub thread: Arc<str>,
    /// Why it could go on, as in `heard a ring`.
    pub reason: &'static str,
}

/// Why nobody has a turn any more.
#[derive(Clone, Debug)]
pub(super) enum Over {
    /// All threads that came from outside have left.
    Ended,
    /// Nobody can go on, or somebody goes on for ever.
    Failed(Arc<str>),
}

#[derive(Debug)]
pub(super) struct Turns {
    pub(super) seed: u64,
    max: usize,
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug)]
struct State {
    random: u64,
    // Virtual time since the start, and what the job's clock shows: that one may be set.
    now: Duration,
    clock: Duration,
    turn: Option<Id>,
    threads: BTreeMap<Id, Thread>,
    // Ids are never used again.
    threads_ever: Id,
    foreign_ever: u64,
    bells_ever: u64,
    sleepers: BTreeMap<u64, (Duration, Waker)>,
    sleepers_ever: u64,
    free_slots: usize,
    trace: Vec<Turn>,
    panics: Vec<String>,
    over: Option<Over>,
}

#[derive(Debug)]
struct Thread {
    name: Arc<str>,
    foreign: bool,
    has_slot: bool,
    wants: Wants,
    its_turn: Arc<Condvar>,
}

impl Turns {
    pub(super) fn new(seed: u64, slots: usize, start: Duration, max: usize) -> Self {
        let state = State {
            random: seed,
            now: Duration::ZERO,
            clock: start,
            turn: None,
            threads: BTreeMap::new(),
            threads_ever: 0,
            foreign_ever: 0,
            bells_ever: 0,
            sleepers: BTreeMap::new(),
            sleepers_ever: 0,
            free_slots: slots,
            trace: Vec::new(),
            panics: Vec::new(),
            over: None,
        };
        Self { seed, max, state: Mutex::new(state), left: Condvar::new() }
    }

    /// Lets a thread take part; it calls [`first`](Self::first) before it does anything.
    pub(super) fn join(&self, name: Option<&str>, wants: Wants) -> Id {
        let mut state = self.state.lock();
        let id = state.threads_ever;
        state.threads_ever += 1;
        let foreign = name.is_none();
        let name = name.map_or_else(
            || {
                // Not the thread's own name: that differs with how a test is run.
                state.foreign_ever += 1;
                if state.foreign_ever == 1 {
                    "main".into()
                } else {
                    format!("main-{}", state.foreign_ever).into()
                }
            },
            Arc::from,
        );
        let thread = Thread { name, foreign, has_slot: false, wants, its_turn: Arc::default() };
        state.threads.insert(id, thread);
        id
    }

    /// Waits for the first turn of a thread.
    pub(super) fn first(&self, me: Id) -> Result<(), Over> {
        let mut state = self.state.lock();
        if state.turn.is_none() {
            self.next(&mut state);
        }
        self.wait(state, me)
    }

    /// Hands the turn on, and returns when it has come back.
    pub(super) fn pass(&self, me: Id, wants: Wants) -> Result<(), Over> {
        let mut state = self.state.lock();
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        if matches!(wants, Wants::Slot | Wants::Tasks(_)) {
            state.release_slot(me);
        }
        if let Some(thread) = state.threads.get_mut(&me) {
            thread.wants = wants;
        }
        if state.turn == Some(me) {
            self.next(&mut state);
        }
        self.wait(state, me)
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, me: Id) -> Result<(), Over> {
        let Some(its_turn) = state.threads.get(&me).map(|thread| Arc::clone(&thread.its_turn)) else {
            return Err(Over::Ended);
        };
        loop {
            if let Some(over) = &state.over {
                return Err(over.clone());
            }
            if state.turn == Some(me) {
                return Ok(());
            }
            let before = state.trace.len();
            let waited = its_turn.wait_for(&mut state, PATIENCE);
            if waited.timed_out() && state.trace.len() == before && state.turn != Some(me) {
                let holder = state.turn.map_or_else(|| "nobody".into(), |id| state.name(id));
                let what = format!(
                    "`{holder}` has kept the turn for {} s: it waits for a lock that is held across a turn, or for \
                     something outside the runtime",
                    PATIENCE.as_secs()
                );
                self.fail(&mut state, &what);
            }
        }
    }

    /// Draws who goes on, of those who can.
    fn next(&self, state: &mut MutexGuard<'_, State>) {
        state.turn = None;
        loop {
            if state.over.is_some() || state.threads.is_empty() {
                return;
            }
            let (now, free) = (state.now, state.free_slots);
            let ready: Vec<(Id, &'static str)> =
                state.threads.iter().filter_map(|(id, t)| Some((*id, t.wants.ready(now, free)?))).collect();
            if !ready.is_empty() {
                if state.trace.len() >= self.max {
                    let what = format!("no end after {} turns", self.max);
                    return self.fail(state, &what);
                }
                let (id, reason) = ready[state.below(ready.len())];
                return Self::give(state, id, reason);
            }
            let sleepers = state.sleepers.values().map(|(until, _)| *until);
            let deadlines = state.threads.values().filter_map(|thread| thread.wants.deadline());
            let Some(earliest) = deadlines.chain(sleepers).min() else {
                return self.fail(state, "deadlock: nobody can go on");
            };
            state.pass(earliest);
            let due: Vec<_> = state.sleepers.extract_if(.., |_, (until, _)| *until <= earliest).collect();
            // Wakers are foreign code: none runs under the lock.
            state.turn = Some(CLOCK);
            MutexGuard::unlocked(state, || due.into_iter().for_each(|(_, (_, waker))| waker.wake()));
            state.turn = None;
        }
    }

    fn give(state: &mut State, id: Id, reason: &'static str) {
        let at = state.now;
        state.turn = Some(id);
        if let Some(thread) = state.threads.get_mut(&id) {
            if matches!(thread.wants, Wants::Slot) {
                thread.has_slot = true;
                state.free_slots -= 1;
            }
            thread.wants = Wants::Turn("runs");
            thread.its_turn.notify_one();
            state.trace.push(Turn { at, thread: Arc::clone(&thread.name), reason });
        }
    }

    fn fail(&self, state: &mut State, what: &str) {
        let mut text = format!("{what} (seed {}, {:?} of virtual time)", self.seed, state.now);
        // Writing to a string does not fail.
        for thread in state.threads.values() {
            let _ = write!(text, "\n  `{}` {}", thread.name, thread.wants);
        }
        for panic in &state.panics {
            let _ = write!(text, "\n  {panic}");
        }
        text.push_str("\nthe last turns:");
        for turn in &state.trace[state.trace.len().saturating_sub(LAST_TURNS)..] {
            let _ = write!(text, "\n  {:?} `{}` {}", turn.at, turn.thread, turn.reason);
        }
        self.over(state, Over::Failed(text.into()));
    }

    fn over(&self, state: &mut State, over: Over) {
        state.over = Some(over);
        state.turn = None;
        for thread in state.threads.values() {
            thread.its_turn.notify_one();
        }
        self.left.notify_all();
    }

    /// Takes a thread out. With the last one from outside, all end.
    pub(super) fn leave(&self, me: Id) {
        let mut state = self.state.lock();
        state.release_slot(me);
        let Some(thread) = state.threads.remove(&me) else {
            return;
        };
        if thread.foreign && state.over.is_none() && !state.threads.values().any(|other| other.foreign) {
            self.over(&mut state, Over::Ended);
        }
        if state.threads.is_empty() && matches!(state.over, Some(Over::Ended)) {
            state.over = None;
        }
        if state.turn == Some(me) {
            self.next(&mut state);
        }
        self.left.notify_all();
    }

    /// Waits until no thread of an ended run is left; gives the names of those that do not end.
    pub(super) fn all_left(&self) -> Result<(), String> {
        let mut state = self.state.lock();
        while state.over.is_some() && !state.threads.is_empty() {
            if self.left.wait_for(&mut state, PATIENCE).timed_out() {
                let names: Vec<&str> = state.threads.values().map(|thread| &*thread.name).collect();
                return Err(names.join(", "));
            }
        }
        Ok(())
    }

    /// Notes that a thread has panicked, unless it was told to end.
    pub(super) fn note_panic(&self, me: Id, text: &str) {
        let mut state = self.state.lock();
        if state.over.is_none() {
            let line = format!("`{}` has ended by a panic: {text}", state.name(me));
            state.panics.push(line);
        }
    }

    /// Virtual time since the start.
    pub(super) fn now(&self) -> Duration {
        self.state.lock().now
    }

    /// What the job's clock shows.
    pub(super) fn clock(&self) -> Duration {
        self.state.lock().clock
    }

    pub(super) fn set_clock(&self, clock: Duration) {
        self.state.lock().clock = clock;
    }

    pub(super) fn random(&self) -> u64 {
        self.state.lock().draw()
    }

    pub(super) fn trace(&self) -> Vec<Turn> {
        self.state.lock().trace.clone()
    }

    pub(super) fn rings(&self, maker: Option<Id>) -> Rings {
        let mut state = self.state.lock();
        state.bells_ever += 1;
        Rings::new(state.bells_ever, maker.map_or_else(|| "main".into(), |id| state.name(id)))
    }

    pub(super) fn name(&self, id: Id) -> Arc<str> {
        self.state.lock().name(id)
    }

    pub(super) fn rename(&self, id: Id, name: &str) {
        if let Some(thread) = self.state.lock().threads.get_mut(&id) {
            thread.name = name.into();
        }
    }

    pub(super) fn has_slot(&self, id: Id) -> bool {
        self.state.lock().threads.get(&id).is_some_and(|thread| thread.has_slot)
    }

    pub(super) fn is_foreign(&self, id: Id) -> bool {
        self.state.lock().threads.get(&id).is_none_or(|thread| thread.foreign)
    }

    /// A number for a sleep.
    pub(super) fn new_sleeper(&self) -> u64 {
        let mut state = self.state.lock();
        state.sleepers_ever += 1;
        state.sleepers_ever
    }

    /// Whether it is `until`; `waker` is woken then, if not.
    pub(super) fn sleep(&self, sleeper: u64, until: Duration, waker: &Waker) -> bool {
        // Cloned, and the old one dropped, outside the lock.
        let waker = waker.clone();
        let mut state = self.state.lock();
        if state.now >= until {
            return true;
        }
        let old = state.sleepers.insert(sleeper, (until, waker));
        drop(state);
        drop(old);
        false
    }

    pub(super) fn sleep_no_more(&self, sleeper: u64) {
        let removed = self.state.lock().sleepers.remove(&sleeper);
        drop(removed);
    }
}

impl State {
    /// The next random number: `SplitMix64`.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Lets time pass until `then`.
    fn pass(&mut self, then: Duration) {
        self.clock += then.saturating_sub(self.now);
        self.now = then;
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }

    fn name(&self, id: Id) -> Arc<str> {
        self.threads.get(&id).map_or_else(|| "the clock".into(), |thread| Arc::clone(&thread.name))
    }

    fn release_slot(&mut self, id: Id) {
        if let Some(thread) = self.threads.get_mut(&id)
            && thread.has_slot
        {
            thread.has_slot = false;
            self.free_slots += 1;
        }
    }
}
