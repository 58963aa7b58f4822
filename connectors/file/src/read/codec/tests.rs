//! What the decoders make of whole, damaged and cut off files.
