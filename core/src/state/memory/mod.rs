//! States in memory: a table for each key group, shared with snapshots until it changes.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;

use self::group::Group;
use super::changes::Changes;
use super::lookup::{Keys, ScanCursor, Values};
use super::store::{StateBackend, StateBase, StateOpening, StateStore, StateView};
use crate::data::KeyGroup;
use crate::storage::{Put, PutMode, Storage, envelope};
use crate::words::{BatchTime, Error, Result};

mod group;

/// Kind of the envelopes of bases.
const KIND: envelope::Kind = *b"BASE";
/// Version of what is in them: [`Changes`] that make the group.
const VERSION: u16 = 1;

/// Bytes of a chunk of a scan: some hundred entries, so that a call is nothing against them, and within a core's cache.
const CHUNK_BYTES: usize = 64 * 1024;

/// Keeps states in memory; what outlives the process are the bases and the ledger's deltas.
///
/// A snapshot shares the key groups with its store, and a batch copies those that it changes while a snapshot is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryState {
    _settings_may_come: (),
}

impl MemoryState {
    /// States in memory.
    pub fn new() -> Self {
        Self::default()
    }
}

impl StateBackend for MemoryState {
    fn open(&self, opening: &StateOpening<'_>) -> Result<Arc<dyn StateStore>> {
        let count = opening.groups.len();
        let mut content = Content {
            uid: opening.uid.into(),
            first: opening.groups.start,
            applied: opening.bases_applied(),
            groups: vec![Arc::default(); count],
        };
        for base in opening.bases {
            content.fill(base, opening)?;
        }
        Ok(Arc::new(Store { content: RwLock::new(Arc::new(content)) }))
    }

    fn in_memory(&self) -> bool {
        true
    }
}

/// The store of one operator.
struct Store {
    content: RwLock<Arc<Content>>,
}

impl Store {
    fn now(&self) -> Arc<Content> {
        Arc::clone(&self.content.read())
    }
}

impl StateView for Store {
    fn groups(&self) -> Range<u8> {
        self.now().groups()
    }

    fn applied(&self) -> Result<Option<BatchTime>> {
        self.now().applied()
    }

    fn read(&self, keys: &Keys, values: &mut Values) -> Result<()> {
        self.now().read(keys, values)
    }

    fn scan(&self, group: KeyGroup, cursor: &mut ScanCursor, chunk: &mut Changes) -> Result<bool> {
        self.now().scan(group, cursor, chunk)
    }

    fn save(&self, groups: Range<u8>, to: &dyn Storage, path: &str, kept: &[String]) -> Result<StateBase> {
        self.now().save(groups, to, path, kept)
    }
}

impl StateStore for Store {
    fn apply(&self, batch: BatchTime, delta: Vec<Changes>) -> Result<()> {
        // Held to the end, so that a reader sees all of the batch or nothing of it.
        let mut shared = self.content.write();
        if shared.applied >= Some(batch) {
            return Ok(());
        }
        // Copies pointers where a snapshot shares them, and below each group that the snapshot shares and this changes.
        let content = Arc::make_mut(&mut shared);
        content.take_in(&delta)?;
        content.applied = Some(batch);
        Ok(())
    }

    fn snapshot(&self) -> Result<Arc<dyn StateView>> {
        Ok(self.now())
    }
}

/// All groups as of a batch; never changed while it is shared.
#[derive(Clone)]
struct Content {
    uid: String,
    first: u8,
    applied: Option<BatchTime>,
    groups: Vec<Arc<Group>>,
}

impl Content {
    fn index(&self, group: KeyGroup) -> Result<usize> {
        let index = group.index().checked_sub(self.first).map(usize::from);
        index.filter(|index| *index < self.groups.len()).ok_or_else(|| {
            let (group, groups) = (group.index(), self.groups());
            Error::State(format!(
                "state `{}`: key group {group} is not among those of this member, {groups:?}",
                self.uid
            ))
        })
    }

    fn group(&self, group: KeyGroup) -> Result<&Group> {
        Ok(&self.groups[self.index(group)?])
    }

    /// Takes in changes; nothing is changed where one of them is of a group that is not in here.
    fn take_in(&mut self, delta: &[Changes]) -> Result<()> {
        let mut touched = vec![false; self.groups.len()];
        for change in delta.iter().flat_map(Changes::iter) {
            touched[self.index(change.group)?] = true;
        }
        // Once a group and not once a change: asking whether it is shared costs as much as a lookup.
        let unshared = |(group, touched)| if touched { Some(Arc::make_mut(group)) } else { None };
        let mut groups: Vec<Option<&mut Group>> = self.groups.iter_mut().zip(touched).map(unshared).collect();
        for change in delta.iter().flat_map(Changes::iter) {
            if let Some(Some(group)) = groups.get_mut(usize::from(change.group.index() - self.first)) {
                group.change(change.key, change.value);
            }
        }
        groups.into_iter().flatten().for_each(Group::tidy);
        Ok(())
    }

    /// Takes the groups that are asked for out of a base.
    fn fill(&mut self, base: &StateBase, opening: &StateOpening<'_>) -> Result<()> {
        let uid = self.uid.clone();
        let from = BaseFrom { uid: &uid, storage: opening.storage, groups: opening.groups.clone() };
        read_base(base, &from, |entries| self.take_in(&[entries]))
    }
}

/// Where bases are read from, and for whom.
pub(crate) struct BaseFrom<'a> {
    pub(crate) uid: &'a str,
    pub(crate) storage: &'a dyn Storage,
    /// The groups that are wanted.
    pub(crate) groups: Range<u8>,
}

/// Calls `each` with the entries of the groups of a base that are wanted, as the changes that make them.
///
/// # Errors
/// [`Error::Corrupt`] for an object that is damaged, missing, or no base; the storage's; those of `each`.
pub(crate) fn read_base(
    base: &StateBase,
    from: &BaseFrom<'_>,
    mut each: impl FnMut(Changes) -> Result<()>,
) -> Result<()> {
    let wanted = |group: u8| base.groups.contains(&group) && from.groups.contains(&group);
    for path in &base.objects {
        let groups = groups_of(path)?;
        if !groups.clone().any(wanted) {
            continue;
        }
        let Some(sealed) = from.storage.get(path, None)? else {
            let reason = format!("it is missing, and the state `{}` stands on it", from.uid);
            return Err(Error::Corrupt { path: path.clone(), reason });
        };
        let (version, payload) = envelope::open(KIND, path, &sealed)?;
        if version != VERSION {
            let reason = format!("it is a base of version {version}, and this build reads version {VERSION}");
            return Err(Error::Corrupt { path: path.clone(), reason });
        }
        let mut entries = Changes::from_bytes(payload.to_vec(), path)?;
        if !groups.clone().all(wanted) {
            let all = std::mem::take(&mut entries);
            all.iter().filter(|entry| wanted(entry.group.index())).for_each(|entry| entries.push(entry));
        }
        each(entries)?;
    }
    Ok(())
}

/// Adds an object to `base`: the entries of some groups, written below `path`. Nothing is written where there are none.
///
/// # Errors
/// The storage's.
pub(crate) fn write_groups(
    base: &mut StateBase,
    (groups, entries): (Range<u8>, &Changes),
    to: &dyn Storage,
    path: &str,
) -> Result<()> {
    // A base says which groups it holds, so nothing is written for those without entries.
    if entries.is_empty() {
        return Ok(());
    }
    let sealed = envelope::seal(KIND, VERSION, entries.as_bytes());
    let object = match groups.len() {
        1 => format!("{path}/{GROUP}{:03}", groups.start),
        _ => format!("{path}/{GROUP}{:03}-{:03}", groups.start, groups.end),
    };
    let _: Put = to.put(&object, &sealed, PutMode::Replace)?;
    base.bytes += sealed.len() as u64;
    base.objects.push(object);
    Ok(())
}

impl StateView for Content {
    fn groups(&self) -> Range<u8> {
        self.first..self.first + self.groups.len() as u8
    }

    fn applied(&self) -> Result<Option<BatchTime>> {
        Ok(self.applied)
    }

    fn read(&self, keys: &Keys, values: &mut Values) -> Result<()> {
        values.clear();
        for (group, key) in keys.iter() {
            values.push(self.group(group)?.get(key));
        }
        Ok(())
    }

    fn scan(&self, group: KeyGroup, cursor: &mut ScanCursor, chunk: &mut Changes) -> Result<bool> {
        chunk.clear();
        let from = match cursor.mark() {
            [] => 0,
            mark => usize::from_le_bytes(mark.try_into().map_err(|_| {
                Error::State(format!("state `{}`: the cursor of a scan is of another store", self.uid))
            })?),
        };
        let next = self.group(group)?.scan(group, from, CHUNK_BYTES, chunk);
        cursor.set_mark(&next.to_le_bytes());
        Ok(!chunk.is_empty())
    }

    fn save(&self, groups: Range<u8>, to: &dyn Storage, path: &str, _: &[String]) -> Result<StateBase> {
        let mut base =
            StateBase { groups: groups.clone(), applied: self.applied, objects: Vec::new(), bytes: 0 };
        let mut entries = Changes::new();
        for group in groups {
            let number = group;
            let group = KeyGroup::from_index(group).ok_or_else(|| {
                Error::State(format!("state `{}`: there is no key group {number}", self.uid))
            })?;
            let table = self.group(group)?;
            entries.clear();
            table.scan(group, 0, usize::MAX, &mut entries);
            write_groups(&mut base, (number..number + 1, &entries), to, path)?;
        }
        Ok(base)
    }
}

/// Starts the last part of an object's path; the number of its group follows, or the first and that behind the last.
const GROUP: &str = "group-";

/// The groups whose entries the object at `path` holds.
fn groups_of(path: &str) -> Result<Range<u8>> {
    let name = path.rsplit('/').next().and_then(|name| name.strip_prefix(GROUP));
    let number = |text: &str| text.parse::<u8>().ok().filter(|number| *number <= KeyGroup::COUNT);
    let groups = name.and_then(|name| match name.split_once('-') {
        Some((first, end)) => Some(number(first)?..number(end)?),
        None => number(name).map(|group| group..group + 1),
    });
    match groups {
        Some(groups) => Ok(groups),
        _ => Err(Error::Corrupt {
            path: path.into(),
            reason: format!(
                "it is no object of a base in memory, whose name is `{GROUP}` and one number or two; was the base \
                             written by another kind of state store?"
            ),
        }),
    }
}
