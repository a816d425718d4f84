//! Tests of the whole buffer over a disk and a bio that fail and finish on demand.

mod feeding;
mod flushing;
mod model;
mod rig;
mod switching;
mod timing;
mod trouble;
