//! What users rely on when files are read.
