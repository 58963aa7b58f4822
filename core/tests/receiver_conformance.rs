//! The suite for receivers: one that keeps its promises passes, and each broken promise is found.

use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidemill::testing::receiver::{Fed, conformance};
use tidemill::{Gate, Lane, Receiver, Result};
use tokio::sync::watch;

/// What a receiver does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    TurnsBack,
    ReadsAgainWithoutPositions,
    AcknowledgesAtOnce,
    LeavesTheLastBatch,
}

/// A source that counts as far as it was fed.
struct Counted {
    fed: watch::Sender<u64>,
    acknowledged: Arc<AtomicU64>,
    fault: Fault,
}

struct Counter {
    fed: watch::Receiver<u64>,
    acknowledged: Arc<AtomicU64>,
    fault: Fault,
}

impl Counter {
    fn acknowledge(&self, last: &[(Lane, u64)]) {
        let safe = last.iter().map(|(_, last)| last + 1).max().unwrap_or_default();
        self.acknowledged.fetch_max(safe, Ordering::SeqCst);
    }

    async fn emit(&self, gate: &Gate<u64, u64>, n: u64) -> Result<()> {
        match self.fault {
            Fault::TurnsBack if n % 100 == 7 => gate.emit_at("all", n + 1, n).await,
            Fault::ReadsAgainWithoutPositions => gate.emit(n).await,
            Fault::AcknowledgesAtOnce => {
                self.acknowledge(&[("all".into(), n)]);
                gate.emit_at("all", n, n).await
            }
            _ => gate.emit_at("all", n, n).await,
        }
    }
}

impl Receiver for Counter {
    type Record = u64;
    type Position = u64;

    async fn run(&self, gate: Gate<u64, u64>) -> Result<()> {
        let mut fed = self.fed.clone();
        let mut next = gate.resume("all").map_or(0, |last| last + 1);
        'reading: loop {
            let end = tokio::select! {
                () = gate.stopped() => break,
                Some(last) = gate.durable() => {
                    self.acknowledge(&last);
                    continue;
                }
                end = fed.wait_for(|end| *end > next) => end.map_or(next, |end| *end),
            };
            while next < end {
                if self.emit(&gate, next).await.is_err() {
                    break 'reading;
                }
                next += 1;
            }
        }
        if self.fault != Fault::LeavesTheLastBatch {
            gate.finish();
            while let Some(last) = gate.durable().await {
                self.acknowledge(&last);
            }
        }
        Ok(())
    }
}

impl Counted {
    fn new(fault: Fault) -> Self {
        Self { fed: watch::channel(0).0, acknowledged: Arc::default(), fault }
    }
}

impl Fed for Counted {
    type Receiver = Counter;
    const REWINDS: bool = true;

    fn receiver(&self) -> Counter {
        let acknowledged = Arc::clone(&self.acknowledged);
        Counter { fed: self.fed.subscribe(), acknowledged, fault: self.fault }
    }

    fn feed(&self, numbers: Range<u64>) {
        self.fed.send_replace(numbers.end);
    }

    fn acknowledged(&self) -> Option<u64> {
        Some(self.acknowledged.load(Ordering::SeqCst))
    }

    fn number(&self, record: &u64) -> u64 {
        *record
    }
}

#[test]
fn a_receiver_that_keeps_its_promises_passes_the_suite() {
    conformance(|| Counted::new(Fault::None));
}

#[test]
fn each_broken_promise_is_found() {
    let faults = [
        (Fault::TurnsBack, "assertion `left == right` failed"),
        (Fault::ReadsAgainWithoutPositions, "assertion `left == right` failed"),
        (Fault::AcknowledgesAtOnce, "something was acknowledged that is not durable"),
        (Fault::LeavesTheLastBatch, "what the last batch committed was not acknowledged"),
    ];
    // One that loses records is found too, but only behind a minute of patience.
    for (fault, said) in faults {
        let panic = catch_unwind(|| conformance(|| Counted::new(fault))).expect_err("it passes");
        let panic = panic.downcast_ref::<String>().unwrap_or_else(|| panic!("{fault:?} says nothing"));
        assert!(panic.contains(said), "{fault:?}: {panic}");
    }
}
