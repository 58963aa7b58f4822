//! What version 1 of the ledger has written is opened for ever.

use std::fs;
use std::path::{Path, PathBuf};

use tidemill::testing::{collect_batches, input_batches, local_with, run_batches};
use tidemill::{BoxError, StateSpec, Wire as _};

use super::{conf, input};

/// The folder that [`write_the_fixture`] has written.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ledger-v1")
}

/// Runs batches of the job whose ledger is stored; `spec` is of the sums, whose version may have changed since.
fn run(directory: &Path, spec: StateSpec<String, u64>, from: u64, batches: u64) -> Vec<Vec<String>> {
    let ssc = local_with(conf());
    ssc.checkpoint(directory.to_str().unwrap());
    let pairs = input_batches(&ssc, 2, (from..from + batches).map(|batch| input(batch + 1)).collect());
    let sums = pairs.map_with_state(spec, |key, value, sum| {
        sum.update(sum.get().copied().unwrap_or(0) + value.unwrap_or(0));
        format!("{key} {:?}", sum.get())
    });
    let counts = pairs.count_by_window(std::time::Duration::from_secs(3), None).uid("counts");
    let given = collect_batches(&sums.uid("sums").union(&counts.map(|count| count.to_string())));
    run_batches(&ssc, batches).unwrap();
    ssc.stop(false).unwrap();
    let sorted = given.batches().into_iter().map(|mut batch| {
        batch.sort();
        batch
    });
    sorted.collect()
}

/// Of two runs: the first is long enough for bases and a manifest that names them, the second removes what those replace.
const BATCHES: u64 = FIRST + 3;
const FIRST: u64 = 70;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn expected() -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), StateSpec::new(), 0, BATCHES + 4).split_off(BATCHES as usize)
}

#[test]
fn what_version_1_has_written_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(), folder.path());
    assert_eq!(run(folder.path(), StateSpec::new(), BATCHES, 4), expected());
}

/// Reads the sums of version 1 as they were: the same type, so that what comes out can be compared.
fn migrate(version: u32, mut bytes: &[u8]) -> Result<u64, BoxError> {
    assert_eq!(version, 1, "there was no other version");
    Ok(u64::decode(&mut bytes)?)
}

#[test]
fn what_version_1_has_written_is_opened_by_a_job_whose_state_has_version_2() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(), folder.path());
    let spec = || StateSpec::new().version(2, migrate);
    let mut given = run(folder.path(), spec(), BATCHES, 2);
    given.extend(run(folder.path(), spec(), BATCHES + 2, 2));
    assert_eq!(given, expected());
}

/// Writes the fixture anew, for another version of the ledger, in a folder of its own:
/// `cargo test -p tidemill --test restart -- --ignored write_the_fixture`.
#[test]
#[ignore = "it writes into the source tree"]
fn write_the_fixture() {
    assert!(!fixture().exists(), "what a version has written is never written again: use another folder");
    run(&fixture(), StateSpec::new(), 0, FIRST);
    run(&fixture(), StateSpec::new(), FIRST, BATCHES - FIRST);
}
