//! An emulator with a client for its service API.

// Each suite uses its part of this; a helper that fails is the test's failure.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod certificate;
pub mod device;

use std::sync::Arc;
use std::time::Duration;

use iothub_emulator::{Emulator, Settings};
use reqwest::header::HeaderMap;
use rustls::client::WantsClientCert;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder};
use serde_json::Value;

pub const HOUR: Duration = Duration::from_hours(1);

pub struct Hub {
    pub emulator: Emulator,
    pub client: reqwest::Client,
    pub token: String,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// How a device trusts the emulator.
pub fn device_tls(emulator: &Emulator) -> Arc<ClientConfig> {
    Arc::new(trusting(emulator).with_no_client_auth())
}

fn trusting(emulator: &Emulator) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let ca = CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    config.unwrap().with_root_certificates(roots)
}

impl Hub {
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let emulator = Emulator::start(settings).await.unwrap();
        let ca = reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
        let token = emulator.policy_token("iothubowner", HOUR).unwrap();
        Self { emulator, client, token }
    }

    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        self.try_call(method, path, headers, body).await.unwrap()
    }

    pub async fn try_call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Reply, reqwest::Error> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let host = self.emulator.host_name();
        let url = format!("https://{host}{path}{separator}api-version=2021-04-12");
        let mut request = self.client.request(method.parse().unwrap(), url);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", &self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Ok(Reply { status, headers, body })
    }
}

/// Waits until a condition is true; a test that waits for one that never is fails.
pub async fn wait_for(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the condition never came true");
}
