//! What a reader sees while batches are committed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::super::keeper::Opening;
use super::super::base::Opened;
use super::super::reader::StateReader;
use super::millis;
use crate::data::{KeyGroup, Wire};
use crate::memory::{Budget, Spill};
use crate::rdd::Engine;
use crate::runtime::{Bell, Clock, Hooked, RealRuntime};
use crate::state::typed::Due;
use crate::state::{Changes, Codec, Delta, MemoryState, StateBackend};
use crate::storage::{MemoryStorage, Storage};
use crate::transport::Alone;

type Meanwhile = Arc<Mutex<Option<Box<dyn FnMut() + Send>>>>;

/// Does something each time that somebody is about to look at what others change, before the look.
struct Looked {
    bell: Arc<dyn Bell>,
    meanwhile: Meanwhile,
}

impl fmt::Debug for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bell.fmt(f)
    }
}

impl Bell for Looked {
    fn rings(&self) -> u64 {
        // Taken out while it runs, as it looks too.
        let meanwhile = self.meanwhile.lock().take();
        if let Some(mut meanwhile) = meanwhile {
            meanwhile();
            *self.meanwhile.lock() = Some(meanwhile);
        }
        self.bell.rings()
    }
    fn ring(&self) {
        self.bell.ring();
    }
    fn wait(&self, heard: u64, deadline: Option<Duration>) {
        self.bell.wait(heard, deadline);
    }
}

#[test]
fn all_keys_of_an_answer_are_of_its_batch_even_if_one_is_committed_at_each_look() {
    const KEYS: [u8; 3] = [1, 2, 200];
    let meanwhile = Meanwhile::default();
    let runtime = RealRuntime::new(1, Clock::System).unwrap();
    let interrupts = Arc::clone(&meanwhile);
    let bells =
        move |bell| -> Arc<dyn Bell> { Arc::new(Looked { bell, meanwhile: Arc::clone(&interrupts) }) };
    let runtime = Arc::new(Hooked::new(runtime, || {}, bells));
    let memory = (Budget::new(1 << 20), Arc::new(Spill::new(std::env::temp_dir(), 1 << 20)));
    let engine = Engine::new(runtime, Arc::new(Alone), memory, 2, 1);
    let (backend, storage): (Arc<dyn StateBackend>, Arc<dyn Storage>) =
        (Arc::new(MemoryState::new()), Arc::new(MemoryStorage::new()));
    let opening = Opening {
        ledger: "ledger",
        uid: "states",
        engine: &engine,
        backend: &backend,
        storage: &storage,
        durable: true,
        found: None,
        bases: &[],
        committed: None,
    };
    let codec = Codec::<u64>::default();
    let opened = Arc::new(Opened::<u8, u64>::new(&opening, None, 1000, &codec).unwrap());
    let (into, mut number) = (Arc::clone(&opened), 0);
    // The state of each key is the number of the batch.
    let mut commit = move || {
        number += 1;
        let mut changes = Changes::new();
        for key in KEYS {
            let (mut bytes, mut state) = (Vec::new(), Vec::new());
            key.encode(&mut bytes).unwrap();
            codec.encode(&number, Due::NEVER, &mut state).unwrap();
            changes.put(KeyGroup::of(&key).unwrap(), &bytes, &state);
        }
        into.replay(millis(number), &[Delta { partition: 0, bytes: changes.into_bytes() }]).unwrap();
    };
    commit();
    *meanwhile.lock() = Some(Box::new(commit));
    let reader = StateReader::<u8, u64>::erased(opened).reader.downcast::<StateReader<u8, u64>>().unwrap();

    for _ in 0..3 {
        let (batch, states) = reader.get(&KEYS).unwrap();
        assert!(batch > millis(1), "a batch was committed meanwhile");
        assert_eq!(states, [Some(batch.as_millis() / 1000); 3], "as of {batch}");
    }
}
