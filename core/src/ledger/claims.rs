//! Whether a plan may go on with what a ledger has: who asks for which state, and on what terms.

use std::panic::Location;
use std::time::Duration;

use super::entry::Identity;
use super::manifest::{KeptState, Manifest};
use crate::data::KeyGroup;
use crate::state::Shape;
use crate::words::{BatchTime, Error, Mistake, Result, keys};

/// An operator of the plan that asks for its state.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) uid: String,
    pub(crate) operator: &'static str,
    pub(crate) site: &'static Location<'static>,
    pub(crate) shape: Shape,
}

/// On what terms a job starts.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// What the job is if this is its first start.
    pub(crate) identity: Identity,
    /// Whether somebody has set the number of partitions.
    pub(crate) parallelism_is_set: bool,
    pub(crate) claims: Vec<Claim>,
    /// Whether state that nobody asks for is dropped, and what is not found begins anew.
    pub(crate) accept: bool,
}

impl Claim {
    fn site(&self) -> String {
        format!("{} ({})", self.operator, self.site)
    }
}

impl Terms {
    /// Whether the plan may go on with what was found; an error names all that is in the way.
    pub(super) fn check(&self, found: &Manifest) -> Result<()> {
        self.check_identity(&found.identity)?;
        let mut mistakes = Vec::new();
        let mut mistake = |site, message: String| mistakes.push(Mistake { site, message });
        let unclaimed: Vec<&KeptState> = found
            .keepers
            .iter()
            .filter(|kept| !self.claims.iter().any(|claim| claim.uid == kept.uid))
            .collect();
        for claim in &self.claims {
            match found.keepers.iter().find(|kept| kept.uid == claim.uid) {
                Some(kept) => {
                    let state = || {
                        found.committed?;
                        newer(claim, kept).or_else(|| self.other_types(claim, kept))
                    };
                    if let Some(message) = self.mismatch(claim, kept).or_else(state) {
                        mistake(Some(claim.site), message);
                    }
                }
                // Before the first commit there was nothing to lose.
                None if self.accept || found.committed.is_none() => {}
                None => mistake(Some(claim.site), without_state(claim, &unclaimed)),
            }
        }
        if !self.accept && found.committed.is_some() {
            unclaimed.iter().for_each(|kept| mistake(None, self.unasked(kept)));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Error::Plan(mistakes)) }
    }

    fn check_identity(&self, found: &Identity) -> Result<()> {
        let mine = &self.identity;
        if mine.interval_ms != found.interval_ms {
            return Err(Error::Setting {
                key: keys::BATCH_INTERVAL.name().into(),
                value: format!("{:?}", Duration::from_millis(mine.interval_ms)),
                expected: format!(
                    "{:?}, as in all runs of this job since its checkpoint began: use that, or another checkpoint \
                     directory",
                    Duration::from_millis(found.interval_ms)
                ),
            });
        }
        if mine.parallelism != found.parallelism {
            let hint = if self.parallelism_is_set {
                "leave the setting away, or use another checkpoint directory"
            } else {
                "set it, or name the checkpoint directory before any stream is drawn"
            };
            return Err(Error::Setting {
                key: keys::DEFAULT_PARALLELISM.name().into(),
                value: mine.parallelism.to_string(),
                expected: format!("{}, as its checkpoint says: {hint}", found.parallelism),
            });
        }
        Ok(())
    }

    /// What keeps an operator from going on with the state under its uid.
    fn mismatch(&self, claim: &Claim, kept: &KeptState) -> Option<String> {
        let uid = &claim.uid;
        if claim.shape.kind != kept.shape.kind {
            return (!self.accept).then(|| {
                format!(
                    "the checkpoint has state of {} under the uid `{uid}`, which is {} now: choose another uid, or set \
                     `{} = accept` to begin anew without it",
                    kept.site,
                    claim.operator,
                    keys::STATE_MISMATCH.name()
                )
            });
        }
        // Where nobody says a number it is the default, which was fixed by the first start; and there are no more partitions
        // than key groups.
        let number =
            |shape: &Shape| shape.partitions.unwrap_or(self.identity.parallelism.min(KeyGroup::COUNT.into()));
        let (mine, found) = (number(&claim.shape), number(&kept.shape));
        (mine != found).then(|| {
            format!(
                "the state of `{uid}` has {found} partitions in the checkpoint, and {mine} in the plan: say {found}, as \
                 the number is fixed for good, or begin another state under another uid"
            )
        })
    }

    /// What is said where the state under a uid is of other types. Their names are a guard: who accepts says that they are
    /// written in the same bytes.
    fn other_types(&self, claim: &Claim, kept: &KeptState) -> Option<String> {
        let (mine, found, uid) = (&claim.shape, &kept.shape, &claim.uid);
        if self.accept || mine.kind != found.kind {
            return None;
        }
        let accept = format!(
            "where it was only renamed, and is written in the same bytes, set `{} = accept` for one start",
            keys::STATE_MISMATCH.name()
        );
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        if mine.key != found.key {
            return Some(format!(
                "the keys of `{uid}` are of the type `{}` in the checkpoint, and `{}` in the plan: the type of a key cannot \
                 change; begin another state under another uid, or {accept}",
                name(&found.key),
                name(&mine.key)
            ));
        }
        // Of another version, the function that reads older ones knows their type.
        (mine.value != found.value && mine.version == found.version).then(|| {
            format!(
                "what `{uid}` keeps is of the type `{}` in the checkpoint, and `{}` in the plan: of a state, say with \
                 `StateSpec::version` how the older ones are read; or begin another one under another uid; or, {accept}",
                name(&found.value),
                name(&mine.value)
            )
        })
    }

    fn unasked(&self, kept: &KeptState) -> String {
        let asked: Vec<String> =
            self.claims.iter().map(|claim| format!("`{}` of {}", claim.uid, claim.site())).collect();
        format!(
            "the checkpoint has state of {} under the uid `{}`, and no operator of the plan has it; the plan has {}: give \
             the operator that goes on with it this name by `.uid(\"{}\")`, or set `{} = accept` to drop it",
            kept.site,
            kept.uid,
            listed(&asked),
            kept.uid,
            keys::STATE_MISMATCH.name()
        )
    }

    /// The operators of the plan beside what there is of them; those without anything are new as of `committed`.
    pub(super) fn keepers(
        &self,
        found: &[KeptState],
        committed: Option<BatchTime>,
    ) -> (Vec<KeptState>, Vec<String>) {
        let mut new = Vec::new();
        let of_claim = |claim: &Claim| {
            let known =
                found.iter().find(|kept| kept.uid == claim.uid && kept.shape.kind == claim.shape.kind);
            if let Some(kept) = known {
                // Of an older version the types are what they were, until all of it is written down in the new one.
                let is_old = kept.shape.version != claim.shape.version;
                let types = if is_old { &kept.shape } else { &claim.shape };
                let shape =
                    Shape { key: types.key.clone(), value: types.value.clone(), ..kept.shape.clone() };
                return KeptState { site: claim.site(), shape, ..kept.clone() };
            }
            new.push(claim.uid.clone());
            KeptState {
                uid: claim.uid.clone(),
                site: claim.site(),
                shape: claim.shape.clone(),
                since: committed,
                bases: Vec::new(),
            }
        };
        (self.claims.iter().map(of_claim).collect(), new)
    }
}

/// What is said where a newer build has written the state: an older one cannot know how it is read.
fn newer(claim: &Claim, kept: &KeptState) -> Option<String> {
    let (uid, mine, found) = (&claim.uid, claim.shape.version, kept.shape.version);
    // Accepted, a state of another kind begins anew.
    (found > mine && claim.shape.kind == kept.shape.kind).then(|| {
        format!(
            "the state of `{uid}` has version {found} in the checkpoint, and {mine} in the plan: run a build that has \
             version {found} of it, or begin another state under another uid"
        )
    })
}

fn without_state(claim: &Claim, unclaimed: &[&KeptState]) -> String {
    let others: Vec<String> =
        unclaimed.iter().map(|kept| format!("`{}` of {}", kept.uid, kept.site)).collect();
    format!(
        "the checkpoint has no state under the uid `{}`; what it has and nobody asks for: {}: name the operator as it was \
         by `.uid(…)`; if it is new, set `{} = accept` for one start",
        claim.uid,
        listed(&others),
        keys::STATE_MISMATCH.name()
    )
}

fn listed(all: &[String]) -> String {
    if all.is_empty() { "nothing".into() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Epoch;

    fn shape(kind: &str, partitions: Option<u32>) -> Shape {
        Shape { kind: kind.into(), version: 1, partitions, ..Shape::default() }
    }

    fn identity(parallelism: u32, interval_ms: u64) -> Identity {
        let zero = BatchTime::from_millis(0);
        Identity { job: "job".into(), parallelism, interval_ms, zero, build: "0".into() }
    }

    #[track_caller]
    fn claim(uid: &str, shape: Shape) -> Claim {
        Claim { uid: uid.into(), operator: "map_with_state", site: Location::caller(), shape }
    }

    fn terms(claims: Vec<Claim>, accept: bool) -> Terms {
        Terms { identity: identity(2, 1000), parallelism_is_set: false, claims, accept }
    }

    fn found(keepers: &[(&str, Shape)], committed: Option<u64>) -> Manifest {
        let kept = |(uid, shape): &(&str, Shape)| KeptState {
            uid: (*uid).into(),
            site: format!("{} (src/old.rs:7:5)", shape.kind),
            shape: shape.clone(),
            since: None,
            bases: Vec::new(),
        };
        Manifest {
            identity: identity(2, 1000),
            epoch: Epoch(1),
            from: 0,
            committed: committed.map(BatchTime::from_millis),
            planned: None,
            keepers: keepers.iter().map(kept).collect(),
        }
    }

    fn mistakes(terms: &Terms, found: &Manifest) -> Vec<String> {
        match terms.check(found) {
            Ok(()) => Vec::new(),
            Err(Error::Plan(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn an_operator_that_is_named_anew_is_told_of_the_state_that_nobody_asks_for() {
        let found = found(&[("counts", shape("map_with_state", None))], Some(1000));
        let said = mistakes(&terms(vec![claim("sums", shape("map_with_state", None))], false), &found);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("no state under the uid `sums`"), "{said:?}");
        assert!(said[0].contains("`counts` of map_with_state (src/old.rs:7:5)"), "{said:?}");
        assert!(said[0].contains(file!()), "{said:?}");
        assert!(said[1].contains("`counts`") && said[1].contains("the plan has `sums`"), "{said:?}");
    }

    #[test]
    fn accepted_is_what_is_new_gone_or_of_another_kind() {
        let found = found(&[("a", shape("map_with_state", None)), ("b", shape("window", None))], Some(1000));
        let claims =
            vec![claim("b", shape("map_with_state", None)), claim("c", shape("map_with_state", None))];
        assert_eq!(mistakes(&terms(claims.clone(), false), &found).len(), 3);
        let terms = terms(claims, true);
        assert_eq!(mistakes(&terms, &found), [""; 0]);
        let (keepers, new) = terms.keepers(&found.keepers, found.committed);
        assert_eq!(new, ["b", "c"]);
        assert!(keepers.iter().all(|kept| kept.since == found.committed), "{keepers:?}");
    }

    #[test]
    fn before_the_first_commit_there_is_nothing_to_lose() {
        let found = found(&[("a", shape("map_with_state", None))], None);
        let terms = terms(vec![claim("c", shape("map_with_state", None))], false);
        assert_eq!(mistakes(&terms, &found), [""; 0]);
    }

    #[test]
    fn another_number_of_partitions_is_refused_with_both_whatever_is_accepted() {
        let found = found(&[("a", shape("map_with_state", Some(8)))], Some(1000));
        for accept in [false, true] {
            let said = mistakes(&terms(vec![claim("a", shape("map_with_state", Some(4)))], accept), &found);
            assert!(said[0].contains("8 partitions") && said[0].contains("4 in the plan"), "{said:?}");
            let said = mistakes(&terms(vec![claim("a", shape("map_with_state", None))], accept), &found);
            assert!(said[0].contains("8 partitions") && said[0].contains("2 in the plan"), "{said:?}");
            let same = terms(vec![claim("a", shape("map_with_state", Some(8)))], accept);
            assert_eq!(mistakes(&same, &found), [""; 0]);
        }
    }

    #[test]
    fn a_newer_version_is_refused_once_there_is_state_of_it() {
        let of = |version| Shape { version, ..shape("map_with_state", None) };
        let said = |now: Shape, then, committed| {
            mistakes(&terms(vec![claim("a", now)], true), &found(&[("a", of(then))], committed))
        };
        let text = said(of(1), 3, Some(1000)).concat();
        assert!(text.contains("version 3 in the checkpoint, and 1 in the plan"), "{text}");
        assert_eq!(said(of(1), 3, None), [""; 0], "nothing is committed");
        assert_eq!(said(of(3), 1, Some(1000)), [""; 0], "an older one is read");
        assert_eq!(said(shape("window", None), 3, Some(1000)), [""; 0], "another kind begins anew");
    }

    #[test]
    fn interval_and_parallelism_are_what_they_were() {
        let found = found(&[], Some(1000));
        let mut other = terms(Vec::new(), true);
        other.identity.interval_ms = 500;
        let said = other.check(&found).unwrap_err().to_string();
        assert!(said.contains("batch_interval` is 500ms, but must be 1s"), "{said}");
        let mut other = terms(Vec::new(), true);
        other.identity.parallelism = 5;
        let said = other.check(&found).unwrap_err().to_string();
        assert!(
            said.contains("is 5, but must be 2") && said.contains("before any stream is drawn"),
            "{said}"
        );
        other.parallelism_is_set = true;
        let said = other.check(&found).unwrap_err().to_string();
        assert!(said.contains("leave the setting away"), "{said}");
    }
}
