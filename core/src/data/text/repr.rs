//! The 24 bytes of a text and the block that long texts share; all pointers of this room are here.
//!
//! A [`Text`] is three words. Read as 24 bytes of memory, the last byte is the tag:
//!
//! - tag `0x80` + 0 to 22: that many bytes of text stand in front, the rest is zero;
//! - tag `0xff`: the first word is the address of the text, the second that of its block, the third its length.
//!
//! The third word is never zero, so an `Option<Text>` has 24 bytes, too.
//!
//! Invariant: a text of at most 22 bytes is always inline and a longer one always shared, so two equal inline texts
//! have equal words, and an inline text never equals a shared one.

#![allow(
    unsafe_code,
    reason = "a reference count for each word, as safe code needs it, costs a third of the word count's speed: measured"
)]

use std::mem::ManuallyDrop;
use std::num::NonZeroU64;
use std::process::abort;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::{fmt, slice, str};

use bytes::Bytes;

/// Texts of up to this many bytes are inline. 22 and not 23: byte 22 is always zero.
pub(super) const INLINE: usize = 22;
/// So many bytes are read at once to make an inline text.
pub(super) const WORDS: usize = 24;
/// The third word of the empty text.
const EMPTY: NonZeroU64 = match NonZeroU64::new((0x80_u64 << 56).to_le()) {
    Some(word) => word,
    None => NonZeroU64::MAX,
};
const SHARED: u8 = 0xff;

/// Which bits of 24 bytes read belong to an inline text of so many bytes.
static KEEP: [[u64; 3]; INLINE + 1] = {
    let mut keep = [[0; 3]; INLINE + 1];
    let mut len = 0;
    while len <= INLINE {
        let mut at = 0;
        while at < len {
            keep[len][at / 8] |= (0xff_u64 << (at % 8 * 8)).to_le();
            at += 1;
        }
        len += 1;
    }
    keep
};

/// A piece of text: cheap to clone, share and send.
///
/// `Text` is what text sources give and what the pieces of a line are. It reads as `str` (`Deref<Target = str>`), so
/// every method of `str` works; those that give *pieces* exist on `Text` itself and give texts that own what they
/// show, so they can leave a closure.
///
/// Up to 22 bytes stand in the text itself; a longer one shares the block it was cut from and keeps all of it in
/// memory, until [`detach`](Text::detach) copies it out. Cloning and cutting never copy more than 24 bytes.
///
/// It hashes over its words and not as `str` does, so it has no `Borrow<str>`: a `HashMap<Text, _>` is asked with a
/// `&Text`.
///
/// ```
/// use tidemill::Text;
///
/// let lines = vec![Text::from("to be or"), Text::from("not to be")];
/// let words: Vec<Text> = lines.into_iter().flat_map(|line| line.split(' ')).collect();
/// assert_eq!(words, ["to", "be", "or", "not", "to", "be"]);
/// assert!(words[3].starts_with('n'));
/// ```
#[repr(C)]
pub struct Text(u64, u64, NonZeroU64);

impl Text {
    /// The empty text.
    pub const fn new() -> Self {
        Self(0, 0, EMPTY)
    }

    /// The text as `str`.
    #[inline]
    pub fn as_str(&self) -> &str {
        // SAFETY: an inline text has its bytes in its own words; a shared one holds a count of its block, whose bytes
        // neither move nor change while it lives. Both were cut from a `str` at character borders.
        unsafe { str::from_utf8_unchecked(slice::from_raw_parts(self.start(), self.length())) }
    }

    /// The words: all there is to know of an inline text.
    #[inline]
    pub(super) fn words(&self) -> [u64; 3] {
        [self.0, self.1, self.2.get()]
    }

    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.tag() == SHARED
    }

    /// `text`, which must have at most 22 bytes (of a longer one only the first 22 are taken).
    #[inline]
    pub(super) fn inline(text: &str) -> Self {
        // Two reads that overlap instead of a copy of unknown length.
        let bytes = text.as_bytes();
        let len = bytes.len().min(INLINE);
        let word = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        let half =
            |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)));
        let words = match len {
            0 => [0; 3],
            1..4 => {
                let byte = |at: usize| u64::from(bytes[at]) << (8 * at);
                [byte(0) | byte(len / 2) | byte(len - 1), 0, 0]
            }
            4..=8 => [half(0) | half(len - 4) << (8 * (len - 4)), 0, 0],
            9..=16 => [word(0), word(len - 8) >> (8 * (16 - len)), 0],
            _ => [word(0), word(8), word(len - 8) >> (8 * (24 - len))],
        };
        Self(words[0].to_le(), words[1].to_le(), tagged(len) | words[2].to_le())
    }

    /// The `len` bytes at `start` as an inline text.
    ///
    /// # Safety
    /// At most 22 bytes, valid UTF-8; 24 bytes can be read from `start`.
    #[inline]
    pub(super) unsafe fn inline_from_room(start: *const u8, len: usize) -> Self {
        // SAFETY: promised by the caller; any bytes are good words.
        let [a, b, c] = unsafe { start.cast::<[u64; 3]>().read_unaligned() };
        let keep = &KEEP[len];
        Self(a & keep[0], b & keep[1], tagged(len) | c & keep[2])
    }

    /// A shared text that owns one count of `block`, which the caller gives.
    #[inline]
    fn shared(start: *const u8, len: usize, block: NonNull<Block>) -> Self {
        let third = EMPTY | (len as u64 | u64::from(SHARED) << 56).to_le();
        Self(start.expose_provenance() as u64, block.as_ptr().expose_provenance() as u64, third)
    }

    #[inline]
    fn tag(&self) -> u8 {
        (u64::from_le(self.2.get()) >> 56) as u8
    }

    /// The length of a shared text.
    #[inline]
    fn shared_len(&self) -> usize {
        (u64::from_le(self.2.get()) & (u64::MAX >> 8)) as usize
    }

    #[inline]
    pub(super) fn length(&self) -> usize {
        if self.is_shared() { self.shared_len() } else { usize::from(self.tag() & 0x7f) }
    }

    /// Where the text begins; of an inline text, all of its 24 bytes can be read from here.
    #[inline]
    pub(super) fn start(&self) -> *const u8 {
        if self.is_shared() { self.address() } else { ptr::from_ref(self).cast() }
    }

    /// How many bytes can be read from `start`, behind the text's end, too.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.block().map_or(WORDS, |block| block.bytes.as_ptr_range().end as usize - self.0 as usize)
    }

    /// Where a shared text begins.
    #[inline]
    fn address(&self) -> *const u8 {
        ptr::with_exposed_provenance(self.0 as usize)
    }

    /// The block of a shared text.
    #[inline]
    fn block(&self) -> Option<&Block> {
        // SAFETY: a shared text holds a count of its block, so the block lives at least as long as the text.
        self.is_shared().then(|| unsafe { &*ptr::with_exposed_provenance::<Block>(self.1 as usize) })
    }

    #[cold]
    #[inline(never)]
    fn release(&mut self) {
        if let Some(block) = NonNull::new(ptr::with_exposed_provenance_mut::<Block>(self.1 as usize)) {
            // SAFETY: called by `drop` alone, for a shared text, whose count is given back here.
            unsafe { Block::release(block) }
        }
    }

    /// The piece of `self` that `piece` shows; a `piece` from elsewhere is copied.
    pub(super) fn piece(&self, piece: &str) -> Self {
        if piece.len() <= INLINE {
            return Self::inline(piece);
        }
        let whole = self.as_bytes().as_ptr_range();
        let part = piece.as_bytes().as_ptr_range();
        match self.block() {
            Some(block) if whole.start <= part.start && part.end <= whole.end => {
                block.raise(1);
                // The address is taken from the whole, so that it may be read as long as the block lives.
                let at = part.start as usize - whole.start as usize;
                Self::shared(self.address().wrapping_add(at), piece.len(), NonNull::from(block))
            }
            _ => Self::from(piece),
        }
    }
}

impl Clone for Text {
    #[inline]
    fn clone(&self) -> Self {
        if let Some(block) = self.block() {
            block.raise(1);
        }
        Self(self.0, self.1, self.2)
    }
}

impl Drop for Text {
    #[inline]
    fn drop(&mut self) {
        if self.is_shared() {
            self.release();
        }
    }
}

/// The third word of an inline text of `len` bytes, without its bytes.
#[inline]
fn tagged(len: usize) -> NonZeroU64 {
    EMPTY | ((len as u64) << 56).to_le()
}

/// What all texts of a block hold together.
struct Block {
    /// How many texts and handles there are.
    count: AtomicUsize,
    /// Invariant: valid UTF-8; the bytes neither move nor change.
    bytes: Bytes,
}

impl Block {
    #[inline]
    fn raise(&self, by: usize) {
        // A new holder comes from an old one, so nothing needs to be ordered; as in `Arc`.
        if self.count.fetch_add(by, Ordering::Relaxed) > usize::MAX / 4 {
            // Only handles that were leaked get here; going on would free a block in use.
            abort();
        }
    }

    /// Gives one count back, and frees the block with the last one.
    ///
    /// # Safety
    /// The caller owns a count of `block` and does not use the block again.
    unsafe fn release(block: NonNull<Self>) {
        // SAFETY: the caller's count keeps the block alive until here.
        if unsafe { block.as_ref() }.count.fetch_sub(1, Ordering::Release) == 1 {
            // All that the other holders did must be over before the bytes go; as in `Arc`.
            fence(Ordering::Acquire);
            // SAFETY: this was the last count, and the block came from `Box::leak`.
            drop(unsafe { Box::from_raw(block.as_ptr()) });
        }
    }
}

/// A block of text that was received or read as a whole: a cheap handle; the texts cut from it share it.
///
/// ```
/// use tidemill::TextBlock;
///
/// let block = TextBlock::from_utf8(b"to be\r\nor not\n".to_vec())?;
/// assert_eq!(block.count_lines(), 2);
///
/// let mut lines = Vec::new();
/// block.lines().fill(&mut lines, 256);
/// assert_eq!(lines, ["to be", "or not"]);
/// # Ok::<(), std::str::Utf8Error>(())
/// ```
pub struct TextBlock(NonNull<Block>);

// SAFETY: a handle gives shared references to immutable bytes only, and the count is atomic; as in `Arc<Bytes>`.
unsafe impl Send for TextBlock {}
// SAFETY: as above.
unsafe impl Sync for TextBlock {}

impl TextBlock {
    /// A block of these bytes, which are checked and not copied.
    ///
    /// # Errors
    /// If the bytes are not UTF-8, with the place of the first that is not.
    pub fn from_utf8(bytes: impl Into<Bytes>) -> Result<Self, str::Utf8Error> {
        let bytes = bytes.into();
        str::from_utf8(&bytes)?;
        Ok(Self::checked(bytes))
    }

    /// `bytes` must be UTF-8.
    pub(super) fn checked(bytes: Bytes) -> Self {
        debug_assert!(str::from_utf8(&bytes).is_ok());
        Self(NonNull::from(Box::leak(Box::new(Block { count: AtomicUsize::new(1), bytes }))))
    }

    /// The whole block as `str`.
    pub fn as_str(&self) -> &str {
        // SAFETY: checked when the block was made.
        unsafe { str::from_utf8_unchecked(&self.block().bytes) }
    }

    fn block(&self) -> &Block {
        // SAFETY: the handle holds a count, so the block lives as long as the handle.
        unsafe { self.0.as_ref() }
    }

    /// Pushes the pieces of the block that `next` gives; the count of the block is raised once for all of them.
    #[inline]
    pub(super) fn push_pieces<'a>(&self, out: &mut Vec<Text>, mut next: impl FnMut() -> Option<&'a str>) {
        /// Raises the count also when `out` cannot grow.
        struct Owed<'a>(&'a Block, usize);
        impl Drop for Owed<'_> {
            fn drop(&mut self) {
                self.0.raise(self.1);
            }
        }
        let bytes = &self.block().bytes;
        let mut owed = Owed(self.block(), 0);
        while let Some(piece) = next() {
            let (start, len) = (bytes.as_ptr(), piece.len());
            let at = (piece.as_ptr() as usize).wrapping_sub(start as usize);
            let left = bytes.len().saturating_sub(at);
            let text = if len <= INLINE && WORDS <= left {
                // SAFETY: the piece is short; from where it stands 24 bytes of the block can be read.
                unsafe { Text::inline_from_room(start.add(at), len) }
            } else if len > INLINE && len <= left {
                owed.1 += 1;
                Text::shared(start.wrapping_add(at), len, self.0)
            } else {
                Text::from(piece)
            };
            out.push(text);
        }
    }
}

impl Clone for TextBlock {
    fn clone(&self) -> Self {
        self.block().raise(1);
        Self(self.0)
    }
}

impl Drop for TextBlock {
    fn drop(&mut self) {
        // SAFETY: the handle's own count, given back once.
        unsafe { Block::release(self.0) }
    }
}

impl From<String> for TextBlock {
    fn from(text: String) -> Self {
        Self::checked(Bytes::from(text))
    }
}

impl From<TextBlock> for Text {
    fn from(block: TextBlock) -> Self {
        let whole = block.as_str();
        if whole.len() <= INLINE {
            return Self::inline(whole);
        }
        let (start, len) = (block.block().bytes.as_ptr(), whole.len());
        // The handle's count becomes the text's.
        Self::shared(start, len, ManuallyDrop::new(block).0)
    }
}

/// Shows the length and not the text, which may be megabytes.
impl fmt::Debug for TextBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextBlock").field("len", &self.as_str().len()).finish_non_exhaustive()
    }
}
