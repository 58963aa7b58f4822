//! `cargo xtask ci`: all that CI runs, in one profile and one target directory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo::{Metadata, cargo, command, succeed};
use crate::{jobs, licences, light, native, setup};

/// A step: its name, what it is for, and how it is done.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

/// All steps, in their order.
const STEPS: &[Step] = &[
    Step { name: "setup", what: "the toolchain and packages that a build needs are there", run: setup::run },
    Step { name: "fmt", what: "the code is formatted", run: || cargo(&["fmt", "--all", "--check"]) },
    Step { name: "clippy", what: "no lint finds anything", run: clippy },
    Step { name: "alone", what: "each crate compiles without the others' features", run: alone },
    Step { name: "native", what: "RocksDB's C++ is compiled, which only tests need", run: native::build },
    Step { name: "test", what: "all tests, doctests included", run: test },
    Step { name: "doc", what: "the documentation has no broken link", run: doc },
    Step {
        name: "licences",
        what: "licences, bans and sources keep deny.toml's rules",
        run: licences::check,
    },
    Step { name: "light", what: "core is light, and the main job needs no C build", run: light::check },
    Step { name: "examples", what: "the packaged jobs run to their end", run: jobs::run },
];

/// Runs all steps, or those named. A step that fails does not keep the later ones from running, except `setup`.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    if names == ["--list"] {
        for step in STEPS {
            println!("{:10}{}", step.name, step.what);
        }
        return Ok(());
    }
    let steps = chosen(names)?;
    let mut table = Vec::new();
    for step in steps {
        println!("\n=== {}: {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)();
        table.push((step.name, start.elapsed(), result.is_ok()));
        if let Err(error) = result {
            println!("=== {} failed: {error:#}", step.name);
            if step.name == "setup" {
                break;
            }
        }
    }
    println!("\n{}", summary(&table));
    let failed: Vec<&str> = table.iter().filter(|(_, _, ok)| !ok).map(|(name, _, _)| *name).collect();
    if !failed.is_empty() {
        bail!("failed: {}; once more: `cargo xtask ci {}`", failed.join(", "), failed.join(" "));
    }
    Ok(())
}

fn chosen(names: &[&str]) -> Result<Vec<&'static Step>> {
    if let Some(wrong) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("`{wrong}` is no step; the steps are {}", known.join(", "));
    }
    Ok(STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name)).collect())
}

fn summary(table: &[(&str, Duration, bool)]) -> String {
    let total: Duration = table.iter().map(|(_, took, _)| took).sum();
    let mut lines: Vec<String> = table
        .iter()
        .map(|(name, took, ok)| {
            format!("{name:10}{:>8.1} s  {}", took.as_secs_f64(), if *ok { "ok" } else { "FAILED" })
        })
        .collect();
    lines.push(format!("{:10}{:>8.1} s", "all", total.as_secs_f64()));
    lines.join("\n")
}

fn clippy() -> Result<()> {
    cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// A build of the workspace gives each crate the features of all, and so hides one that is missing.
fn alone() -> Result<()> {
    for member in Metadata::of_host()?.members() {
        for features in feature_sets(&member.features) {
            // Clippy is a check that also sees what is unused without the other features.
            let mut args = vec!["clippy", "--locked", "--quiet", "-p", &member.name];
            args.extend(features.iter().map(String::as_str));
            args.extend(["--", "-D", "warnings"]);
            cargo(&args)?;
        }
    }
    Ok(())
}

/// As it is, without its default features where it has some, and with each other feature by itself.
fn feature_sets(features: &[String]) -> Vec<Vec<String>> {
    let mut sets = vec![vec![]];
    for feature in features {
        sets.push(match feature.as_str() {
            "default" => vec!["--no-default-features".to_owned()],
            other => vec!["--features".to_owned(), other.to_owned()],
        });
    }
    sets
}

/// Goes on behind a test that fails, so that one run shows all of them.
fn test() -> Result<()> {
    // Also where this step runs alone.
    native::build()?;
    cargo(&["test", "--locked", "--workspace", "--no-fail-fast"])
}

fn doc() -> Result<()> {
    let mut command = command("cargo", &["doc", "--locked", "--no-deps", "--workspace"])?;
    succeed(command.env("RUSTDOCFLAGS", "-Dwarnings")).context("warnings are errors here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_steps_run_in_ci_order_and_an_unknown_one_is_an_error() {
        let names = |steps: Vec<&'static Step>| steps.iter().map(|step| step.name).collect::<Vec<_>>();
        assert_eq!(names(chosen(&["doc", "fmt"]).unwrap()), ["fmt", "doc"]);
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
        assert!(chosen(&["fmt", "tset"]).err().unwrap().to_string().contains("`tset`"));
    }

    #[test]
    fn a_crate_alone_is_checked_with_each_feature_by_itself() {
        let sets = feature_sets(&["default".into(), "testing".into()]);
        let expected: [&[&str]; 3] = [&[], &["--no-default-features"], &["--features", "testing"]];
        assert_eq!(sets, expected);
    }

    #[test]
    fn the_table_at_the_end_shows_what_failed_and_the_sum() {
        let second = Duration::from_secs(1);
        let text = summary(&[("fmt", second, true), ("test", 2 * second, false)]);
        assert_eq!(text, "fmt            1.0 s  ok\ntest           2.0 s  FAILED\nall            3.0 s");
    }
}
