//! What is no TLS, and certificates that are none.

use std::sync::Arc;

use rcgen::KeyPair;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::common::Hub;
use crate::mqtt::connect;
use crate::raw::ends_well;

#[tokio::test]
async fn handshakes_that_are_none_end() {
    let hub = Hub::start().await;
    let table: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        &[0; 512],
        &[0xff; 512],
        // A record of a length that none has, one that is no ClientHello, an alert, and half of one, then the end.
        &[0x16, 0x03, 0x01, 0xff, 0xff, 0x01],
        &[0x16, 0x03, 0x01, 0x00, 0x05, 0x02, 0x00, 0x00, 0x01, 0x00],
        &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28],
        &[0x16, 0x03, 0x01, 0x01, 0x00, 0x01],
    ];
    for port in [hub.emulator.https_port(), hub.emulator.mqtt_port()] {
        for bytes in table {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let _ = stream.shutdown().await;
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said).await;
            // Nothing, or an alert.
            assert!(said.is_empty() || said.starts_with(&[0x15, 0x03]), "{bytes:?}: {said:?}");
        }
    }
    ends_well(hub).await;
}

/// Shows a certificate of these bytes, with a key of its own.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn certificates_that_are_none_end_the_connection() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &serde_json::Value::Null).unwrap();
    let ca = CertificateDer::from_pem_slice(hub.emulator.ca_pem().as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(KeyPair::generate().unwrap().serialize_der()));
    let key = provider.key_provider.load_private_key(key).unwrap();
    let mut cut = ca.to_vec();
    cut.truncate(cut.len() / 2);
    // Bytes that are none, half of one, one of another's key, and far too many.
    let certificates = [vec![0xff; 100], vec![0x30], cut, ca.to_vec(), vec![0x30; 60_000]];
    for bytes in certificates {
        let size = bytes.len();
        let shows = Shows(Arc::new(CertifiedKey::new(vec![CertificateDer::from(bytes)], key.clone())));
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let mut roots = RootCertStore::empty();
            roots.add(ca.clone()).unwrap();
            let config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots)
                .with_client_cert_resolver(Arc::new(Shows(shows.0.clone())));
            let stream = TcpStream::connect(("127.0.0.1", hub.emulator.mqtt_port())).await.unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            // With TLS 1.3 a client learns of it when it reads.
            let said = match connector.connect("localhost".try_into().unwrap(), stream).await {
                Err(_) => 0,
                Ok(mut stream) => {
                    let _ = stream.write_all(&connect(&hub, "d1")).await;
                    let mut said = Vec::new();
                    let _ = stream.read_to_end(&mut said).await;
                    said.len()
                }
            };
            assert_eq!(said, 0, "{size} {version:?}");
        }
    }
    assert_eq!(hub.emulator.counts().connects, 0);
    ends_well(hub).await;
}
