//! The connection to the storage service.

use std::time::Duration;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one request may take, its body included. The largest body is one block of 2 MiB (see `blobs.rs`), so this allows a
/// line of 50 KB/s; a server that says nothing is given up after as long.
const REQUEST: Duration = Duration::from_secs(45);

/// The client that every [`super::BlobStore`] is made with; one for the whole process, as it keeps connections open.
///
/// https servers are verified against the system's authorities, or those in the file that `SSL_CERT_FILE` names. Redirects are
/// not followed: the service sends none (Azure Storage docs), and a signed link is for the host it was signed for. Fails where
/// there are no authorities to be found.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("blobrollout/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .redirect(reqwest::redirect::Policy::none())
        // The service speaks HTTP/1.1 only.
        .http1_only()
        // The digest of an asset is over its bytes as they are stored.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .build()
}
