//! What happens to what finds no memory: it goes to disk, or waits.
//!
//! Memory holds the oldest data: what is in stays there, and what comes is written behind it, in order. One task at a time
//! is here, the others queue up behind it. What comes in small pieces is gathered first, so that a disk writes some hundred
//! kilobytes at a time; that much and no more is held beyond the budget by each receiver. The receiver waits for its own
//! writes: that is how it feels a slow disk.

use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, oneshot};

use super::Gate;
use super::disk::RETRY;
use super::open::Incoming;
use super::segment::Segment;
use crate::data::Wire;

/// The right to be here.
type Turn = OwnedMutexGuard<()>;

impl<T: Wire, P: Wire + Ord> Gate<T, P> {
    /// Takes what comes in; waits while the gate is closed.
    ///
    /// Once the job stops there is no waiting: what was read is taken, whatever the budget says, and the error that `emit`
    /// gives then keeps it from being more than one record or block for each that emits.
    pub(super) async fn take(&self, incoming: Incoming<'_, T, P>) {
        if !self.0.limiter.is_open() {
            // What was in before takes no permits.
            if self.0.state.lock().is_repeated(&incoming) {
                return;
            }
            self.admit(incoming.records).await;
        }
        if let Some(incoming) = self.try_take(incoming) {
            self.take_in_turn(incoming).await;
        }
    }

    /// Waits for the rate. Once the job stops there is no waiting.
    async fn admit(&self, records: u64) {
        if self.is_stopped() {
            return;
        }
        tokio::select! {
            biased;
            () = self.0.limiter.admit(records) => {}
            () = self.stopped() => {}
        }
    }

    async fn take_in_turn(&self, mut incoming: Incoming<'_, T, P>) {
        let mut turn = Arc::clone(&self.0.turn).lock_owned().await;
        loop {
            // Things may have changed while this waited.
            incoming = match self.try_take(incoming) {
                Some(incoming) => incoming,
                None => return,
            };
            if self.is_stopped() {
                return self.push(&mut self.0.state.lock(), incoming, None);
            }
            if !self.0.disk.is_usable(self.0.runtime.uptime()) {
                incoming = match self.wait(incoming).await {
                    Some(incoming) => incoming,
                    None => return,
                };
                continue;
            }
            match self.stage(incoming) {
                Ok(enough) => {
                    if enough {
                        self.spill(turn).await;
                    }
                    return;
                }
                Err(back) => {
                    incoming = back;
                    turn = match self.spill(turn).await {
                        Some(turn) => turn,
                        // Only where the runtime is gone, and the job with it.
                        None => return,
                    };
                }
            }
        }
    }

    /// Waits for memory; with it, takes what comes in. Gives it back where something else is to be tried: the job stops, or
    /// the disk may have room again.
    async fn wait<'a>(&self, incoming: Incoming<'a, T, P>) -> Option<Incoming<'a, T, P>> {
        let staged = self.0.state.lock().staged.as_ref().map(|staged| staged.bytes as u64);
        let bytes = staged.unwrap_or_else(|| self.price(&incoming));
        let pause = self.0.disk.pause(self.0.runtime.uptime());
        let paid = tokio::select! {
            biased;
            () = self.stopped() => return Some(incoming),
            paid = self.0.budget.reserve(bytes) => paid,
            () = self.sleep(pause), if !self.0.disk.is_off() => return Some(incoming),
        };
        let mut state = self.0.state.lock();
        if staged.is_some() {
            state.pay_staged(paid);
            return Some(incoming);
        }
        self.push(&mut state, incoming, Some(paid));
        None
    }

    /// Writes what is staged, on a thread that may block. A caller that is dropped meanwhile changes nothing: what is
    /// staged was taken before.
    async fn spill(&self, turn: Turn) -> Option<Turn> {
        let (tell, told) = oneshot::channel();
        let gate = self.clone();
        let write = move || {
            gate.spill_now();
            // Nobody listens where the receiver is gone: the next one has its turn.
            let _ = tell.send(turn);
        };
        self.0.runtime.spawn_blocking("spill", Box::new(write));
        told.await.ok()
    }

    fn spill_now(&self) {
        let shared = &*self.0;
        let Some(on_the_way) = shared.state.lock().on_the_way() else { return };
        let until = || shared.runtime.uptime() + RETRY;
        match shared.disk.write(&on_the_way.segments, &shared.budget) {
            Ok(Some(run)) => {
                let gone = shared.state.lock().arrived(&on_the_way, Segment::Spilled(Arc::new(run)));
                drop(gone);
            }
            Ok(None) => {
                shared.disk.refuse(until(), false);
            }
            Err(error) => {
                let first = shared.disk.refuse(until(), true);
                if let (true, Some(watch)) = (first, shared.watch.get()) {
                    watch.cannot_spill(&error);
                } else {
                    tracing::debug!(error = %error.chain(), "cannot spill");
                }
            }
        }
    }
}
