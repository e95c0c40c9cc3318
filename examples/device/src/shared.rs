//! What the devices of one process share: trust, a pool of connections, and how many things they do at once.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// TLS handshakes at once: each takes a core for a millisecond.
const CONNECTS: usize = 32;
const DOWNLOADS: usize = 32;

/// What devices share; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
    connects: Semaphore,
    downloads: Semaphore,
}

/// Why nothing can be trusted, or no client be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The certificates that were given cannot be read.
    #[error("the authorities' certificates are not PEM: {0}")]
    Pem(rustls::pki_types::pem::Error),
    /// The machine has no authorities and none were given.
    #[error("there is no certificate of an authority to trust")]
    NoAuthority,
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be made.
    #[error("HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

impl Shared {
    /// Trusts the machine's authorities and those in `authorities`, in PEM.
    pub fn new(authorities: Option<&str>) -> Result<Self, SetupError> {
        let mut roots = RootCertStore::empty();
        // What the machine has and rustls cannot read is no use, but no harm either.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in CertificateDer::pem_slice_iter(authorities.unwrap_or_default().as_bytes()) {
            roots.add(certificate.map_err(SetupError::Pem)?)?;
        }
        if roots.is_empty() {
            return Err(SetupError::NoAuthority);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .user_agent(concat!("reference-device/", env!("CARGO_PKG_VERSION")))
            // Blob Storage never redirects, and another host is not who the twin named.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_mins(1))
            .build()?;
        let (connects, downloads) = (Semaphore::new(CONNECTS), Semaphore::new(DOWNLOADS));
        Ok(Self(Arc::new(Inner { http, tls: Arc::new(tls), connects, downloads })))
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        self.0.tls.clone()
    }

    /// Held while a device connects. The semaphore is never closed, so there is always a permit in the end.
    pub(crate) async fn connect_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.connects.acquire().await.ok()
    }

    /// Held while a device downloads.
    pub(crate) async fn download_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.downloads.acquire().await.ok()
    }
}
