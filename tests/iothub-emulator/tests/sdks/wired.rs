//! A hub at the end of a wire that can be cut, where the device SDKs dial it.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::hub::Hub;
use crate::wire::{End, Wire};

/// How a device speaks to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// MQTT on port 8883, the only one for Python.
    Mqtt,
    /// A WebSocket on port 443, the only one for either SDK.
    WebSocket,
    /// A WebSocket on another port, to which an SDK must be led by its own means.
    WebSocketElsewhere,
}

/// What a device shows to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Key,
    /// One that it made itself.
    Certificate,
}

/// A hub, and a wire to it from the port that an SDK dials.
pub struct Wired {
    pub hub: Hub,
    pub wire: Wire,
    pub transport: Transport,
}

impl Wired {
    pub async fn start(transport: Transport) -> Self {
        let near = match transport {
            Transport::Mqtt => mqtt_end().await,
            Transport::WebSocket => websocket_end().await,
            Transport::WebSocketElsewhere => end_elsewhere().await,
        };
        let address = near.listener.local_addr().unwrap().ip();
        let hub = Hub::on(address).await;
        let port =
            if transport == Transport::Mqtt { hub.emulator.mqtt_port() } else { hub.emulator.https_port() };
        let wire = Wire::lay(near, (address, port).into());
        Self { hub, wire, transport }
    }

    /// Creates a device, or a module by `{device}/{module}` with its device, with a tag and one desired property. Gives
    /// the connection string by way of a gateway: the wire's address, or address and port.
    pub async fn create(&self, id: &str, proof: Proof, gateway: &str) -> String {
        let emulator = &self.hub.emulator;
        if let Some((device, _)) = id.split_once('/') {
            emulator.create_device(device, &json!(null)).unwrap();
        }
        emulator.create_device(id, &json!({"site": "a"})).unwrap();
        self.patch(id, &json!({"first": 1}));
        let whole = emulator.device_connection_string(id).unwrap();
        let (usual, _) = whole.split_once(";GatewayHostName=").unwrap();
        if proof == Proof::Key {
            return format!("{usual};GatewayHostName={gateway}");
        }
        self.know_certificate(id).await;
        // Node takes no gateway with a certificate; any port in the host name is the hub's.
        let (name, _) = usual.split_once(";SharedAccessKey=").unwrap();
        let (_, ids) = name.split_once(';').unwrap();
        format!("HostName={gateway};{ids};x509=true")
    }

    /// Lets a device prove by a certificate who it is, and not by its key any more.
    async fn know_certificate(&self, id: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        std::fs::write(self.certificate_file(), certificate.pem()).unwrap();
        std::fs::write(self.key_file(), key.serialize_pem()).unwrap();
        let digest = Sha256::digest(certificate.der());
        let thumbprint = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"));
        let thumbprints = json!({ "primaryThumbprint": thumbprint });
        let body = json!({"authentication": {"type": "selfSigned", "x509Thumbprint": thumbprints}});
        let emulator = &self.hub.emulator;
        let path = id.replace('/', "/modules/");
        let url = format!("https://{}/devices/{path}?api-version=2021-04-12", emulator.host_name());
        let ca = reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
        let token = emulator.policy_token("iothubowner", Duration::from_mins(1)).unwrap();
        let put = client.put(url).header("authorization", token).header("if-match", "*").json(&body);
        put.send().await.unwrap().error_for_status().unwrap();
    }

    /// The device's certificate in PEM, if it has one.
    pub fn certificate_file(&self) -> PathBuf {
        self.hub.folder().join("device.pem")
    }

    /// The key of its certificate.
    pub fn key_file(&self) -> PathBuf {
        self.hub.folder().join("device.key")
    }

    /// Patches desired properties.
    pub fn patch(&self, id: &str, desired: &serde_json::Value) {
        self.hub.emulator.patch_twin(id, &json!({"properties": {"desired": desired}})).unwrap();
    }

    /// The first argument of the scripts.
    pub fn kind(&self) -> &'static str {
        if self.transport == Transport::Mqtt { "mqtt" } else { "ws" }
    }

    /// Where the SDK must be led to, if it dials another port; empty if not.
    pub fn detour(&self) -> String {
        let port = self.wire.address.port();
        if self.transport == Transport::Mqtt || port == 443 { String::new() } else { port.to_string() }
    }
}

/// On 8883 of an address of its own, or of 127.0.0.1, which is for one test at a time.
async fn mqtt_end() -> End {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let own = standins::own_loopback_address();
    match TcpListener::bind((own, 8883)).await {
        Ok(listener) => End::from(listener),
        Err(error) => {
            standins::say(&format!("Microsoft's SDKs: {own}:8883: {error}: taking 127.0.0.1:8883"));
            let alone = Some(ALONE.lock().await);
            End { listener: TcpListener::bind("127.0.0.1:8883").await.unwrap(), alone }
        }
    }
}

/// On 443 of an address of its own, or on another port.
async fn websocket_end() -> End {
    let own = standins::own_loopback_address();
    match TcpListener::bind((own, 443)).await {
        Ok(listener) => End::from(listener),
        Err(error) => {
            let means = "Node is handed an agent, Python a proxy";
            standins::say(&format!("Microsoft's SDKs: {own}:443: {error}: {means}"));
            end_elsewhere().await
        }
    }
}

async fn end_elsewhere() -> End {
    TcpListener::bind("127.0.0.1:0").await.unwrap().into()
}
