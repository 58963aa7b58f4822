//! Receivers, their blocks, and the members that run them, against what Spark does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::{clock, collect_batches, local_with, members_on, run_batches};
use tidemill::{Clock, Conf, Gate, ReceiverInfo, Result, StreamingListener};

use super::case::Case;

/// Spark's block generator is the gate. `addData` is `emit`, the forms with a callback are those with a position, and what
/// the callback is told is what becomes durable. A receiver cannot be started twice, as the stream owns it; what comes
/// behind a stop is taken, which COMPAT.md has.
pub(crate) fn blocks_and_what_becomes_of_them(case: &Case) {
    let conf = Conf::new().allow_several(true).master("local[2]").unwrap();
    let ssc = local_with(conf.set("tidemill.streaming.block_interval", "10ms").unwrap());
    let Clock::Manual(clock) = clock(&ssc) else { panic!("a manual clock") };
    let script = Script::new();
    let blocks = collect_batches(&ssc.receiver_stream(script.clone()).glom());
    ssc.start().unwrap();

    (1..=10).for_each(|n| script.run(Step::Emit(n)));
    clock.advance(Duration::from_millis(10));
    (11..=20).for_each(|n| script.run(Step::EmitAt("data", n, n)));
    clock.advance(Duration::from_millis(10));
    script.run(Step::EmitAll("whole", (21..=30).collect(), Some(30)));
    run_batches(&ssc, 1).unwrap();
    script.wait(|progress| progress.durable.len() == 2);
    ssc.stop(true).unwrap();
    // `stop_twice`: nothing happens.
    ssc.stop(true).unwrap();

    let blocks = blocks.batches().concat();
    assert_eq!(blocks.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10]);
    assert_eq!(blocks.concat(), Case::read::<Vec<u64>>(&case.facts["pushed_in_order"]));
    // One by one, and the last as a whole; 1 to 10 had nobody to tell.
    let Value::Array(told) = &case.facts["onAddData_for"] else { panic!("{:?}", case.facts) };
    let one_by_one = told.iter().filter_map(Value::as_u64).max().unwrap();
    assert_eq!(
        (told.len(), one_by_one, &case.facts["addData_calls_no_callback"]),
        (11, 20, &Value::Bool(true))
    );
    assert_eq!(script.progress().durable, [("data".to_owned(), one_by_one), ("whole".to_owned(), 30)]);
    assert_eq!(case.facts["stop_twice"], "ok");
}

/// Spark refuses what is added during the stop; COMPAT.md has that it is taken here.
pub(crate) fn a_stop_drains_the_open_block(case: &Case) {
    let ssc = case.context();
    let script = Script::new();
    let collected = collect_batches(&ssc.receiver_stream(script.clone()));
    ssc.start().unwrap();
    (1..=1000).for_each(|n| script.push(Step::Emit(n)));
    script.wait(|progress| progress.done == 1000);

    // The clock does not move on, so no tick has cut the block.
    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat(), (1..=1000).collect::<Vec<u64>>());
    assert_eq!(case.facts["pushed_in_order"], "1..1000");
}

/// Receivers that a member runs.
#[derive(Clone, Default)]
struct Started(Arc<Mutex<Vec<ReceiverInfo>>>);

impl StreamingListener for Started {
    fn on_receiver_started(&self, receiver: &ReceiverInfo) {
        self.0.lock().unwrap().push(receiver.clone());
    }
}

struct Prefers(Option<&'static str>);

impl tidemill::Receiver for Prefers {
    type Record = u64;
    type Position = ();

    async fn run(&self, _: Gate<u64, ()>) -> Result<()> {
        Ok(())
    }

    fn preferred_host(&self) -> Option<String> {
        self.0.map(Into::into)
    }
}

/// The receivers of each member, where one prefers each of `wishes`.
fn placed(hosts: &[&str], wishes: &'static [Option<&'static str>]) -> BTreeMap<u32, Vec<usize>> {
    let started = members_on(hosts, 1, |ssc| {
        let started = Started::default();
        ssc.add_streaming_listener(started.clone());
        let streams: Vec<_> = wishes.iter().map(|wish| ssc.receiver_stream(Prefers(*wish))).collect();
        ssc.union(&streams).foreach_rdd(|_, _| Ok(()));
        run_batches(ssc, 1).unwrap();
        ssc.stop(true).unwrap();
        let started = started.0.lock().unwrap();
        started.iter().map(|info| (info.member, info.stream_id)).collect::<Vec<_>>()
    });
    let mut placed = BTreeMap::<u32, Vec<usize>>::new();
    for (member, receiver) in started.concat() {
        placed.entry(member).or_default().push(receiver);
    }
    placed
}

pub(crate) fn an_even_placement(case: &Case) {
    let placed = placed(&["east", "west", "north"], &[None; 6]);
    let each: Vec<usize> = placed.values().map(Vec::len).collect();
    assert_eq!(each, [Case::read::<usize>(&case.facts["per_executor"]); 3]);
}

pub(crate) fn an_even_placement_with_wishes(case: &Case) {
    const HOSTS: [&str; 6] =
        ["localhost", "localhost", "localhost", "localhost2", "localhost2", "localhost2"];
    const WISHES: [Option<&str>; 6] =
        [None, None, None, Some("localhost"), Some("localhost"), Some("localhost")];
    let placed = placed(&HOSTS, &WISHES);
    let each: Vec<usize> = placed.values().map(Vec::len).collect();
    assert_eq!(each, [Case::read::<usize>(&case.facts["per_executor"]); 6]);
    for (member, receivers) in placed {
        for receiver in receivers {
            assert!(
                WISHES[receiver].is_none_or(|wish| wish == HOSTS[member as usize]),
                "{receiver} on {member}"
            );
        }
    }
    assert_eq!(case.facts["preferring_on"], "localhost");
}
