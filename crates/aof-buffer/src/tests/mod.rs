//! Tests of the whole buffer.
