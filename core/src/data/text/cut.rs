//! A text that is being cut.

#![allow(
    unsafe_code,
    reason = "reads behind the end of a piece, where the block has bytes, save a copy of unknown length a word"
)]

use super::repr::{INLINE, Text, WORDS};
use super::scan::{self, WINDOW};

/// A text that is being cut: it knows how far one may read, so that short pieces are one read and a mask.
#[derive(Clone)]
pub(super) struct Cut {
    text: Text,
    /// Invariant: so many bytes can be read from the text's first one, wherever the text is moved.
    room: usize,
}

impl Cut {
    #[inline]
    pub(super) fn new(text: Text) -> Self {
        Self { room: text.room(), text }
    }

    #[inline]
    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.text.length()
    }

    /// Where in the 64 bytes from `at` the byte `wanted` stands: bit 0 for `at`. Nothing is found behind the text.
    #[inline]
    pub(super) fn scan(&self, at: usize, wanted: u8) -> u64 {
        let left = self.len().saturating_sub(at);
        let found = if at + WINDOW <= self.room {
            // SAFETY: so many bytes can be read, see `room`.
            scan::find(unsafe { &*self.text.start().add(at).cast::<[u8; WINDOW]>() }, wanted)
        } else {
            let mut window = [0; WINDOW];
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let rest = &rest[..rest.len().min(WINDOW)];
            window[..rest.len()].copy_from_slice(rest);
            scan::find(&window, wanted)
        };
        if left < WINDOW { found & ((1 << left) - 1) } else { found }
    }

    /// `piece`, which should be a part of the text, as a text of its own; a `piece` from elsewhere is copied.
    #[inline]
    pub(super) fn piece(&self, piece: &str) -> Text {
        let start = self.text.start();
        let at = (piece.as_ptr() as usize).wrapping_sub(start as usize);
        if piece.len() <= INLINE && at.wrapping_add(WORDS) <= self.room && at <= self.room {
            // SAFETY: the piece is short; from where it stands 24 bytes can be read, see `room`.
            unsafe { Text::inline_from_room(start.add(at), piece.len()) }
        } else {
            self.text.piece(piece)
        }
    }
}
