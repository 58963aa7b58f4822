//! Who keeps a receiver running.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::gate::Gate;
use super::receiver::Receiver;
use super::watch::Watch;
use crate::runtime::Runtime;
use crate::words::{Error, Result, Retry};

/// The longest pause between two starts: a source that is back is found within this time.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A run that lasted this long counts as healthy: the next pause is short again.
const HEALTHY: Duration = Duration::from_secs(10);

/// What a supervisor works with.
pub(crate) struct Supervisor {
    pub(crate) runtime: Arc<dyn Runtime>,
    /// Who tells listeners.
    pub(crate) watch: Arc<Watch>,
    /// The pause before the second start; doubled with each failure in a row.
    pub(crate) first_pause: Duration,
}

/// Runs `receiver` until it ends or the job stops; starts it again after errors and panics.
pub(crate) async fn supervise<R: Receiver>(
    with: Supervisor,
    receiver: Arc<R>,
    gate: Gate<R::Record, R::Position>,
) {
    let Supervisor { runtime, watch, first_pause } = with;
    let mut pauses = Pauses { first: first_pause, next: first_pause };
    loop {
        let gate = gate.begin(&watch);
        watch.started();
        let started = runtime.uptime();
        let ended = until_panic(async { receiver.run(gate.clone()).await }).await;
        let error = match ended {
            Ok(()) | Err(Error::Stopping) => break,
            Err(error) => error,
        };
        let again = error.retry() != Retry::Never;
        let run = runtime.uptime().saturating_sub(started);
        let pause = again.then(|| pauses.after(run, runtime.random()));
        watch.failed(&error, pause);
        let Some(pause) = pause else { break };
        // In order: a branch drawn by tokio would differ from run to run of the seeded runtime. The stop comes first, as it
        // ends the pause too.
        tokio::select! {
            biased;
            () = gate.stopped() => break,
            () = gate.sleep(pause) => {}
        }
    }
    watch.stopped();
}

/// The pauses between the runs of one receiver.
struct Pauses {
    first: Duration,
    next: Duration,
}

impl Pauses {
    /// The pause behind a run that lasted so long.
    fn after(&mut self, run: Duration, random: u64) -> Duration {
        if run >= HEALTHY {
            self.next = self.first;
        }
        let half = self.next / 2;
        self.next = (self.next * 2).min(PAUSE_MAX.max(self.first));
        // Half of the pause is drawn, so that many receivers do not come back at one moment.
        half + half.mul_f64((random % 1024) as f64 / 1024.0)
    }
}

/// As `future`; a panic in it is an error.
async fn until_panic(future: impl Future<Output = Result<()>>) -> Result<()> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)))
            .unwrap_or_else(|panic| Poll::Ready(Err(Error::Panic(crate::words::panic_text(&*panic)))))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least and the most seconds of so many pauses in a row, each behind a short run.
    fn pauses(first: u64, count: usize) -> (Vec<f64>, Vec<f64>) {
        let first = Duration::from_secs(first);
        let seconds = |random| {
            let mut pauses = Pauses { first, next: first };
            (0..count).map(|_| pauses.after(Duration::ZERO, random).as_secs_f64()).collect()
        };
        (seconds(0), seconds(1023))
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_pause_up_to_30_s() {
        let (least, most) = pauses(2, 6);
        assert_eq!(least, [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]);
        let whole = [2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
        assert!(most.iter().zip(whole).all(|(most, whole)| (whole - 0.1..whole).contains(most)), "{most:?}");
    }

    #[test]
    fn a_first_pause_of_more_than_30_s_stays_as_it_was_set() {
        assert_eq!(pauses(60, 3).0, [30.0, 30.0, 30.0]);
    }

    #[test]
    fn behind_a_healthy_run_the_pause_is_short_again() {
        let first = Duration::from_secs(2);
        let mut pauses = Pauses { first, next: PAUSE_MAX };
        assert_eq!(pauses.after(HEALTHY / 2, 0), PAUSE_MAX / 2);
        assert_eq!(pauses.after(HEALTHY, 0), first / 2);
    }
}
