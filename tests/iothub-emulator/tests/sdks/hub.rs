//! An emulator where the SDKs look for one.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use iothub_emulator::{Emulator, Settings};
use tempfile::TempDir;

use crate::scripts::{Steps, node_sdks, python_sdks, script};

/// Every character that a device id may have ("Understand the identity registry in your IoT hub").
pub const ODD_ID: &str = "Az09-:.+%_#*?!(),=@;$'";
/// A key that a device brings.
pub const OWN_KEY: &str = "b3duIGtleSBvZiB0aGUgdGVzdCwgMzIgYnl0ZXMgISE=";

/// An emulator with the file of its certificate authority.
pub struct Hub {
    pub emulator: Emulator,
    folder: TempDir,
}

impl Hub {
    /// On free ports.
    pub async fn start() -> Self {
        Self::on(IpAddr::V4(Ipv4Addr::LOCALHOST)).await
    }

    /// On free ports of an address.
    pub async fn on(address: IpAddr) -> Self {
        Self::with(Settings { address, ..Settings::default() }).await.unwrap()
    }

    /// On 443 and 8883 of an address of its own, where they are ours to take.
    pub async fn on_usual_ports() -> Self {
        let address = standins::own_loopback_address();
        match Self::with(Settings::on_usual_ports(address.into())).await {
            Ok(hub) => {
                standins::say(&format!("Microsoft's SDKs: bound ports 443 and 8883 of {address}"));
                hub
            }
            Err(error) => {
                standins::say(&format!("Microsoft's SDKs: {error}: the Node service SDK is handed an agent"));
                Self::start().await
            }
        }
    }

    async fn with(settings: Settings) -> Result<Self, iothub_emulator::StartError> {
        let folder = tempfile::tempdir().unwrap();
        let ca_directory = Some(folder.path().to_owned());
        let emulator = Emulator::start(Settings { ca_directory, ..settings }).await?;
        Ok(Self { emulator, folder })
    }

    /// What clients must trust.
    pub fn ca_file(&self) -> String {
        self.emulator.ca_file().unwrap().to_str().unwrap().to_owned()
    }

    /// A place for the files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a script of the Node service SDK to its end.
    pub async fn node_service(&self, name: &str, arguments: &[&str]) -> Steps {
        let sdks = node_sdks().await;
        let service = self.emulator.service_connection_string();
        // A port in the host name is for the agent: the SDK would take it for a part of the name.
        let (service, port) = match self.emulator.host_name().split_once(':') {
            None => (service, String::new()),
            Some((host, port)) => (service.replace(self.emulator.host_name(), host), port.to_owned()),
        };
        let ca = self.ca_file();
        let environment =
            [("NODE_EXTRA_CA_CERTS", &*ca), ("SERVICE_CONNECTION_STRING", &service), ("HTTPS_PORT", &port)];
        Steps::of(sdks.run(&script(name), arguments, &environment).await.unwrap())
    }

    /// Runs a script of the Python service SDK to its end.
    pub async fn python_service(&self, name: &str, arguments: &[&str]) -> Steps {
        let sdks = python_sdks().await;
        let (ca, service) = (self.ca_file(), self.emulator.service_connection_string());
        let environment = [("REQUESTS_CA_BUNDLE", &*ca), ("SERVICE_CONNECTION_STRING", &service)];
        Steps::of(sdks.run(&script(name), arguments, &environment).await.unwrap())
    }
}
