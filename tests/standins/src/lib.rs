//! Real stand-ins.
