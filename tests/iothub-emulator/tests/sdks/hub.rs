//! An emulator where the SDKs look for one.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use iothub_emulator::{Clock, Emulator, Settings, StartError, Timestamp};
use tempfile::TempDir;

use crate::scripts::{Steps, node_sdks, python_sdks, script};

/// Every character that a device id may have ("Understand the identity registry in your IoT hub").
pub const ODD_ID: &str = "Az09-:.+%_#*?!(),=@;$'";
/// A key that a device brings.
pub const OWN_KEY: &str = "b3duIGtleSBvZiB0aGUgdGVzdCwgMzIgYnl0ZXMgISE=";

/// Midnight of 2020-01-01, in UTC.
const NEW_YEAR: u64 = 1_577_836_800;

/// A hub whose clock stands until a script moves it by the admin API. It stands in the past: what the SDKs sign by the
/// real clock is good however far it is moved.
pub fn still() -> Settings {
    let clock = Clock::manual(Timestamp::from_unix_seconds(NEW_YEAR));
    Settings { clock, admin_port: Some(0), ..Settings::default() }
}

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
        Self::on_usual_ports_with(Settings::default()).await
    }

    /// The same with settings, of which address and ports are not looked at.
    pub async fn on_usual_ports_with(settings: Settings) -> Self {
        let address = standins::own_loopback_address();
        let Settings { https_port, mqtt_port, .. } = Settings::on_usual_ports(address.into());
        let usual = Settings { address: address.into(), https_port, mqtt_port, ..settings.clone() };
        match Self::with(usual).await {
            Ok(hub) => {
                standins::say(&format!("Microsoft's SDKs: bound ports 443 and 8883 of {address}"));
                hub
            }
            Err(error) => {
                standins::say(&format!("Microsoft's SDKs: {error}: the Node service SDK is handed an agent"));
                Self::with(settings).await.unwrap()
            }
        }
    }

    /// Where the settings say.
    pub async fn with(settings: Settings) -> Result<Self, StartError> {
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

    /// Where a script moves the clock; empty where it cannot.
    fn admin_port(&self) -> String {
        self.emulator.admin_port().map(|port| port.to_string()).unwrap_or_default()
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
        let (ca, admin) = (self.ca_file(), self.admin_port());
        let environment = [
            ("NODE_EXTRA_CA_CERTS", &*ca),
            ("SERVICE_CONNECTION_STRING", &service),
            ("HTTPS_PORT", &port),
            ("ADMIN_PORT", &admin),
        ];
        Steps::of(sdks.run(&script(name), arguments, &environment).await.unwrap())
    }

    /// Runs a script of the Python service SDK to its end.
    pub async fn python_service(&self, name: &str, arguments: &[&str]) -> Steps {
        let sdks = python_sdks().await;
        let (ca, admin) = (self.ca_file(), self.admin_port());
        let service = self.emulator.service_connection_string();
        let environment =
            [("REQUESTS_CA_BUNDLE", &*ca), ("SERVICE_CONNECTION_STRING", &service), ("ADMIN_PORT", &admin)];
        Steps::of(sdks.run(&script(name), arguments, &environment).await.unwrap())
    }
}
