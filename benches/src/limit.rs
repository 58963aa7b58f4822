//! The hand-written limits: builds them, generates the data they and tidemill read, starts them and their line server.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/limit/Cargo.toml");

/// The limits' programs and the data, both below the target folder.
#[derive(Debug)]
pub(crate) struct Limits {
    programs: PathBuf,
    data: PathBuf,
}

impl Limits {
    /// Builds what is not built yet and generates the data once.
    ///
    /// # Errors
    /// If the target folder is not found, the build fails or the data cannot be written.
    pub(crate) fn build() -> Result<Self> {
        let target = target_folder()?.join("bench-limit");
        let status = cargo()
            .args(["build", "--release", "--quiet", "--locked", "--manifest-path", MANIFEST, "--target-dir"])
            .arg(&target)
            .status()
            .context("starting cargo for the limits")?;
        ensure!(status.success(), "building the limits failed ({status})");
        let limits = Self { programs: target.join("release"), data: target.join("data") };
        limits.generate()?;
        Ok(limits)
    }

    /// The folder with `lines.txt` (1 M lines of 6 to 14 words) and `vocab.txt` (200,000 words).
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// An empty folder, on the file system of the data, for what a run writes.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn scratch(&self) -> Result<PathBuf> {
        scratch(&self.data)
    }

    /// A limit's program, told where the data is.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.env("BENCH_DATA", &self.data);
        command
    }

    /// A server of lines on a free port; `rate` lines a second with the send time in front, or as fast as the client reads.
    pub(crate) fn line_server(&self, rate: Option<u32>) -> Result<LineServer> {
        let mut command = self.program("line-server");
        command.args(["--port", "0", "--conns", "1"]);
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        LineServer::start(command)
    }

    fn generate(&self) -> Result<()> {
        if self.data.exists() {
            return Ok(());
        }
        // Into another folder first: half a file of an interrupted run would be taken for the whole.
        let part = self.data.with_extension("part");
        let status = self
            .program("gen")
            .env("BENCH_DATA", &part)
            .stdout(Stdio::null())
            .status()
            .context("starting gen")?;
        ensure!(status.success(), "generating the data failed ({status})");
        fs::rename(&part, &self.data).with_context(|| format!("moving {} into place", part.display()))
    }
}

/// An empty folder beside `data`.
pub(crate) fn scratch(data: &Path) -> Result<PathBuf> {
    let folder = data.with_file_name("scratch");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&folder),
    }
    .with_context(|| format!("making {} empty", folder.display()))?;
    Ok(folder)
}

/// Sends lines to one client; ends with this value.
#[derive(Debug)]
pub(crate) struct LineServer {
    child: Child,
    port: u16,
}

impl LineServer {
    fn start(mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        // From here on an error drops the server, which ends it.
        let mut server = Self { child: child.context("starting the line server")?, port: 0 };
        let out = server.child.stdout.take().context("the line server has no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).context("reading the line server's port")?;
        server.port = port_in(&line)?;
        Ok(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for LineServer {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port_in(line: &str) -> Result<u16> {
    let port = line.trim().strip_prefix("PORT ").and_then(|port| port.parse().ok());
    port.ok_or_else(|| anyhow!("the line server printed `{}` instead of its port", line.trim()))
}

/// The cargo that started this program, or the one on the path.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// The target folder in which this program was built.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("finding this program")?;
    // <target>/release/tidemill-benches
    let folder = program.parent().and_then(Path::parent);
    folder.map(Path::to_path_buf).with_context(|| format!("{} lies in no target folder", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_servers_first_line() {
        assert_eq!(port_in("PORT 4567\n").unwrap(), 4567);
        for line in ["", "PORT", "PORT x", "PORT 70000", "4567"] {
            assert!(port_in(line).is_err(), "{line}");
        }
    }
}
