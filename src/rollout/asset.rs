//! An asset. Pure.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// An asset: bytes and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The content.
    pub bytes: Bytes,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
}

impl Asset {
    /// Digests `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        let sha256 = format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(&bytes)));
        Self { bytes, sha256 }
    }
}
