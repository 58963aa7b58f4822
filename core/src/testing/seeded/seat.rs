//! How an operating system thread takes part: it has a seat.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::turns::{Id, Over, Turns};
use super::wants::Wants;

thread_local! {
    // More than one only where a test nests runtimes. A thread from outside leaves by this list's end, with the thread.
    static SEATS: RefCell<Vec<Seat>> = const { RefCell::new(Vec::new()) };
}

/// A thread's part in the turns; it leaves when this is dropped, also by a panic.
#[derive(Debug)]
pub(super) struct Seat {
    turns: Arc<Turns>,
    id: Id,
    in_run: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.turns.leave(self.id);
    }
}

/// What unwinds a thread that is told to end.
struct EndQuietly;

impl Seat {
    /// A seat for a thread that will be started: in the order of these calls, not in that of the system.
    pub(super) fn reserve(turns: &Arc<Turns>, name: &str, wants: Wants) -> Self {
        Self { turns: Arc::clone(turns), id: turns.join(Some(name), wants), in_run: false }
    }

    /// Runs `body` on the thread that this seat is for.
    pub(super) fn occupy(self, body: impl FnOnce(Id)) {
        let (turns, id) = (Arc::clone(&self.turns), self.id);
        let stand_up = StandUp(&turns);
        SEATS.with_borrow_mut(|seats| seats.push(self));
        if turns.first(id).is_err() {
            // Before the seat is free: what it holds is gone once the run is over.
            drop(body);
        } else if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(id))) {
            turns.note_panic(id, text_of(&*panic));
        }
        drop(stand_up);
    }
}

/// Takes this thread's seat away.
struct StandUp<'a>(&'a Arc<Turns>);

impl Drop for StandUp<'_> {
    fn drop(&mut self) {
        let seat = SEATS.with_borrow_mut(|seats| {
            let place = seats.iter().rposition(|seat| Arc::ptr_eq(&seat.turns, self.0));
            place.map(|place| seats.remove(place))
        });
        drop(seat);
    }
}

/// This thread's number, if it takes part.
pub(super) fn seated(turns: &Arc<Turns>) -> Option<Id> {
    SEATS.with_borrow(|seats| seats.iter().find(|seat| Arc::ptr_eq(&seat.turns, turns)).map(|seat| seat.id))
}

/// This thread's number; one from outside takes part from now on, until it ends.
pub(super) fn sit(turns: &Arc<Turns>) -> Id {
    seated(turns).unwrap_or_else(|| {
        let id = turns.join(None, Wants::Turn("enters"));
        let seat = Seat { turns: Arc::clone(turns), id, in_run: false };
        SEATS.with_borrow_mut(|seats| seats.push(seat));
        if let Err(over) = turns.first(id) {
            drop(StandUp(turns));
            end(turns, id, &over);
        }
        id
    })
}

/// Hands the turn on, and returns when it has come back. Unwinds where the run is over.
pub(super) fn pass(turns: &Arc<Turns>, me: Id, wants: Wants) {
    turns.pass(me, wants).unwrap_or_else(|over| end(turns, me, &over));
}

/// Takes part while `body` runs; then ends what is left, if this was the last thread from outside.
pub(super) fn run<R>(turns: &Arc<Turns>, body: impl FnOnce() -> R) -> R {
    sit(turns);
    let nested = SEATS.with_borrow_mut(|seats| {
        let seat = seats.iter_mut().find(|seat| Arc::ptr_eq(&seat.turns, turns));
        seat.is_none_or(|seat| std::mem::replace(&mut seat.in_run, true))
    });
    if nested {
        return body();
    }
    let result = catch_unwind(AssertUnwindSafe(body));
    drop(StandUp(turns));
    let all_left = turns.all_left();
    match (result, all_left) {
        (Ok(value), Ok(())) => value,
        (Err(panic), _) => resume_unwind(panic),
        (Ok(_), Err(names)) => panic!("told to end, but still there (seed {}): {names}", turns.seed),
    }
}

/// Ends this thread, because the run is over.
fn end(turns: &Arc<Turns>, me: Id, over: &Over) -> ! {
    let foreign = turns.is_foreign(me);
    if std::thread::panicking() && !foreign {
        // A destructor that waits, of a thread that unwinds: a second panic would end the process. It counts as gone.
        turns.leave(me);
        loop {
            std::thread::park();
        }
    }
    match over {
        Over::Failed(text) if foreign => panic!("{text}"),
        Over::Ended if foreign => panic!("the run is over (seed {}): nobody is left to wait for", turns.seed),
        // Not by `panic!`: the text would be printed once for each thread.
        Over::Failed(text) => resume_unwind(Box::new(text.to_string())),
        Over::Ended => resume_unwind(Box::new(EndQuietly)),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a value that is no text")
}
