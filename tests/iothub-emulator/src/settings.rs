//! How an emulator is to be started.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::physics::Limits;

/// Where service clients call when nothing else is said.
pub(crate) const HTTPS_PORT: u16 = 443;
/// Where devices dial when nothing else is said.
pub(crate) const MQTT_PORT: u16 = 8883;

/// Settings of an emulator; the default serves 127.0.0.1 as `localhost` on free ports.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to listen on.
    pub address: IpAddr,
    /// Port of the service API; 0 takes a free one. Node's service SDK dials 443 only.
    pub https_port: u16,
    /// Port of device MQTT; 0 takes a free one. Python's device SDK dials 8883 only.
    pub mqtt_port: u16,
    /// Port of the admin API, on 127.0.0.1 whatever the address is; 0 takes a free one, none serves no such API.
    pub admin_port: Option<u16>,
    /// A name for the hub beside its address and `localhost`, `myhub.azure-devices.net` for one. It goes into
    /// the certificate and the connection strings; clients must be able to resolve it, or be given a gateway
    /// host name.
    pub host_name: Option<String>,
    /// Where to write `ca.pem`, the certificate that clients must trust; a directory that exists. None writes
    /// no file.
    pub ca_directory: Option<PathBuf>,
    /// A file that the hub is kept in across runs: read at the start if it is there, written while the hub changes and at
    /// [`crate::Emulator::shutdown`]. It has the hub's secrets. None keeps nothing. What is not kept: the clock, counters,
    /// faults, simulated answers, what is used up of limits.
    pub state: Option<PathBuf>,
    /// Where all of the hub's time comes from.
    pub clock: Clock,
    /// What the hub takes before it delays and refuses. By default nothing is limited but jobs and configurations.
    pub limits: Limits,
    /// How queries are answered.
    pub queries: QuerySettings,
    /// How twins are written.
    pub twins: TwinSettings,
    /// How jobs are run.
    pub jobs: JobSettings,
    /// How configurations are evaluated.
    pub configurations: ConfigurationSettings,
}

/// Numbers of the query engine, and what the documents leave open about it.
#[derive(Clone, Debug)]
pub struct QuerySettings {
    /// Most rows of a page, whatever a client asks for.
    pub page_rows: usize,
    /// How old the twins are that queries see; reads of single ones are always current. A hub's lag is seconds as a
    /// rule. With one, the memory for twins doubles.
    pub index_lag: Duration,
    /// Whether NOT of an undefined value is true. By default it is undefined, so that there is no row.
    pub not_undefined_is_true: bool,
    /// Whether `devices.modules` can be counted and so on; GROUP BY is for `devices` alone in any case.
    pub module_aggregates: bool,
}

/// What the documents leave open about jobs; their numbers are among the [`Limits`].
#[derive(Clone, Debug, Default)]
pub struct JobSettings {
    /// Whether names and values in the twin of a job may have any character. By default they are held to the
    /// documented ones, which make no link: printable ASCII without `$ ( ) < > @ , ; : \ " / [ ] ? = { }` and space.
    pub any_characters: bool,
}

/// How configurations are evaluated; how many there can be is among the [`Limits`].
#[derive(Clone, Debug)]
pub struct ConfigurationSettings {
    /// Time between two evaluations; a change is followed by one at once.
    pub interval: Duration,
}

/// What the documents leave open about writing twins.
#[derive(Clone, Debug, Default)]
pub struct TwinSettings {
    /// Whether a desired patch is taken that names another `$version` than the current one. By default it is refused with
    /// 412: the version "can be used to enforce consistency" ("Understand and use device twins in IoT Hub").
    pub ignore_stale_version: bool,
}

impl Default for ConfigurationSettings {
    fn default() -> Self {
        Self { interval: Duration::from_mins(5) }
    }
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            page_rows: 100,
            index_lag: Duration::ZERO,
            not_undefined_is_true: false,
            module_aggregates: false,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            https_port: 0,
            mqtt_port: 0,
            admin_port: None,
            host_name: None,
            ca_directory: None,
            state: None,
            clock: Clock::system(),
            limits: Limits::unlimited(),
            queries: QuerySettings::default(),
            twins: TwinSettings::default(),
            jobs: JobSettings::default(),
            configurations: ConfigurationSettings::default(),
        }
    }
}

impl Settings {
    /// The ports that some SDKs insist on, 443 and 8883, on `address`. Ports below 1024 are not everybody's to
    /// take, so the start may fail.
    pub fn on_usual_ports(address: IpAddr) -> Self {
        Self { address, https_port: HTTPS_PORT, mqtt_port: MQTT_PORT, ..Self::default() }
    }

    /// The name of the hub in connection strings, without a port.
    pub(crate) fn primary_name(&self) -> String {
        match &self.host_name {
            Some(name) => name.clone(),
            None if self.address == Ipv4Addr::LOCALHOST || self.address.is_unspecified() => {
                "localhost".to_owned()
            }
            None if self.address.is_ipv6() => format!("[{}]", self.address),
            None => self.address.to_string(),
        }
    }

    /// DNS names under which the hub is known, the primary one first if it is one.
    pub(crate) fn dns_names(&self) -> Vec<String> {
        self.host_name.iter().cloned().chain(["localhost".to_owned()]).collect()
    }

    /// Addresses under which the hub is known.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
        let own =
            Some(self.address).filter(|address| !address.is_unspecified() && !loopback.contains(address));
        loopback.into_iter().chain(own).collect()
    }
}
