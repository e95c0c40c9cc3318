//! A reference device.
