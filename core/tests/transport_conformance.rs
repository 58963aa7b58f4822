//! Every transport of core passes the suite for transports, on real threads and on many seeds.

use std::sync::Arc;

use tidemill::testing::transport::{self, Members};
use tidemill::testing::{SeededRuntime, Together, real_runtime};
use tidemill::{Alone, Block, Collective, Inbox, Member, Result, Runtime, Transport};

const SEEDS: u64 = 100;

fn alone() -> Members {
    vec![Arc::new(Alone)]
}

fn together(count: u32, runtime: &Arc<dyn Runtime>) -> Members {
    let members = Together::members(count, runtime).into_iter();
    members.map(|member| Arc::new(member) as Arc<dyn Transport>).collect()
}

fn on_many_seeds(suite: impl Fn(&Arc<dyn Runtime>)) {
    for seed in 0..SEEDS {
        let seeded = SeededRuntime::new(seed, 2);
        let runtime: Arc<dyn Runtime> = seeded.clone();
        seeded.run(|| suite(&runtime));
    }
}

#[test]
fn the_only_member_keeps_the_promises() {
    transport::keeps_its_promises(&real_runtime(2).unwrap(), alone);
    on_many_seeds(|runtime| transport::keeps_its_promises(runtime, alone));
}

#[test]
fn members_in_one_process_keep_the_promises_on_real_threads() {
    for count in 1..=3 {
        let runtime = real_runtime(2).unwrap();
        transport::keeps_its_promises(&runtime, || together(count, &runtime));
    }
}

#[test]
fn members_in_one_process_keep_the_promises_in_every_order() {
    for count in 1..=3 {
        on_many_seeds(|runtime| transport::keeps_its_promises(runtime, || together(count, runtime)));
    }
}

#[test]
fn members_that_wait_by_runtimes_of_their_own_wake_each_other() {
    let runtime = real_runtime(1).unwrap();
    transport::keeps_its_promises(&runtime, || {
        let runtimes = (0..3).map(|_| real_runtime(1).unwrap()).collect();
        let members = Together::members_with(runtimes).into_iter();
        members.map(|member| Arc::new(member) as Arc<dyn Transport>).collect()
    });
}

struct Ignore;

impl Inbox for Ignore {
    fn take(&self, _from: Member, _block: Block) -> Result<()> {
        Ok(())
    }
}

fn count(number: u64) -> Collective {
    Collective { number, site: "count".into() }
}

#[test]
fn a_member_that_left_is_gone_also_where_others_hold_it() {
    on_many_seeds(|runtime| {
        let members: Vec<Arc<Together>> = Together::members(2, runtime).into_iter().map(Arc::new).collect();
        let (other, own) = (Arc::clone(&members[1]), members[0].begin(count(0), Arc::new(Ignore)).unwrap());
        runtime.spawn_thread("crash", Box::new(move || other.leave()));
        let error = own.finish(Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("member 1: it is gone"), "{error}");
        let error = members[0].begin(count(1), Arc::new(Ignore)).err().unwrap().to_string();
        assert!(error.starts_with("member 1: it is gone"), "{error}");
    });
}

#[test]
fn a_collective_that_is_left_without_an_end_fails_for_the_others() {
    on_many_seeds(|runtime| {
        let members = Together::members(2, runtime);
        let own = members[0].begin(count(0), Arc::new(Ignore)).unwrap();
        drop(members[1].begin(count(0), Arc::new(Ignore)).unwrap());
        let error = own.finish(Ok(())).unwrap_err().to_string();
        assert_eq!(error, "member 1: the collective was left before its end");
    });
}

#[test]
fn a_member_that_enters_twice_is_told() {
    on_many_seeds(|runtime| {
        let members = Together::members(2, runtime);
        let _first = members[0].begin(count(0), Arc::new(Ignore)).unwrap();
        let error = members[0].begin(count(0), Arc::new(Ignore)).err().unwrap().to_string();
        assert_eq!(error, "member 0: collective 0 (`count`) was entered twice");
    });
}

#[test]
fn a_block_for_a_member_that_there_is_not_is_refused() {
    on_many_seeds(|runtime| {
        let members = Together::members(2, runtime);
        let outbox = members[0].begin(count(0), Arc::new(Ignore)).unwrap();
        let block = Block { from_partition: 0, to_partition: 0, records: 0, bytes: Arc::new([]) };
        let error = outbox.send(Member(2), block).unwrap_err().to_string();
        assert_eq!(error, "member 2: there are only 2 members, from 0");
    });
}
