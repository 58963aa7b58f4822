//! The watermark over commits, restarts and batches that are given up.

use std::panic::Location;
use std::time::Duration;

use super::*;
use crate::context::StreamingContext;
use crate::state::{MemoryState, StateBackend};
use crate::storage::MemoryStorage;
use crate::testing::local;
use crate::window::event::LaneTime;

/// A job of which only the clock is there.
struct OnlyClock {
    clock: Arc<EventClock>,
    ssc: StreamingContext,
    storage: Arc<dyn Storage>,
}

fn batch(second: u64) -> BatchTime {
    BatchTime::from_millis(second * 1000)
}

impl OnlyClock {
    fn open(storage: &Arc<dyn Storage>, bases: &[StateBase]) -> Self {
        let site = Site::new("event_time", Location::caller());
        let spec = WatermarkSpec::new().delay(Duration::from_millis(10)).idle_after(Duration::from_secs(3));
        let (clock, ssc) = (EventClock::new(site, spec), local(1));
        let backend: Arc<dyn StateBackend> = Arc::new(MemoryState::new());
        let opening = Opening {
            ledger: "job",
            uid: "clock",
            engine: &ssc.job().engine,
            backend: &backend,
            storage,
            durable: true,
            found: None,
            bases,
            committed: None,
        };
        clock.open(&opening).unwrap();
        Self { clock, ssc, storage: Arc::clone(storage) }
    }

    /// Runs a batch in which lanes have come to these times, and says what it adds.
    fn run(&self, second: u64, lanes: &[(u64, u64)]) -> Vec<Delta> {
        let seen = Seen::new(batch(second), lanes.len());
        for (partition, (lane, greatest)) in lanes.iter().enumerate() {
            seen.note(partition, Some(LaneTime { lane: *lane, greatest: EventTime::from_millis(*greatest) }));
        }
        self.clock.sees(seen);
        assert!(self.clock.run(batch(second), &self.ssc.job()).unwrap());
        self.clock.delta(batch(second)).unwrap()
    }

    fn now(&self) -> Watermarks {
        self.clock.state.lock().now.clone()
    }

    fn base(&self, second: u64) -> Option<Vec<StateBase>> {
        let path = format!("base-{second}");
        let wanted = BaseWanted { batch: batch(second), bytes: 0, kept: &[], path: &path };
        self.clock.base(&wanted).unwrap().map(|job| job(&*self.storage).unwrap())
    }
}

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

#[test]
fn deltas_and_bases_bring_back_all_that_the_watermark_is_made_of() {
    let storage = memory();
    let first = OnlyClock::open(&storage, &[]);
    let mut deltas = Vec::new();
    let mut bases = None;
    for (second, lanes) in [(1, &[(7, 100), (8, 50)][..]), (2, &[(7, 200)]), (3, &[]), (4, &[(7, 300)])] {
        deltas.push(first.run(second, lanes));
        first.clock.commit(batch(second)).unwrap();
        if second == 3 {
            bases = first.base(second);
            assert_eq!(first.base(second), None, "nothing has changed since");
        }
    }
    assert_eq!(first.clock.watermark().as_millis(), 290, "lane 8 is idle");
    assert!(deltas[2].is_empty(), "the third batch has changed nothing: {deltas:?}");

    let (from_deltas, from_base) =
        (OnlyClock::open(&storage, &[]), OnlyClock::open(&storage, &bases.unwrap()));
    assert_eq!(from_base.clock.watermark().as_millis(), 40);
    for (second, delta) in (1..).zip(&deltas) {
        from_deltas.clock.replay(batch(second), delta).unwrap();
        from_base.clock.replay(batch(second), delta).unwrap();
        if second == 1 {
            assert_ne!(from_base.now(), from_deltas.now(), "a base has what came before it");
        }
    }
    assert_eq!(from_deltas.now(), first.now());
    assert_eq!(from_base.now(), first.now());
}

#[test]
fn a_batch_that_is_given_up_moves_nothing_and_may_come_again() {
    let clock = OnlyClock::open(&memory(), &[]);
    clock.run(1, &[(0, 100)]);
    clock.clock.abandon(batch(1));
    assert_eq!(clock.now(), Watermarks::default());
    assert!(clock.clock.delta(batch(1)).unwrap().is_empty());
    clock.run(1, &[(0, 80)]);
    assert_eq!(
        clock.clock.watermark().as_millis(),
        0,
        "the batch that runs has the watermark of those before"
    );
    clock.clock.commit(batch(1)).unwrap();
    assert_eq!(clock.clock.watermark().as_millis(), 70);
}

#[test]
fn what_is_no_watermark_is_refused_with_its_place() {
    let storage = memory();
    let clock = OnlyClock::open(&storage, &[]);
    let damaged = [Delta { partition: PARTITION, bytes: vec![1, 2] }];
    let error = clock.clock.replay(batch(5), &damaged).unwrap_err().to_string();
    assert!(error.contains("5000 ms") && error.contains("event_time"), "{error}");
}
