//! The emulator's own certificate authority, made at its first start, and the certificate that it serves, made at every one.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};

use crate::client_certificate::AnyCertificate;

/// Why there is no certificate; the names come from the settings, so the user can mend it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key or certificate could not be made, most likely for a host name that none can be for.
    #[error("no certificate for these host names: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the certificate.
    #[error("the TLS library refuses the certificate: {0}")]
    Server(#[from] rustls::Error),
}

/// A certificate authority: what clients must trust, and the key that signs. PEM, both.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ca {
    pub certificate: String,
    key: String,
}

/// The server side of TLS.
pub(crate) struct Tls {
    /// Devices may show a certificate.
    pub server: Arc<ServerConfig>,
}

/// What a CA is, but for its key: its name above all, by which clients find the certificate that they trust.
fn ca_parameters() -> Result<CertificateParams, TlsError> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "IoT Hub emulator CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(ca)
}

impl Ca {
    /// With a P-256 key.
    pub fn new() -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = ca_parameters()?.self_signed(&key)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Makes a certificate for `names`, with a P-256 key: 5,000 devices that connect at once need 5,000 signatures.
pub(crate) fn make(ca: &Ca, names: &[String], addresses: &[IpAddr]) -> Result<Tls, TlsError> {
    let issuer = Issuer::new(ca_parameters()?, KeyPair::from_pem(&ca.key)?);

    let alternatives = names.iter().cloned().chain(addresses.iter().map(ToString::to_string));
    let mut leaf = CertificateParams::new(alternatives.collect::<Vec<_>>())?;
    leaf.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.use_authority_key_identifier_extension = true;
    let leaf_key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // The classic host name of a hub ends at TLS 1.2, and Python's device SDK asks for just that.
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into(),
        )?;
    Ok(Tls { server: Arc::new(server) })
}
