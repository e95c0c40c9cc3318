//! Free ports, and what to do when one is taken before it is used.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Error, Result};

/// How often a stand-in is started on other ports before it is given up.
pub(crate) const ATTEMPTS: usize = 5;

/// `N` different ports of 127.0.0.1 that were free a moment ago. The programs cannot be handed an open socket, so another
/// process may be faster: see [`was_taken`].
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let doing = || Error::io("looking for a free port on", Path::new("127.0.0.1"));
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(doing())?;
        *port = listener.local_addr().map_err(doing())?.port();
        // Held until all are found, so that they differ.
        listeners.push(listener);
    }
    Ok(ports)
}

/// A loopback address that no other call, here or in another process of this machine, is likely to get: for servers whose clients
/// leave them no choice of port. Linux has all of 127.0.0.0/8; elsewhere it cannot be bound.
pub fn own_loopback_address() -> Ipv4Addr {
    static CALLS: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    // The last byte is never 0 or 255, and the second never 0: 127.0.0.x is what people choose themselves.
    let call = CALLS.fetch_add(1, Ordering::Relaxed) % 254 + 1;
    Ipv4Addr::new(127, high | 0x80, low, call)
}

/// Whether a program that ended had found its port in use, as Go and Node say it.
pub(crate) fn was_taken(error: &Error) -> bool {
    let Error::Failed { output, .. } = error else { return false };
    output.contains("address already in use") || output.contains("EADDRINUSE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_gets_an_address_of_its_own() {
        let (first, second) = (own_loopback_address(), own_loopback_address());
        assert!(first.is_loopback() && second.is_loopback() && first != second, "{first} {second}");
        assert!(first.octets()[1] != 0 && first.octets()[3] != 0);
    }
}
