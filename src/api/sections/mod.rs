//! The sections of a spec.

pub(super) mod durations;
pub mod hub;
pub mod key_ref;
pub mod sas;
pub mod source;
pub mod storage;
pub mod target;
pub mod twin;
