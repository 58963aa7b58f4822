//! What every [`Transport`] has to pass.
//!
//! Each check takes the members of one new cluster, in the order of their numbers, and a runtime on which they run. A
//! member is gone once its `Arc` is dropped. A check panics where a promise is broken, also where somebody would wait
//! for ever.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::runtime::{Monitor, Runtime};
use crate::transport::{Block, Collective, Inbox, Member, Outbox, Transport};
use crate::words::{Error, Result};

/// How long a member may take: far more than any needs, so that only one that hangs fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Blocks that each member sends to each.
const BLOCKS: u32 = 5;

/// Members of a cluster, in the order of their numbers.
pub type Members = Vec<Arc<dyn Transport>>;

/// All checks; `cluster` makes a new cluster of the same size each time.
pub fn keeps_its_promises(runtime: &Arc<dyn Runtime>, cluster: impl Fn() -> Members) {
    knows_its_members(&cluster());
    blocks_arrive_before_finish(runtime, cluster());
    order_of_arrival_does_not_matter(runtime, &cluster);
    a_failure_reaches_all(runtime, &cluster);
    a_full_inbox_fails_all(runtime, &cluster);
    if cluster().len() > 1 {
        divergence_names_both_sites(runtime, &cluster);
        a_gone_member_hangs_nobody(runtime, &cluster);
    }
}

/// Members are numbered from 0, and all know how many there are.
pub fn knows_its_members(members: &Members) {
    for (number, member) in (0..).zip(members) {
        assert_eq!(member.me(), Member(number));
        assert_eq!(member.members() as usize, members.len());
    }
}

/// Every block has been taken when `finish` returns, also in a second and a third collective.
pub fn blocks_arrive_before_finish(runtime: &Arc<dyn Runtime>, members: Members) {
    let count = members.len() as u32;
    let results = each(runtime, members, move |me, member| {
        (0..3).map(|number| exchange(&*member, me, number, || ())).collect::<Result<Vec<_>>>()
    });
    for (me, result) in (0..).zip(results) {
        assert_eq!(ok(me, result), vec![expected(count, me); 3], "what member {me} got");
    }
}

/// Each in turn sends before any other member has entered: the blocks wait for those.
pub fn order_of_arrival_does_not_matter(runtime: &Arc<dyn Runtime>, cluster: &impl Fn() -> Members) {
    let count = cluster().len() as u32;
    for first in 0..count {
        let has_sent = Arc::new(Monitor::new(runtime, false));
        let results = each(runtime, cluster(), move |me, member| {
            if me != first {
                has_sent.wait(|sent| sent.then_some(()));
            }
            exchange(&*member, me, 0, || has_sent.change(|sent| *sent = true))
        });
        for (me, result) in (0..).zip(results) {
            assert_eq!(ok(me, result), expected(count, me), "what member {me} got; {first} was first");
        }
    }
}

/// What one member gives to `finish` is everybody's error; of several, the one of the lowest member.
pub fn a_failure_reaches_all(runtime: &Arc<dyn Runtime>, cluster: &impl Fn() -> Members) {
    let count = cluster().len() as u32;
    for first in 0..count {
        let results = each(runtime, cluster(), move |me, member| {
            let outbox = member.begin(what(0, "count"), Arc::new(Letters::default()))?;
            let mine = if me < first { Ok(()) } else { Err(format!("boiler {me} burst")) };
            outbox.finish(mine)
        });
        for (me, result) in (0..).zip(results) {
            let (member, reason) = failed(me, result);
            assert_eq!(member, first, "whose error member {me} got: {reason}");
            assert!(reason.contains(&format!("boiler {first} burst")), "{reason}");
        }
    }
}

/// An inbox that cannot keep a block fails the collective for all.
pub fn a_full_inbox_fails_all(runtime: &Arc<dyn Runtime>, cluster: &impl Fn() -> Members) {
    struct Full;
    impl Inbox for Full {
        fn take(&self, _from: Member, _block: Block) -> Result<()> {
            Err(Error::new("the disk is full"))
        }
    }
    let count = cluster().len() as u32;
    for full in 0..count {
        let results = each(runtime, cluster(), move |me, member| {
            let inbox: Arc<dyn Inbox> =
                if me == full { Arc::new(Full) } else { Arc::new(Letters::default()) };
            let outbox = member.begin(what(0, "count"), inbox)?;
            let sent = send_all(&*outbox, me, count);
            outbox.finish(sent.map_err(|error| error.chain()))
        });
        for (me, result) in (0..).zip(results) {
            let (_, reason) = failed(me, result);
            assert!(reason.contains("the disk is full"), "what member {me} got: {reason}");
        }
    }
}

/// A member at another site gets an error that names both, and so do the others.
pub fn divergence_names_both_sites(runtime: &Arc<dyn Runtime>, cluster: &impl Fn() -> Members) {
    let count = cluster().len() as u32;
    for other in 0..count {
        let results = each(runtime, cluster(), move |me, member| {
            let site = if me == other { "join (b.rs:2:2)" } else { "count (a.rs:1:1)" };
            member.begin(what(0, site), Arc::new(Letters::default()))?.finish(Ok(()))
        });
        for (me, result) in (0..).zip(results) {
            let (_, reason) = failed(me, result);
            for site in ["join (b.rs:2:2)", "count (a.rs:1:1)"] {
                assert!(reason.contains(site), "what member {me} got names no `{site}`: {reason}");
            }
        }
    }
}

/// What is done together with a member that is gone fails: what is at work, and what comes later.
pub fn a_gone_member_hangs_nobody(runtime: &Arc<dyn Runtime>, cluster: &impl Fn() -> Members) {
    let count = cluster().len() as u32;
    for (gone, enters) in (0..count).flat_map(|gone| [(gone, false), (gone, true)]) {
        let results = each(runtime, cluster(), move |me, member| {
            let together = |number| member.begin(what(number, "count"), Arc::new(Letters::default()));
            together(0)?.finish(Ok(()))?;
            if me == gone {
                // As a process that ends: its half goes with it.
                drop(enters.then(|| together(1)));
                return Ok(None);
            }
            let at_work = together(1).and_then(|outbox| outbox.finish(Ok(())));
            let later = together(2).and_then(|outbox| outbox.finish(Ok(())));
            // Kept until all have ended, so that nobody else is gone.
            Ok(Some((member, at_work, later)))
        });
        for (me, result) in (0..).zip(results) {
            if let Some((_, at_work, later)) = ok(me, result) {
                assert_eq!(failed(me, at_work).0, gone, "who failed the collective at work, by member {me}");
                assert_eq!(failed(me, later).0, gone, "who failed the later collective, by member {me}");
            }
        }
    }
}

/// Runs `body` for each member, each on a thread of its own; results by member.
fn each<R: Send + Debug + 'static>(
    runtime: &Arc<dyn Runtime>,
    members: Members,
    body: impl Fn(u32, Arc<dyn Transport>) -> R + Send + Sync + 'static,
) -> Vec<R> {
    let results: Vec<Option<Result<R, String>>> = members.iter().map(|_| None).collect();
    let results = Arc::new(Monitor::new(runtime, results));
    let body = Arc::new(body);
    for (me, member) in (0..).zip(members) {
        let (body, results) = (Arc::clone(&body), Arc::clone(&results));
        let run = move || {
            let result = catch_unwind(AssertUnwindSafe(|| body(me, member)));
            let result = result.map_err(|panic| match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(_) => "it panicked".into(),
            });
            results.change(|results| results[me as usize] = Some(result));
        };
        runtime.spawn_thread(&format!("member-{me}"), Box::new(run));
    }
    let all = results
        .wait_for(PATIENCE, |results| results.iter().all(Option::is_some).then(|| std::mem::take(results)));
    let Some(all) = all else {
        let hang: Vec<String> = results.read(|results| {
            let missing = (0..).zip(results).filter(|(_, result)| result.is_none());
            missing.map(|(me, _): (u32, _)| me.to_string()).collect()
        });
        panic!("after {} s no end of member(s) {}", PATIENCE.as_secs(), hang.join(", "));
    };
    let ended = (0..).zip(all).map(|(me, result): (u32, _)| match result {
        Some(Ok(result)) => result,
        Some(Err(panic)) => panic!("member {me}: {panic}"),
        None => unreachable!("all were there"),
    });
    ended.collect()
}

/// One collective in which each sends to each; what came, in a fixed order.
fn exchange(member: &dyn Transport, me: u32, number: u64, sent: impl Fn()) -> Result<Vec<Block>> {
    let letters = Arc::new(Letters::default());
    let outbox = member.begin(what(number, "exchange"), Arc::clone(&letters) as Arc<dyn Inbox>)?;
    let mine = send_all(&*outbox, me, member.members());
    sent();
    outbox.finish(mine.map_err(|error| error.chain()))?;
    let mut letters = std::mem::take(&mut *letters.0.lock());
    for (from, block) in &letters {
        assert_eq!(from.0, block.from_partition / BLOCKS, "who sent {block:?}");
    }
    letters.sort_by_key(|(_, block)| block.from_partition);
    Ok(letters.into_iter().map(|(_, block)| block).collect())
}

fn send_all(outbox: &dyn Outbox, me: u32, members: u32) -> Result<()> {
    let blocks = (0..members).flat_map(|to| (0..BLOCKS).map(move |number| (to, number)));
    blocks.into_iter().try_for_each(|(to, number)| outbox.send(Member(to), block(me, to, number)))
}

fn expected(members: u32, me: u32) -> Vec<Block> {
    (0..members).flat_map(|from| (0..BLOCKS).map(move |number| block(from, me, number))).collect()
}

fn block(from: u32, to: u32, number: u32) -> Block {
    let text = format!("{number} from {from} to {to}");
    Block {
        from_partition: from * BLOCKS + number,
        to_partition: to,
        records: 1,
        bytes: text.into_bytes().into(),
    }
}

fn what(number: u64, site: &str) -> Collective {
    Collective { number, site: site.into() }
}

fn ok<R>(me: u32, result: Result<R>) -> R {
    result.unwrap_or_else(|error| panic!("member {me}: {}", error.chain()))
}

fn failed<R: Debug>(me: u32, result: Result<R>) -> (u32, String) {
    match result {
        Err(Error::Member { member, reason }) => (member, reason),
        other => panic!("member {me} got {other:?} and not another member's error"),
    }
}

#[derive(Default)]
struct Letters(Mutex<Vec<(Member, Block)>>);

impl Inbox for Letters {
    fn take(&self, from: Member, block: Block) -> Result<()> {
        self.0.lock().push((from, block));
        Ok(())
    }
}
