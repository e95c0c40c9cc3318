//! Random bytes from the TLS provider, which is here anyway.

use std::sync::LazyLock;

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
