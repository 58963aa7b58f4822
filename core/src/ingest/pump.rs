//! From a queue through the gate.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::data::Wire;
use crate::source::{Gate, InputBlock, Received};

/// Records that go through the gate together, at most: enough that locks do not count, few enough that none waits long.
const TOGETHER_MAX: usize = 1024;

/// A queue has no positions.
const LANE: &str = "queue";

/// What threads put into a queue.
pub(super) enum Piece<T> {
    Record(T),
    Block(Arc<dyn InputBlock<T>>),
}

/// Takes what is in the queue until all who fill it are gone, or the job stops; then what is in it, and no more.
pub(super) async fn pump<T: Wire>(queue: &mut mpsc::Receiver<Piece<T>>, gate: &Gate<T, ()>) {
    let mut pieces = Vec::new();
    let mut closed = false;
    loop {
        let count = tokio::select! {
            biased;
            () = gate.stopped(), if !closed => {
                queue.close();
                closed = true;
                continue;
            }
            count = queue.recv_many(&mut pieces, TOGETHER_MAX) => count,
        };
        if count == 0 {
            return;
        }
        let mut records = Vec::with_capacity(count);
        for piece in pieces.drain(..) {
            match piece {
                Piece::Record(record) => records.push(record),
                Piece::Block(block) => {
                    keep(gate, &mut records).await;
                    let _ = gate.emit_block(LANE, block, None).await;
                }
            }
        }
        keep(gate, &mut records).await;
    }
}

/// Those who sent the records have forgotten them: a stop is no reason to leave any of them in the queue, whose limit
/// bounds what that is.
async fn keep<T: Wire>(gate: &Gate<T, ()>, records: &mut Vec<T>) {
    if !records.is_empty() {
        let _ =
            gate.emit_all(Received { lane: LANE.into(), records: std::mem::take(records), last: None }).await;
    }
}
