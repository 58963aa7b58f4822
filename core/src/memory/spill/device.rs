//! The disk below a spill folder, which a test can fill up.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;

#[cfg(any(test, feature = "testing"))]
use parking_lot::Mutex;

use super::Shared;

/// How much the disk still takes; only tests limit it.
#[derive(Debug, Default)]
pub(super) struct Device {
    #[cfg(any(test, feature = "testing"))]
    free: Mutex<Option<u64>>,
}

impl Device {
    /// As much of `bytes` as fits.
    #[cfg(any(test, feature = "testing"))]
    fn admit<'a>(&self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let mut free = self.free.lock();
        let Some(free) = &mut *free else { return Ok(bytes) };
        let fits = bytes.len().min(usize::try_from(*free).unwrap_or(usize::MAX));
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *free -= fits as u64;
        Ok(&bytes[..fits])
    }

    #[cfg(not(any(test, feature = "testing")))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the one of tests needs both")]
    fn admit<'a>(&self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        Ok(bytes)
    }
}

#[cfg(any(test, feature = "testing"))]
impl super::Spill {
    /// From now on the disk takes `free` more bytes and is full then; `None`: as many as it has.
    pub(crate) fn limit_device(&self, free: Option<u64>) {
        *self.shared.device.free.lock() = free;
    }
}

/// A file on that disk.
#[derive(Debug)]
pub(super) struct DeviceFile {
    pub(super) file: File,
    pub(super) shared: Arc<Shared>,
}

impl DeviceFile {
    /// Takes back what was written behind `end`.
    pub(super) fn cut_off(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end)).map(drop)
    }
}

impl Write for DeviceFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = self.shared.device.admit(bytes)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
