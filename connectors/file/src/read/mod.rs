//! Reading: a part of a file becomes records.
