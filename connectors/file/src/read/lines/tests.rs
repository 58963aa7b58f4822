//! Lines of parts against the lines of the whole.
