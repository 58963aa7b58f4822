//! Which member runs which receiver, and what becomes of it when that member is lost.

use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::{members, members_on, run_batches};
use tidemill::{Gate, Receiver, Result};

/// Runs where it prefers, and says nothing.
struct Prefers(&'static str);

impl Receiver for Prefers {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        gate.emit(1).await
    }

    fn preferred_host(&self) -> Option<String> {
        Some(self.0.into())
    }
}

#[test]
fn inputs_without_a_receiver_take_no_place_and_records_come_from_the_member_on_the_host_that_was_asked_for() {
    let seen = members_on(&["east", "west"], 1, |ssc| {
        // A stream that all members have; it has a number, too.
        let queue = ssc.queue_stream([ssc.parallelize(vec![7], 1)]);
        let west = ssc.receiver_stream(Prefers("west"));
        let any = Script::new();
        let all =
            tidemill::testing::collect_batches(&ssc.union(&[queue, west, ssc.receiver_stream(any.clone())]));
        ssc.start().unwrap();
        any.push(Step::Emit(2));
        run_batches(ssc, 1).unwrap();
        ssc.stop(true).unwrap();
        let mut all = all.batches().concat();
        all.sort_unstable();
        (any.progress().starts, all)
    });
    // The receiver without a wish goes to the member that has none.
    assert_eq!(seen, [(1, vec![1, 2, 7]), (0, vec![1, 2, 7])]);
}

#[test]
fn a_member_that_is_lost_ends_the_others_and_its_receiver_starts_nowhere_else() {
    let seen = members(3, 1, |ssc| {
        let scripts: Vec<Script<u64>> = (0..3).map(|_| Script::new()).collect();
        let streams: Vec<_> = scripts.iter().map(|script| ssc.receiver_stream(script.clone())).collect();
        let on_second = scripts[1].clone();
        ssc.union(&streams).foreach_rdd(move |rdd, time| {
            rdd.count()?;
            // The driver of this member ends, and leaves the others.
            let lost = time.as_millis() == 2000 && on_second.progress().starts > 0;
            if lost { Err("the ship is lost".into()) } else { Ok(()) }
        });
        run_batches(ssc, 1).unwrap();
        let error = (0..).find_map(|_| run_batches(ssc, 1).err()).unwrap().chain();
        let progress: Vec<_> = scripts.iter().map(Script::progress).collect();
        assert!(progress.iter().all(|progress| !progress.running), "{progress:?}");
        (progress.iter().map(|progress| progress.starts).collect::<Vec<_>>(), error)
    });
    let starts: Vec<&Vec<u64>> = seen.iter().map(|(starts, _)| starts).collect();
    assert_eq!(starts, [&vec![1, 0, 0], &vec![0, 1, 0], &vec![0, 0, 1]]);
    assert!(seen[1].1.contains("the ship is lost"), "{seen:?}");
    assert!([0, 2].iter().all(|other| seen[*other].1.contains("member 1")), "{seen:?}");
}
