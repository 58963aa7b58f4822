//! What was spilled comes back, and nothing stays behind.

use super::*;

fn spill(disk_bytes_max: u64) -> (tempfile::TempDir, Spill) {
    let under = tempfile::tempdir().unwrap();
    let spill = Spill::new(under.path().join("spill"), disk_bytes_max);
    (under, spill)
}

/// `None` where the limit of the disk is reached.
fn write<C: AsRef<[u8]>>(spill: &Spill, chunks: impl IntoIterator<Item = C>) -> Result<Option<SpillFile>> {
    let Some(mut file) = spill.writer()? else { return Ok(None) };
    for chunk in chunks {
        if !file.push(chunk.as_ref())? {
            return Ok(None);
        }
    }
    file.finish().map(Some)
}

fn bytes(file: &SpillFile) -> u64 {
    fs::metadata(&file.inner.owned.path).unwrap().len()
}

fn read(file: &SpillFile) -> Vec<Vec<u8>> {
    let (mut reader, mut chunks) = (file.read().unwrap(), Vec::new());
    while let Some(chunk) = reader.next().unwrap() {
        chunks.push(chunk.to_vec());
    }
    chunks
}

fn folders(spill: &Spill) -> usize {
    fs::read_dir(&spill.shared.under).into_iter().flatten().count()
}

#[test]
fn what_was_spilled_comes_back_in_order_and_more_than_once() {
    let (_under, spill) = spill(1 << 20);
    let chunks: Vec<Vec<u8>> = (0..100).map(|n| vec![n as u8; n * 10]).collect();

    let file = write(&spill, &chunks).unwrap().unwrap();

    assert_eq!(read(&file), chunks);
    assert_eq!(read(&file.clone()), chunks);
    assert_eq!(file.chunks(), 100);
    assert_eq!(spill.shared.disk.used(), bytes(&file));
}

#[test]
fn the_limit_is_no_error_and_leaves_nothing_behind() {
    let (_under, spill) = spill(100);

    let kept = write(&spill, [[0; 50]]).unwrap().unwrap();
    assert!(write(&spill, [[0; 50]]).unwrap().is_none());
    assert_eq!(spill.shared.disk.used(), bytes(&kept));
    let folder = kept.inner.owned.path.parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "the file and the lock");

    drop(kept);
    assert_eq!(spill.shared.disk.used(), 0);
    assert!(write(&spill, [[0; 50]]).unwrap().is_some());
}

#[test]
fn a_chunk_beyond_the_limit_can_be_left_out_of_a_file() {
    let (_under, spill) = spill(100);
    let mut writer = spill.writer().unwrap().unwrap();

    assert!(writer.push(b"fits").unwrap());
    assert!(!writer.push(&[0; 100]).unwrap());
    assert!(writer.push(b"too").unwrap());

    assert_eq!(read(&writer.finish().unwrap()), [b"fits".to_vec(), b"too".to_vec()]);
}

#[test]
fn the_folder_comes_with_the_first_file_and_goes_with_the_last() {
    let (_under, spill) = spill(1000);
    let under = spill.shared.under.clone();
    assert!(!under.exists());

    let file = write(&spill, [b"x"]).unwrap().unwrap();
    drop(spill);
    let mut reader = file.read().unwrap();
    drop(file);

    assert_eq!(reader.next().unwrap(), Some(&b"x"[..]));
    drop(reader);
    assert_eq!(fs::read_dir(&under).unwrap().count(), 0);
}

#[test]
fn leftovers_of_the_dead_are_removed_and_the_living_stay() {
    let (_under, living) = spill(1000);
    let file = write(&living, [b"x"]).unwrap().unwrap();
    for (folder, with_lock) in [("tidemill-spill-1-0", true), ("tidemill-spill-1-1", false), ("others", true)]
    {
        let folder = living.shared.under.join(folder);
        fs::create_dir(&folder).unwrap();
        if with_lock {
            fs::write(folder.join(LOCK), b"").unwrap();
            fs::write(folder.join("1-7"), b"half").unwrap();
        }
    }

    let next = Spill::new(&living.shared.under, 1000);

    assert_eq!(folders(&next), 2, "the living one's and what is not ours");
    assert!(living.shared.under.join("others").exists());
    assert_eq!(read(&file), [b"x".to_vec()]);
}

#[test]
fn a_damaged_or_shortened_file_is_an_error() {
    let (_under, spill) = spill(1000);
    let file = write(&spill, [b"neap", b"tide"]).unwrap().unwrap();
    let path = &file.inner.owned.path;
    let whole = fs::read(path).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;

    for bytes in [&whole[..whole.len() - 12], &whole[..whole.len() - 1], &damaged] {
        fs::write(path, bytes).unwrap();
        let mut reader = file.read().unwrap();
        assert_eq!(reader.next().unwrap(), Some(&b"neap"[..]));
        let error = reader.next().unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let under = tempfile::tempdir().unwrap();
    let file = under.path().join("file");
    fs::write(&file, b"").unwrap();

    let error = write(&Spill::new(&file, 1000), [b"x"]).unwrap_err();

    assert!(error.chain().contains("cannot spill to") && error.chain().contains("file"), "{}", error.chain());
}
