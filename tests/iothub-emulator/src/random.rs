//! Random bytes from the TLS provider, which is here anyway.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::{SecureRandom, aws_lc_rs};

static SOURCE: LazyLock<&dyn SecureRandom> = LazyLock::new(|| aws_lc_rs::default_provider().secure_random);

/// Bytes that nobody can guess; zeros only if the operating system has none to give.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    if SOURCE.fill(&mut buffer).is_err() {
        tracing::error!("the system gives no random bytes; keys of this run can be guessed");
    }
    buffer
}

/// An id for one answer, 32 hexadecimal digits: no other has it, and it is no secret.
pub(crate) fn request_id() -> String {
    static START: LazyLock<u64> = LazyLock::new(|| u64::from_be_bytes(bytes()));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}{:016x}", *START, NEXT.fetch_add(1, Ordering::Relaxed))
}
