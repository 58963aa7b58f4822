//! Several members in one process, without a network.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::runtime::{Monitor, Runtime};
use crate::transport::{Block, Collective, Inbox, Member, Outbox, Transport};
use crate::words::{Error, Result};

/// One of several members in one process: a [`Transport`] for tests of what members do together.
///
/// A member that is dropped, or that has [left](Self::leave), is gone: what the others do together from then on fails.
///
/// # Examples
/// ```
/// use tidemill::Transport;
/// use tidemill::testing::{SeededRuntime, Together};
///
/// let runtime: std::sync::Arc<dyn tidemill::Runtime> = SeededRuntime::new(1, 2);
/// let members = Together::members(3, &runtime);
/// assert_eq!(members[2].me(), tidemill::Member(2));
/// assert_eq!(members[2].members(), 3);
/// ```
pub struct Together {
    me: u32,
    hall: Arc<Hall>,
}

/// Where the members meet.
struct Hall {
    state: Mutex<State>,
    // One for each member: each waits by its own runtime.
    doors: Vec<Door>,
}

struct Door {
    bell: Monitor<()>,
    runtime: Arc<dyn Runtime>,
    host: Option<String>,
}

#[derive(Default)]
struct State {
    gone: Vec<bool>,
    rooms: BTreeMap<u64, Room>,
}

/// One collective.
struct Room {
    // Who came first, and with which site.
    first: Option<(u32, String)>,
    seats: Vec<Seat>,
    // Why nobody needs to wait for the rest: somebody diverged, or is gone.
    broken: Option<(u32, String)>,
}

/// One member's place in a collective.
#[derive(Default)]
struct Seat {
    inbox: Option<Arc<dyn Inbox>>,
    // What came before the member did.
    early: Vec<(Member, Block)>,
    // What its inbox could not keep.
    refused: Option<String>,
    done: Option<Result<(), String>>,
    left: bool,
}

impl Together {
    /// `count` members whose waits go through `runtime`.
    pub fn members(count: u32, runtime: &Arc<dyn Runtime>) -> Vec<Self> {
        Self::members_with((0..count).map(|_| Arc::clone(runtime)).collect())
    }

    /// One member for each of `runtimes`, by which it waits.
    pub fn members_with(runtimes: Vec<Arc<dyn Runtime>>) -> Vec<Self> {
        Self::behind(runtimes.into_iter().map(|runtime| (runtime, None)).collect())
    }

    /// One member on each of `hosts`, which are names only: for receivers that prefer a host.
    pub fn members_on(hosts: &[&str], runtime: &Arc<dyn Runtime>) -> Vec<Self> {
        Self::behind(hosts.iter().map(|host| (Arc::clone(runtime), Some((*host).to_owned()))).collect())
    }

    fn behind(doors: Vec<(Arc<dyn Runtime>, Option<String>)>) -> Vec<Self> {
        let state = State { gone: vec![false; doors.len()], rooms: BTreeMap::new() };
        let doors: Vec<Door> = doors
            .into_iter()
            .map(|(runtime, host)| Door { bell: Monitor::new(&runtime, ()), runtime, host })
            .collect();
        let hall = Arc::new(Hall { state: Mutex::new(state), doors });
        (0..hall.members()).map(|me| Self { me, hall: Arc::clone(&hall) }).collect()
    }

    /// Takes this member away, as a crash does: also where others still hold it.
    fn gone(&self) {
        self.hall.change(|state| {
            let me = self.me as usize;
            state.gone[me] = true;
            for room in state.rooms.values_mut() {
                if room.seats[me].done.is_none() {
                    room.fail(self.me, is_gone());
                }
                room.seats[me].left = true;
            }
        });
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.gone();
    }
}

impl Transport for Together {
    fn leave(&self) {
        self.gone();
    }

    fn me(&self) -> Member {
        Member(self.me)
    }

    fn members(&self) -> u32 {
        self.hall.members()
    }

    fn host(&self, member: Member) -> Option<String> {
        self.hall.doors.get(member.0 as usize)?.host.clone()
    }

    fn begin(&self, what: Collective, inbox: Arc<dyn Inbox>) -> Result<Box<dyn Outbox>> {
        let number = what.number;
        let early = self.hall.change(|state| state.enter(self.me, what, &inbox))?;
        // From here on the outbox tells the others if this one ends early.
        let outbox = Half { me: self.me, number, hall: Arc::clone(&self.hall) };
        for (from, block) in early {
            outbox.deliver(&inbox, from, self.me, block);
        }
        Ok(Box::new(outbox))
    }
}

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together")
            .field("me", &self.me)
            .field("members", &self.members())
            .finish_non_exhaustive()
    }
}

impl Hall {
    fn members(&self) -> u32 {
        self.doors.len() as u32
    }

    /// Changes the state and wakes every member that waits.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        state.rooms.retain(|_, room| !room.seats.iter().all(|seat| seat.left));
        drop(state);
        self.doors.iter().for_each(|door| door.bell.change(|()| ()));
        result
    }
}

impl State {
    /// Gives what was sent to `me` before it came.
    fn enter(&mut self, me: u32, what: Collective, inbox: &Arc<dyn Inbox>) -> Result<Vec<(Member, Block)>> {
        let Collective { number, site } = what;
        let gone = &self.gone;
        let room = self.rooms.entry(number).or_insert_with(|| {
            let mut room = Room { first: None, seats: Vec::new(), broken: None };
            for (member, gone) in (0..).zip(gone) {
                room.seats.push(Seat { left: *gone, ..Seat::default() });
                if *gone {
                    room.fail(member, is_gone());
                }
            }
            room
        });
        if room.seats[me as usize].inbox.is_some() {
            return Err(member_failed((me, format!("collective {number} (`{site}`) was entered twice"))));
        }
        let (first, theirs) = room.first.get_or_insert_with(|| (me, site.clone()));
        if *theirs != site {
            let reason = format!(
                "collective {number} is `{site}` on member {me} and `{theirs}` on member {first}: all members must \
                 run the same plan"
            );
            room.fail(me, reason);
        }
        let seat = &mut room.seats[me as usize];
        match &room.broken {
            None => {
                seat.inbox = Some(Arc::clone(inbox));
                Ok(std::mem::take(&mut seat.early))
            }
            Some(why) => {
                seat.left = true;
                Err(member_failed(why.clone()))
            }
        }
    }
}

impl Room {
    /// Fails the collective for everybody; the first reason stays.
    fn fail(&mut self, member: u32, reason: String) {
        self.broken.get_or_insert((member, reason));
    }

    /// How it ended, once it has.
    fn verdict(&self) -> Option<Result<()>> {
        if let Some(why) = &self.broken {
            return Some(Err(member_failed(why.clone())));
        }
        // All are waited for, also those that come after one that failed: so all give the same error.
        if self.seats.iter().any(|seat| seat.done.is_none()) {
            return None;
        }
        let failed = (0..).zip(&self.seats).find_map(|(member, seat)| {
            let told = seat.done.as_ref().and_then(|done| done.as_ref().err());
            told.or(seat.refused.as_ref()).map(|reason| (member, reason.clone()))
        });
        Some(failed.map_or(Ok(()), |why| Err(member_failed(why))))
    }
}

/// One member's half of a collective.
struct Half {
    me: u32,
    number: u64,
    hall: Arc<Hall>,
}

impl Half {
    /// Gives a block to an inbox, without a lock: that is the engine's code.
    fn deliver(&self, inbox: &Arc<dyn Inbox>, from: Member, to: u32, block: Block) {
        if let Err(error) = inbox.take(from, block) {
            self.hall.change(|state| {
                if let Some(room) = state.rooms.get_mut(&self.number) {
                    room.seats[to as usize].refused.get_or_insert_with(|| error.chain());
                }
            });
        }
    }

    fn tell(&self, mine: Result<(), String>) {
        self.hall.change(|state| {
            if let Some(room) = state.rooms.get_mut(&self.number) {
                room.seats[self.me as usize].done.get_or_insert(mine);
            }
        });
    }
}

impl Outbox for Half {
    fn send(&self, to: Member, block: Block) -> Result<()> {
        let index = to.0 as usize;
        let Some(door) = self.hall.doors.get(self.me as usize).filter(|_| to.0 < self.hall.members()) else {
            let reason = format!("there are only {} members, from 0", self.hall.members());
            return Err(member_failed((to.0, reason)));
        };
        // A point at which others go first: the seeded runtime then tries many orders of arrival.
        door.runtime.yield_now();
        let inbox = {
            let mut state = self.hall.state.lock();
            if state.gone[index] {
                return Err(member_failed((to.0, is_gone())));
            }
            let Some(room) = state.rooms.get_mut(&self.number) else {
                return Err(member_failed((self.me, is_gone())));
            };
            let seat = &mut room.seats[index];
            let Some(inbox) = &seat.inbox else {
                seat.early.push((Member(self.me), block));
                return Ok(());
            };
            Arc::clone(inbox)
        };
        self.deliver(&inbox, Member(self.me), to.0, block);
        Ok(())
    }

    fn finish(self: Box<Self>, mine: Result<(), String>) -> Result<()> {
        self.tell(mine);
        self.hall.doors[self.me as usize].bell.wait(|()| {
            let state = self.hall.state.lock();
            match state.rooms.get(&self.number) {
                Some(room) => room.verdict(),
                None => Some(Err(member_failed((self.me, is_gone())))),
            }
        })
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // After `finish` this says nothing new; without it, nobody shall wait for what never comes.
        self.tell(Err("the collective was left before its end".into()));
        self.hall.change(|state| {
            if let Some(room) = state.rooms.get_mut(&self.number) {
                room.seats[self.me as usize].left = true;
            }
        });
    }
}

fn is_gone() -> String {
    "it is gone; no collective with it can end".into()
}

fn member_failed((member, reason): (u32, String)) -> Error {
    Error::Member { member, reason }
}
