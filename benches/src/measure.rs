//! What a run measures about itself: wall time, CPU, memory, and how busy the machine is.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The line that a child prints, tidemill's or the limit's: what one run took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Items worked off in the measured section (lines, numbers, rows, batches, events).
    pub(crate) n: u64,
    /// Wall time of the measured section.
    pub(crate) seconds: f64,
    /// Items a second.
    pub(crate) rate: f64,
    /// User and system CPU-seconds of the whole process in the measured section.
    pub(crate) cpu_s: f64,
    /// Peak resident memory of the process in MiB.
    pub(crate) rss_mb: f64,
    /// Figures of this workload alone (`p99_ms`, `distinct`, …).
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Measured {
    /// `n` items in a section that has just ended.
    pub(crate) fn of(n: u64, (seconds, cpu_s): (f64, f64)) -> Result<Self> {
        let rss_mb = memory_mb("VmHWM")?;
        Ok(Self { n, seconds, rate: n as f64 / seconds, cpu_s, rss_mb, more: Map::new() })
    }

    /// With a figure of this workload's own.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

/// A measured section: wall and CPU time since `start`, the way the limits take them.
#[derive(Debug)]
pub(crate) struct Section {
    start: Instant,
    cpu_s: f64,
}

impl Section {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { cpu_s: cpu_s(UsageWho::RUSAGE_SELF)?, start: Instant::now() })
    }

    /// Wall and CPU seconds so far.
    pub(crate) fn stop(&self) -> Result<(f64, f64)> {
        let seconds = self.start.elapsed().as_secs_f64();
        Ok((seconds, cpu_s(UsageWho::RUSAGE_SELF)? - self.cpu_s))
    }
}

/// User and system CPU-seconds of this process, or of its children that have ended.
pub(crate) fn cpu_s(of: UsageWho) -> Result<f64> {
    let usage: Usage = getrusage(of).context("reading the CPU time")?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// A memory figure of this process in MiB: `VmHWM` is the peak, `VmRSS` what is resident now.
///
/// Not `getrusage`'s: that peak starts at the parent's size.
pub(crate) fn memory_mb(field: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    field_kb(&status, field).map(|kb| kb / 1024.0).ok_or_else(|| anyhow!("/proc/self/status has no {field}"))
}

fn field_kb(status: &str, field: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// The machine's 1-minute load average.
pub(crate) fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let first = text.split_whitespace().next().context("/proc/loadavg is empty")?;
    first.parse().with_context(|| format!("/proc/loadavg begins with `{first}`, not a number"))
}

/// Microseconds since the epoch.
pub(crate) fn epoch_us() -> u64 {
    // A clock before 1970 gives 0, which shows in every figure.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_field_is_found_by_its_whole_name() {
        let status = "Name:\tbench\nVmHWMx:\t     9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(field_kb(status, "VmHWM"), Some(2048.0));
        assert_eq!(field_kb(status, "VmRSS"), Some(1024.0));
        assert_eq!(field_kb(status, "VmSwap"), None);
    }

    #[test]
    fn the_line_of_a_limit_is_read_with_its_own_figures() {
        let line = r#"{"peer":"limit","workload":"w1","n":10,"seconds":2.0,"rate":5.0,"cpu_s":3.5,"rss_mb":12.5,"distinct":7}"#;
        let measured: Measured = serde_json::from_str(line).unwrap();
        assert_eq!((measured.n, measured.cpu_s, measured.rss_mb), (10, 3.5, 12.5));
        assert_eq!(measured.more["distinct"], 7);
    }

    #[test]
    fn work_in_a_section_is_seen_as_cpu_time() {
        let section = Section::start().unwrap();
        // As much work as it takes for the kernel's figure to move; ends by itself on any machine.
        let mut x = 1u64;
        while section.stop().unwrap().1 <= 0.0 {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        let (seconds, cpu_s) = section.stop().unwrap();
        assert!(seconds > 0.0 && cpu_s > 0.0, "{seconds} {cpu_s} {x}");
    }
}
