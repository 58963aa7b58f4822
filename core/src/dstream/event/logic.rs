//! Windows of event time on keyed states.

use std::sync::Arc;
use std::time::Duration;

use super::clock::{EventClock, TurnedAway};
use super::forms::Form;
use super::timed::Timed;
use crate::data::{Key, Wire};
use crate::dstream::keyed::{Logic, Now, Records, States};
use crate::state::typed::{Due, Slot};
use crate::window::event::{Assign, Pane, Rules, Windows, fire, place};
use crate::window::{EventTime, EventWindow};
use crate::words::Result;

/// What comes out of windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<K, V, C> {
    /// What a window has.
    Result(K, EventWindow, C),
    /// A record that is in no window.
    Late(K, EventTime, V),
}

/// The windows of one key, as they are written down.
#[derive(Clone, Debug)]
pub(crate) struct OfKey<P>(Windows<P>);

// By hand, as a record may be: serde need not know of it.
impl<P: Wire> Wire for OfKey<P> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.0.closed.encode(out)?;
        (self.0.panes.len() as u64).encode(out)?;
        self.0.panes.iter().try_for_each(|pane| {
            pane.window.encode(out)?;
            pane.given.encode(out)?;
            pane.kept.encode(out)
        })
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let (closed, count) = (EventTime::decode(bytes)?, u64::decode(bytes)?);
        // Not reserved from a number that came from outside.
        let mut panes = Vec::new();
        for _ in 0..count {
            let (window, given) = (EventWindow::decode(bytes)?, bool::decode(bytes)?);
            panes.push(Pane { window, given, kept: P::decode(bytes)? });
        }
        Ok(Self(Windows { closed, panes }))
    }
}

/// Windows of one kind.
pub(crate) struct Windowing<F> {
    pub(super) clock: Arc<EventClock>,
    /// Among the windows of the stream.
    pub(super) number: u32,
    pub(super) assign: Assign,
    pub(super) lateness: Duration,
    pub(super) form: F,
}

impl<K: Key, V: Wire, F: Form<V>> Logic<K, Timed<V>, OfKey<F::Kept>> for Windowing<F> {
    type Out = Outcome<K, V, F::Out>;

    fn must_checkpoint(&self) -> bool {
        false
    }

    fn run(
        &self,
        now: &Now<'_>,
        records: Records<K, Timed<V>>,
        states: &mut States<'_, K, OfKey<F::Kept>>,
        out: &mut Vec<Self::Out>,
    ) -> Result<()> {
        let watermark = self.clock.watermark();
        let rules = Rules { assign: self.assign, lateness: self.lateness, watermark };
        let mut turned_away = TurnedAway::default();
        // By slot.
        let mut of_keys: Vec<Vec<(EventTime, V)>> = Vec::new();
        records.for_each(|group, key, Timed { time, record }| {
            if self.clock.spec().is_ahead(time, now.batch) {
                turned_away.ahead += 1;
                out.push(Outcome::Late(key, time, record));
                return Ok(());
            }
            let index = states.find(group, &key)?.index();
            if of_keys.len() <= index {
                of_keys.resize_with(index + 1, Vec::new);
            }
            if let Some(of_key) = of_keys.get_mut(index) {
                of_key.push((time, record));
            }
            Ok(())
        })?;
        for (slot, records) in states.touched().zip(of_keys) {
            // A key that was looked up for a record that is not counted.
            if records.is_empty() {
                continue;
            }
            let (Some(key), before) = (states.key(slot).cloned(), states.get(slot)) else { continue };
            let windows = before.map(|windows| windows.0.clone()).unwrap_or_default();
            let windows = place(rules, &self.form, windows, records, |time, record| {
                turned_away.late += 1;
                out.push(Outcome::Late(key.clone(), time, record));
            });
            // One that had no windows and has none now was late with all that it had.
            if before.is_some() || !windows.panes.is_empty() {
                self.fire(rules, (slot, &key), windows, states, out);
            }
        }
        for slot in states.take_due(watermark.as_millis())? {
            let Some(key) = states.key(slot).cloned() else { continue };
            let windows = states.get(slot).map(|windows| windows.0.clone()).unwrap_or_default();
            self.fire(rules, (slot, &key), windows, states, out);
        }
        self.clock.turned_away(self.number, now.task.partition(), turned_away);
        Ok(())
    }
}

impl<F> Windowing<F> {
    /// Gives out what is due of a key's windows, and keeps the rest.
    fn fire<K: Key, V: Wire>(
        &self,
        rules: Rules,
        (slot, key): (Slot, &K),
        mut windows: Windows<F::Kept>,
        states: &mut States<'_, K, OfKey<F::Kept>>,
        out: &mut Vec<Outcome<K, V, F::Out>>,
    ) where
        F: Form<V>,
    {
        let due = fire(rules, &mut windows, |window, kept| {
            out.push(Outcome::Result(key.clone(), window, self.form.finish(kept)));
        });
        match due {
            Some(due) => states.put(slot, OfKey(windows), Due::at(due.as_millis())),
            None => states.remove(slot),
        }
    }
}
