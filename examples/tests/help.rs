//! Each job says how it is called.

mod common;

use common::output;

const COMMON: &[&str] = &[
    "[HOST PORT]",
    "--interval",
    "--batches",
    "--print",
    "--conf KEY=VALUE",
    "--master",
    "--properties-file",
];

#[test]
fn help_says_what_the_job_does_and_names_all_of_its_arguments() {
    for (path, does, own) in [
        (env!("CARGO_BIN_EXE_network_word_count"), "each batch", &[][..]),
        (env!("CARGO_BIN_EXE_windowed_word_count"), "last minute", &["--window", "--slide", "60s", "10s"]),
        (env!("CARGO_BIN_EXE_stateful_network_word_count"), "over restarts", &["--checkpoint"]),
        (env!("CARGO_BIN_EXE_page_view_sessions"), "how many pages", &["--idle", "--checkpoint"]),
    ] {
        let run = output(path, &["--help"]);
        assert!(run.status.success(), "{path}");
        let said = String::from_utf8(run.stdout).unwrap();
        for named in COMMON.iter().chain(own).chain([&does]) {
            assert!(said.contains(named), "{path} does not say {named}:\n{said}");
        }
        let name = path.rsplit('/').next().unwrap();
        assert!(said.contains(&format!("Usage: {name} ")), "{said}");
    }
}
