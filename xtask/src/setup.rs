//! `cargo xtask setup`: what a build needs beyond git, gcc and rustup is there, or is installed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::cargo::{self, command, succeed};

/// How to see that a package is there.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// A program that runs.
    Runs(&'static [&'static str]),
    /// A file.
    File(&'static str),
    /// A shared library by the start of its file's name, in one of the folders where Debian puts them.
    Library(&'static str),
}

/// A Debian package.
#[derive(Clone, Copy, Debug)]
struct Needed {
    package: &'static str,
    probe: Probe,
    what_for: &'static str,
}

/// All packages that the workspace needs. What a new connector needs is added here.
const NEEDED: &[Needed] = &[
    Needed { package: "gcc", probe: Probe::Runs(&["cc", "--version"]), what_for: "links all programs" },
    Needed {
        package: "libc6-dev",
        probe: Probe::File("/usr/include/stdio.h"),
        what_for: "links all programs",
    },
    Needed { package: "g++", probe: Probe::Runs(&["c++", "--version"]), what_for: "compiles RocksDB" },
    Needed {
        package: "libclang-dev",
        probe: Probe::Library("libclang"),
        what_for: "reads RocksDB's header, also where it is only checked",
    },
];

/// Checks all, and installs what it can.
pub(crate) fn run() -> Result<()> {
    toolchain()?;
    packages()
}

/// The toolchain of `rust-toolchain.toml`. Rustup itself installs it when cargo is called; this sees to its components.
fn toolchain() -> Result<()> {
    let text =
        fs::read_to_string(cargo::root()?.join("rust-toolchain.toml")).context("rust-toolchain.toml")?;
    let (channel, components) = pinned(&text).context("rust-toolchain.toml")?;
    let missing: Vec<&String> = components
        .iter()
        .filter(|component| {
            !runs(&["cargo", component.strip_prefix("rust").unwrap_or(component), "--version"])
        })
        .collect();
    if !missing.is_empty() {
        let mut args = vec!["component", "add", "--toolchain", &channel];
        args.extend(missing.iter().map(|component| component.as_str()));
        let by_hand = format!("run `rustup {}`", args.join(" "));
        command("rustup", &args).and_then(|mut command| succeed(&mut command)).context(by_hand)?;
    }
    let version = command("rustc", &["--version"])?.output().context("rustc does not run")?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if !version.starts_with(&format!("rustc {channel} ")) {
        bail!(
            "this is `{version}`, but the project needs {channel}: run `rustup toolchain install {channel}`"
        );
    }
    println!("{version}, with {}", components.join(", "));
    Ok(())
}

/// The channel and the components of a toolchain file.
fn pinned(text: &str) -> Result<(String, Vec<String>)> {
    let file: Table = text.parse()?;
    let toolchain = file.get("toolchain").context("`[toolchain]` is missing")?;
    let channel = toolchain.get("channel").and_then(Value::as_str).context("`channel` is missing")?;
    let components = toolchain.get("components").and_then(Value::as_array).into_iter().flatten();
    Ok((channel.to_owned(), components.filter_map(Value::as_str).map(str::to_owned).collect()))
}

fn packages() -> Result<()> {
    let missing = missing(NEEDED);
    for needed in &missing {
        println!("{} is missing; it {}", needed.package, needed.what_for);
    }
    if missing.is_empty() {
        let names: Vec<&str> = NEEDED.iter().map(|needed| needed.package).collect();
        println!("packages: {}", names.join(", "));
        return Ok(());
    }
    let install = install_args(&missing);
    // The owner of this process's own folder is who runs it.
    let root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if !root || !runs(&["apt-get", "--version"]) {
        bail!("packages are missing: run `sudo apt-get {}`", install.join(" "));
    }
    succeed(command("apt-get", &["update"])?.env("DEBIAN_FRONTEND", "noninteractive"))?;
    succeed(command("apt-get", &install)?.env("DEBIAN_FRONTEND", "noninteractive"))?;
    match self::missing(NEEDED).first() {
        Some(needed) => {
            bail!("{} was installed and is still not to be seen: {:?}", needed.package, needed.probe)
        }
        None => Ok(()),
    }
}

fn missing(needed: &[Needed]) -> Vec<Needed> {
    let there = |needed: &&Needed| match needed.probe {
        Probe::Runs(command) => runs(command),
        Probe::File(path) => Path::new(path).exists(),
        Probe::Library(start) => library(Path::new("/usr/lib"), start),
    };
    needed.iter().filter(|needed| !there(needed)).copied().collect()
}

/// Whether `lib`, the folder of a platform in it or that of a version of LLVM has a library whose name starts like this.
fn library(lib: &Path, start: &str) -> bool {
    let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = std::iter::once(lib.to_path_buf()).chain(list(lib)).flat_map(|folder| {
        let inner = folder.join("lib");
        [folder, inner]
    });
    folders.flat_map(|folder| list(&folder).collect::<Vec<_>>()).any(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // `libclang.so` or `libclang-14.so.1`, and not `libclang-cpp.so`.
        let version = name.strip_prefix(start).and_then(|rest| rest.split(".so").next());
        let numbers = |version: &str| version.chars().all(|c| c == '-' || c == '.' || c.is_ascii_digit());
        name.contains(".so") && version.is_some_and(numbers)
    })
}

fn install_args(missing: &[Needed]) -> Vec<&'static str> {
    let names = missing.iter().map(|needed| needed.package);
    ["install", "-y", "--no-install-recommends"].into_iter().chain(names).collect()
}

fn runs(words: &[&str]) -> bool {
    let Some((program, args)) = words.split_first() else { return false };
    let Ok(mut command) = command(program, args) else { return false };
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_seen_by_program_and_by_file_and_ends_in_the_command() {
        let gone = Needed {
            package: "gone",
            probe: Probe::Runs(&["no-such-program-here"]),
            what_for: "does nothing",
        };
        let fails = Needed { package: "fails", probe: Probe::Runs(&["false"]), what_for: "fails" };
        let file = Needed { package: "file", probe: Probe::File("/no/such/file"), what_for: "is not there" };
        let there = Needed { package: "there", probe: Probe::Runs(&["true"]), what_for: "runs" };
        let root = Needed { package: "root", probe: Probe::File("/"), what_for: "is there" };

        let missing = missing(&[gone, there, fails, root, file]);

        assert_eq!(
            install_args(&missing),
            ["install", "-y", "--no-install-recommends", "gone", "fails", "file"]
        );
    }

    #[test]
    fn a_library_is_seen_wherever_debian_puts_it() {
        let lib = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = lib.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        for other in ["llvm-14/lib/libclang-cpp.so.14", "llvm-14/lib/libclangBasic.a", "libclang.txt"] {
            put(other);
            assert!(!library(lib.path(), "libclang"), "{other}");
        }
        for place in ["llvm-14/lib/libclang-14.so.1", "x86_64-linux-gnu/libclang.so", "libclang.so"] {
            put(place);
            assert!(library(lib.path(), "libclang"), "{place}");
            fs::remove_file(lib.path().join(place)).unwrap();
        }
    }

    #[test]
    fn the_pinned_toolchain_is_read_with_its_components() {
        let text = "[toolchain]\nchannel = \"1.2.3\"\ncomponents = [\"rustfmt\", \"clippy\"]\n";
        assert_eq!(pinned(text).unwrap(), ("1.2.3".into(), vec!["rustfmt".into(), "clippy".into()]));
        assert!(pinned("[toolchain]\n").is_err());
    }
}
