//! The plan of the house holds: data walks through the rooms in one direction, and no file grows out of sight.

#[path = "house_plan/doors.rs"]
mod doors;
#[cfg(test)]
#[path = "house_plan/doors_tests.rs"]
mod doors_tests;
#[path = "house_plan/tokens.rs"]
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use doors::{Door, Target};

/// The rooms in the order in which data walks, each with the rooms above it that it may use besides [`OPEN`]. A new door
/// is added here, in the same change as the code that needs it, and in ARCHITECTURE.md's table.
const ROOMS: &[(&str, Uses)] = &[
    ("words", Only(&[])),
    ("runtime", Only(&[])),
    ("metrics", Only(&["runtime"])),
    ("data", Only(&[])),
    ("storage", Only(&["runtime"])),
    ("memory", Only(&["storage", "metrics"])),
    ("transport", Only(&[])),
    ("rdd", Only(&["memory", "transport", "runtime", "metrics"])),
    ("source", Only(&["runtime", "memory", "metrics", "rdd"])),
    ("backpressure", Only(&[])),
    ("ingest", Only(&["runtime", "metrics", "storage", "memory", "rdd", "source", "backpressure"])),
    ("window", Only(&[])),
    ("state", Only(&["storage"])),
    ("sink", Only(&["runtime", "storage", "rdd"])),
    ("dstream", Only(&["runtime", "storage", "memory", "rdd", "ingest", "window", "state", "sink"])),
    ("ledger", Only(&["storage", "ingest", "state", "sink"])),
    ("scheduler", Above),
    ("context", Above),
    ("testing", Above),
];

/// Open to all rooms below them.
const OPEN: &[&str] = &["words", "data"];

/// Modules of `lib.rs` that are no rooms: they stand behind the rooms, and no room uses them.
const NO_ROOMS: &[&str] = &["prelude"];

/// Files that may be longer than [`LINES_MAX`], or have no first sentence, each with its reason; a folder ends in `/`.
const EXCEPTIONS: &[(&str, &str)] =
    &[("benches/limit/", "the hand-written limits are frozen: they are compared with, not developed")];

/// Lines of a file; at this length, look whether two nouns live in one house.
const LINES_MAX: usize = 400;

use Uses::{Above, Only};

/// Which rooms a room may use.
#[derive(Clone, Copy, Debug)]
enum Uses {
    /// These and the open ones.
    Only(&'static [&'static str]),
    /// All above it.
    Above,
}

fn place(room: &str) -> Option<usize> {
    ROOMS.iter().position(|(name, _)| *name == room)
}

fn may_use(room: &str, other: &str) -> bool {
    let (Some(from), Some(to)) = (place(room), place(other)) else { return false };
    let listed = match ROOMS[from].1 {
        Only(rooms) => OPEN.contains(&other) || rooms.contains(&other),
        Above => true,
    };
    from == to || (to < from && listed)
}

#[test]
fn the_table_opens_doors_to_rooms_above_only() {
    for (room, uses) in ROOMS {
        let Only(others) = uses else { continue };
        for other in *others {
            assert!(may_use(room, other), "{room} -> {other}: there is no such room above it");
        }
    }
}

#[test]
fn a_room_uses_only_rooms_above_it_that_its_row_names() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(core.join("lib.rs")).unwrap();
    let exported = doors::exports(&lib);
    let mut faults = Vec::new();
    let mut doors_seen = 0;
    for (room, _) in ROOMS {
        let files = room_files(&core, room);
        for door in doors::of_files(&files) {
            doors_seen += 1;
            faults.extend(fault(room, &door, &exported).map(|fault| format!("{}: {fault}", door.at)));
        }
    }
    // A group on one line may lead through the same door many times.
    faults.dedup();
    assert!(faults.is_empty(), "doors that the plan does not have:\n{}", faults.join("\n"));
    // Files there are, so an empty list would mean that nothing was read.
    assert!(doors_seen > 0, "no door found at all in {}", core.display());
}

/// What is wrong with a door out of `room`. `exported` says from which room each name of `lib.rs` comes.
fn fault(room: &str, door: &Door, exported: &BTreeMap<String, String>) -> Option<String> {
    let name = match &door.target {
        Target::Name(name) => name,
        Target::Hidden(how) => {
            return Some(format!("`{room}` {how}: name the room, so that the door is seen"));
        }
    };
    let other = match (place(name), exported.get(name)) {
        (Some(_), _) => name,
        (None, Some(other)) => other,
        (None, None) => {
            return Some(format!("`{room}` uses `crate::{name}`, which no room exports by name in lib.rs"));
        }
    };
    if room == other {
        return None;
    }
    if !may_use(room, other) {
        return Some(format!("`{room}` uses `{other}`"));
    }
    let shown_on = door.reexport && !matches!(ROOMS[place(room)?].1, Above);
    shown_on
        .then(|| format!("`{room}` re-exports from `{other}`: others would reach that room through this one"))
}

#[test]
fn the_modules_of_lib_rs_stand_in_the_order_of_the_rooms() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    assert_eq!(order_fault(&doors::modules(&lib)), None);
}

fn order_fault(modules: &[String]) -> Option<String> {
    let mut last = 0;
    for module in modules {
        let at = match place(module) {
            Some(at) => at,
            None if NO_ROOMS.contains(&module.as_str()) => ROOMS.len(),
            None => return Some(format!("`{module}` is no room of the plan")),
        };
        if at < last {
            return Some(format!("`{module}` stands below a room that comes after it"));
        }
        last = at;
    }
    modules.is_empty().then(|| "lib.rs has no modules".to_owned())
}

#[test]
fn every_file_says_first_what_it_is_and_is_short_or_has_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut faults = Vec::new();
    for file in rust_files(root) {
        let name = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        faults.extend(file_fault(&name, &text));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn file_fault(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let exception =
        EXCEPTIONS.iter().find(|(path, _)| *path == name || (path.ends_with('/') && name.starts_with(path)));
    if let Some((path, _)) = exception {
        let idle = *path == name && lines <= LINES_MAX;
        return idle.then(|| format!("{name} needs its reason no more: it has {lines} lines"));
    }
    if !text.starts_with("//!") {
        return Some(format!("{name} does not start with `//!` and what it is"));
    }
    (lines > LINES_MAX).then(|| {
        format!(
            "{name} has {lines} lines: do two nouns live in one house? If not, give the reason in {}",
            file!()
        )
    })
}

/// The files of a room, each with its path of modules below the crate.
fn room_files(src: &Path, room: &str) -> Vec<doors::File> {
    let mut paths = rust_files(&src.join(room));
    paths.extend(Some(src.join(format!("{room}.rs"))).filter(|path| path.exists()));
    let file = |path: PathBuf| {
        let below = path.strip_prefix(src).unwrap().with_extension("");
        let mut module: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let text = fs::read_to_string(&path).unwrap();
        doors::File { name: format!("core/src/{}.rs", below.display()), module, text }
    };
    paths.into_iter().map(file).collect()
}

/// All Rust files below a folder, in order, without what cargo builds and what hides behind a dot.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The test of the test: it sees what it is there to see.
mod itself {
    use super::*;

    fn faults(room: &str, text: &str) -> Vec<String> {
        let file =
            doors::File { name: "f.rs".into(), module: vec![room.into(), "file".into()], text: text.into() };
        let exported = doors::exports("pub use crate::rdd::{Rdd, Text as Words};");
        doors::of_files(&[file]).iter().filter_map(|door| fault(room, door, &exported)).collect()
    }

    #[test]
    fn doors_up_pass_and_doors_down_sideways_and_unnamed_fail() {
        assert!(
            faults("state", "use crate::{words::Error, data::Text, storage::Storage, state::Own};")
                .is_empty()
        );
        assert_eq!(faults("state", "use crate::rdd::Rdd;"), ["`state` uses `rdd`"]);
        assert_eq!(faults("runtime", "fn f() { crate::data::g() }"), ["`runtime` uses `data`"]);
        assert_eq!(faults("storage", "use super::super::context::X;"), ["`storage` uses `context`"]);
        assert!(faults("scheduler", "use crate::{ledger::L, rdd::R};").is_empty());
        assert_eq!(faults("scheduler", "use crate::context::C;"), ["`scheduler` uses `context`"]);
    }

    #[test]
    fn a_name_of_lib_rs_counts_as_the_room_it_comes_from() {
        assert!(faults("sink", "use crate::Rdd;").is_empty());
        assert_eq!(faults("state", "use crate::{Rdd, Words};"), ["`state` uses `rdd`", "`state` uses `rdd`"]);
        assert!(faults("state", "use crate::prelude::X;")[0].contains("no room exports"));
        assert!(faults("state", "use crate::*;")[0].contains("name the room"));
    }

    #[test]
    fn a_room_shows_only_its_own_names_on() {
        assert!(faults("dstream", "use crate::rdd::Rdd; pub use crate::dstream::x::Y;").is_empty());
        assert!(faults("dstream", "pub(crate) use crate::rdd::Rdd;")[0].contains("re-exports"));
        assert!(faults("context", "pub use crate::rdd::Rdd;").is_empty());
    }

    #[test]
    fn modules_out_of_order_and_unknown_ones_are_seen() {
        let fault =
            |modules: &[&str]| order_fault(&modules.iter().map(|&m| m.to_owned()).collect::<Vec<_>>());
        assert_eq!(fault(&["words", "data", "testing", "prelude"]), None);
        assert!(fault(&["data", "runtime"]).unwrap().contains("`runtime`"));
        assert!(fault(&["prelude", "words"]).unwrap().contains("`words`"));
        assert!(fault(&["words", "utils"]).unwrap().contains("`utils`"));
        assert!(fault(&[]).is_some());
    }

    #[test]
    fn a_long_file_and_one_without_a_first_sentence_are_seen() {
        let lines = |count: usize| format!("//! It.\n{}", "\n".repeat(count - 1));
        assert_eq!(file_fault("core/src/a.rs", &lines(400)), None);
        assert!(file_fault("core/src/a.rs", &lines(401)).unwrap().contains("401 lines"));
        assert!(file_fault("core/src/a.rs", "// It.\n").unwrap().contains("does not start"));
        assert_eq!(file_fault("benches/limit/src/a.rs", &"\n".repeat(500)), None);
    }
}
