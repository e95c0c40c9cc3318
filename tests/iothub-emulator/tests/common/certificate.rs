//! Certificates that devices make for themselves.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest, Sha256};

use super::Hub;

/// A certificate of its own: how it connects with it, and its thumbprint.
pub fn certificate(hub: &Hub) -> (Arc<ClientConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().der().clone();
    let thumbprint =
        Sha256::digest(&certificate).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let config = super::trusting(&hub.emulator)
        .with_client_auth_cert(vec![certificate], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
    (Arc::new(config.unwrap()), thumbprint)
}
