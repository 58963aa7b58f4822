//! What the unit tests of this room share: jobs without a context, alone and with several members.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::{Condvar, Mutex};

use super::{Engine, Job};
use crate::memory::{Budget, Spill};
use crate::runtime::{Clock, RealRuntime, Runtime, Site, TaskContext};
use crate::transport::{Alone, Block, Collective, Inbox, Member, Outbox, Transport};
use crate::words::{BatchTime, Epoch, Error, Result};

/// Tries of a task in these jobs.
pub(crate) const MAX_FAILURES: u32 = 4;

/// The batch of these jobs.
pub(crate) const BATCH: BatchTime = BatchTime::from_millis(2_000);

/// Partitions of a shuffle that names no number.
const PARALLELISM: usize = 3;

/// Bytes in memory, and on disk: more than any of these tests needs.
const MEMORY: u64 = 1 << 30;

/// A job with one member and `slots` task threads.
pub(crate) fn job(slots: usize) -> Arc<Job> {
    on(slots, Arc::new(Alone))
}

fn on(slots: usize, transport: Arc<dyn Transport>) -> Arc<Job> {
    let runtime = Arc::new(RealRuntime::new(slots, Clock::System).unwrap());
    let memory = (Budget::new(MEMORY), Arc::new(Spill::new(std::env::temp_dir(), MEMORY)));
    let engine = Engine::new(runtime, transport, memory, PARALLELISM, MAX_FAILURES);
    Job::new(&engine, BATCH, Epoch(1), Arc::new(AtomicBool::new(false)))
}

/// A task outside any stage, for tests that pull by hand.
pub(crate) fn task(partition: usize) -> TaskContext {
    let runtime: Arc<dyn Runtime> = Arc::new(RealRuntime::new(1, Clock::System).unwrap());
    let site = Site::new("test", Location::caller());
    let cancelled = [Arc::default(), Arc::default()];
    TaskContext::new(&runtime, (BATCH, Epoch(1)), (partition, partition + 1), 1, cancelled, site)
}

/// Runs `body` on each of `members` members at once; what each returned, by member.
pub(crate) fn together<R: Send>(members: u32, body: impl Fn(&Arc<Job>) -> R + Sync) -> Vec<R> {
    let hub = Arc::new(Hub { members, rounds: Mutex::new(Vec::new()), moved: Condvar::new() });
    #[allow(
        clippy::disallowed_methods,
        reason = "members are processes; here they are threads of the test's"
    )]
    std::thread::scope(|scope| {
        let (hub, body) = (&hub, &body);
        let threads: Vec<_> = (0..members)
            .map(|me| scope.spawn(move || body(&on(2, Arc::new(OfMember { me, hub: Arc::clone(hub) })))))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Asserts that `body` returns the same for one, two and three members, and returns it.
pub(crate) fn same_on_all<R: Send + PartialEq + std::fmt::Debug>(body: impl Fn(&Arc<Job>) -> R + Sync) -> R {
    let alone = body(&job(2));
    for members in [2, 3] {
        for (me, result) in together(members, &body).into_iter().enumerate() {
            assert_eq!(result, alone, "member {me} of {members}");
        }
    }
    alone
}

/// One collective: who entered it and with what, and who is done.
#[derive(Default)]
struct Round {
    site: Option<String>,
    inboxes: Vec<(u32, Arc<dyn Inbox>)>,
    finished: Vec<(u32, Result<(), String>)>,
}

struct Hub {
    members: u32,
    rounds: Mutex<Vec<Round>>,
    moved: Condvar,
}

impl Hub {
    /// Changes a round, wakes everybody, and waits until `ready`.
    fn meet<R>(
        &self,
        number: usize,
        change: impl FnOnce(&mut Round),
        ready: impl Fn(&Round) -> Option<R>,
    ) -> R {
        let mut rounds = self.rounds.lock();
        if rounds.len() <= number {
            rounds.resize_with(number + 1, Round::default);
        }
        change(&mut rounds[number]);
        self.moved.notify_all();
        loop {
            if let Some(result) = ready(&rounds[number]) {
                return result;
            }
            self.moved.wait(&mut rounds);
        }
    }
}

struct OfMember {
    me: u32,
    hub: Arc<Hub>,
}

impl std::fmt::Debug for OfMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "member {} of {}", self.me, self.hub.members)
    }
}

impl Transport for OfMember {
    fn me(&self) -> Member {
        Member(self.me)
    }

    fn members(&self) -> u32 {
        self.hub.members
    }

    fn begin(&self, what: Collective, inbox: Arc<dyn Inbox>) -> Result<Box<dyn Outbox>> {
        let (me, number) = (self.me, what.number as usize);
        let enter = |round: &mut Round| {
            let site = round.site.get_or_insert_with(|| what.site.clone());
            assert_eq!(*site, what.site, "member {me} is somewhere else than the others");
            round.inboxes.push((me, inbox));
        };
        let all = |round: &Round| (round.inboxes.len() == self.hub.members as usize).then_some(());
        self.hub.meet(number, enter, all);
        Ok(Box::new(Sending { me, number, hub: Arc::clone(&self.hub) }))
    }
}

struct Sending {
    me: u32,
    number: usize,
    hub: Arc<Hub>,
}

impl Outbox for Sending {
    fn send(&self, to: Member, block: Block) -> Result<()> {
        let find = |round: &Round| {
            round.inboxes.iter().find(|(member, _)| *member == to.0).map(|(_, inbox)| Arc::clone(inbox))
        };
        self.hub.meet(self.number, |_| {}, find).take(Member(self.me), block)
    }

    fn finish(self: Box<Self>, mine: Result<(), String>) -> Result<()> {
        let members = self.hub.members as usize;
        let mut all = self.hub.meet(
            self.number,
            |round| round.finished.push((self.me, mine)),
            |round| (round.finished.len() == members).then(|| round.finished.clone()),
        );
        all.sort_by_key(|(member, _)| *member);
        all.into_iter()
            .try_for_each(|(member, result)| result.map_err(|reason| Error::Member { member, reason }))
    }
}

#[test]
fn members_gather_the_same_in_the_order_of_partitions() {
    let gathered = same_on_all(|job| super::Rdd::parallelize(job, (0..10).collect(), 4).collect().unwrap());
    assert_eq!(gathered, (0..10).collect::<Vec<i32>>());
}

#[test]
fn what_fails_on_one_member_fails_on_all() {
    let results = together(3, |job| {
        let rdd = super::Rdd::parallelize(job, (0..9).collect::<Vec<i32>>(), 3);
        rdd.map(|n| if n == 8 { panic!("eight") } else { n }).count().map_err(|error| error.chain())
    });
    for result in results {
        assert!(result.as_ref().is_err_and(|text| text.contains("panic: eight")), "{result:?}");
    }
}
