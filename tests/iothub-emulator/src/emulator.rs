//! The emulator as a library: start, look inside, stop.

mod credentials;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use crate::clock::Clock;
use crate::counters::Counts;
use crate::faults::Fault;
use crate::hub::Hub;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::listener::{self, Tasks};
use crate::refused::{CallError, StartError};
use crate::registry::TwinDocument;
use crate::seed::{self, Existing, Seed};
use crate::settings::{HTTPS_PORT, Settings};
use crate::simulation::{self, SimulatedAcks, Simulation};
use crate::state::{self, Reader, Secrets, StateError, Store};
use crate::tls;
use crate::twins::{Change, checked_reported_patch};
use crate::{admin, mqtt, rest};

/// How soon devices notice what the clock made due; a request finds it done in any case.
const KEEP_UP_EVERY: Duration = Duration::from_millis(50);

/// Connections that may wait to be accepted: whole fleets connect at once.
const BACKLOG: u32 = 4096;

/// A running IoT Hub emulator. Dropping it stops it without waiting; [`Emulator::shutdown`] waits.
#[derive(Debug)]
pub struct Emulator {
    hub: Arc<Hub>,
    store: Option<Arc<Store>>,
    tasks: Tasks,
    name: String,
    host_name: String,
    https_port: u16,
    mqtt_port: u16,
    admin_port: Option<u16>,
    ca_pem: String,
    ca_file: Option<PathBuf>,
}

impl Emulator {
    /// Starts one; both ports accept when this returns.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let mut kept = settings.state.as_deref().map(Reader::open).transpose()?.flatten();
        let (secrets, last_generations) = match &mut kept {
            Some(reader) => reader.hub()?,
            None => (Secrets::new()?, [0, 0]),
        };
        let tls = tls::make(&secrets.ca, &settings.dns_names(), &settings.addresses())?;
        let ca_pem = secrets.ca.certificate.clone();
        let https = listen(settings.address, settings.https_port)?;
        let mqtt = listen(settings.address, settings.mqtt_port)?;
        let admin = settings.admin_port.map(|port| listen(Ipv4Addr::LOCALHOST.into(), port)).transpose()?;
        let ca_file = settings.ca_directory.as_ref().map(|directory| directory.join("ca.pem"));
        if let Some(path) = &ca_file {
            let written = tokio::fs::write(path, &ca_pem).await;
            written.map_err(|error| StartError::CaFile { path: path.clone(), error })?;
        }
        let (simulation, due_acks) = Simulation::new();
        let hub = Arc::new(Hub::new(&settings, &secrets, simulation));
        let store = match settings.state.clone() {
            Some(path) => {
                hub.registry.go_on_after(last_generations[0]);
                hub.modules.go_on_after(last_generations[1]);
                Some(Arc::new(Store::start(path, secrets, kept, hub.clone()).await?))
            }
            None => None,
        };
        let (https_port, mqtt_port) = (https.1, mqtt.1);
        let tasks = Tasks::default();
        if let Some(store) = &store {
            let keeping = state::keep(store.clone(), hub.clone());
            tasks.tracker.spawn(tasks.stop.clone().run_until_cancelled_owned(keeping));
        }
        listener::spawn(https.0, tls.server.clone(), hub.clone(), &tasks, rest::serve);
        listener::spawn(mqtt.0, tls.server, hub.clone(), &tasks, mqtt::serve_tls);
        tasks
            .tracker
            .spawn(tasks.stop.clone().run_until_cancelled_owned(simulation::run(hub.clone(), due_acks)));
        let admin_port = admin.map(|(listener, port)| {
            let hub = hub.clone();
            listener::spawn_plain(listener, &tasks, move |stream| admin::serve(hub.clone(), stream));
            port
        });
        tasks.tracker.spawn(tasks.stop.clone().run_until_cancelled_owned(keep_up(hub.clone())));
        let name = settings.primary_name();
        let host_name = if https_port == HTTPS_PORT { name.clone() } else { format!("{name}:{https_port}") };
        Ok(Self { hub, store, tasks, name, host_name, https_port, mqtt_port, admin_port, ca_pem, ca_file })
    }

    /// What goes into `HostName=`: `localhost:8443`, or the name alone on port 443.
    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// Port of the service API.
    pub fn https_port(&self) -> u16 {
        self.https_port
    }

    /// Port of device MQTT.
    pub fn mqtt_port(&self) -> u16 {
        self.mqtt_port
    }

    /// Port of the admin API, if it was asked for.
    pub fn admin_port(&self) -> Option<u16> {
        self.admin_port
    }

    /// The certificate that clients must trust, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file with that certificate, if one was asked for.
    pub fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    /// Creates a device, or a module of one by `{device}/{module}`, with these tags (an object, or null for none) and
    /// gives its connection string, a secret.
    pub fn create_device(&self, id: &str, tags: &Value) -> Result<String, CallError> {
        let change = Change::parse(json!({ "tags": tags }))?;
        self.hub.create(DeviceId::parse_any(id)?, IdentityUpdate::generated(), |device| {
            if change.tags.is_some() {
                self.hub.change_twin(device, &change, false)?;
            }
            Ok(())
        })?;
        self.device_connection_string(id)
    }

    /// As [`Emulator::seed`], but devices of these ids that are there already stay as they are.
    pub fn seed_missing(&self, seed: &Seed) -> Result<(), CallError> {
        Ok(seed::seed(&self.hub, seed, Existing::Stay)?)
    }

    /// Creates devices by the thousand, of the ids that [`Seed::ids`] gives. Those made before one that cannot be stay.
    pub fn seed(&self, seed: &Seed) -> Result<(), CallError> {
        Ok(seed::seed(&self.hub, seed, Existing::Refused)?)
    }

    /// From now on devices that are not connected answer new links, or none do any more.
    pub fn simulate_acks(&self, acks: Option<SimulatedAcks>) -> Result<(), CallError> {
        if acks.as_ref().is_some_and(|acks| !acks.is_possible()) {
            return Err(CallError::new("the shares are more than 100 together"));
        }
        self.hub.simulation.set(acks);
        Ok(())
    }

    /// Deletes a device with its modules, or a module by `{device}/{module}`, and ends their connections.
    pub fn delete_device(&self, id: &str) -> Result<(), CallError> {
        Ok(self.hub.remove(id, |_| Ok(()))?)
    }

    /// Number of devices.
    pub fn device_count(&self) -> usize {
        self.hub.registry.len()
    }

    /// The ids of all devices, in order.
    pub fn devices(&self) -> Vec<String> {
        let mut ids = Vec::new();
        self.hub.registry.scan(None, |device| {
            ids.push(device.identity.id.to_string());
            ControlFlow::Continue(())
        });
        ids
    }

    /// The twin of a device, or of a module by `{device}/{module}`, as `GET /twins/…` shows it.
    pub fn twin(&self, id: &str) -> Result<Value, CallError> {
        self.hub.catch_up();
        Ok(self.hub.identities(id)?.read(id, |device| json!(TwinDocument(device)))?)
    }

    /// Patches the twin of a device, or of a module by `{device}/{module}`, as `PATCH /twins/…` does, its notification
    /// included, without a request being counted.
    pub fn patch_twin(&self, id: &str, patch: &Value) -> Result<(), CallError> {
        let change = Change::parse(patch.clone())?;
        Ok(self.hub.write(id, |device| self.hub.change_twin(device, &change, false))?)
    }

    /// Patches the twins of all devices; gives their number.
    pub fn patch_all(&self, patch: &Value) -> Result<u64, CallError> {
        Ok(self.hub.patch_all(patch)?)
    }

    /// Merges reported properties as if the device, or the module by `{device}/{module}`, had sent them.
    pub fn report(&self, id: &str, patch: &Value) -> Result<(), CallError> {
        let patch = checked_reported_patch(patch.clone())?;
        let now = self.hub.clock.now();
        self.hub.write(id, |device| device.twin.report(&patch, now))?;
        Ok(())
    }

    /// How often the desired properties of each device were written since it was created, those by
    /// [`Emulator::patch_twin`] included, for devices written at all: every such write is one more `$version`.
    pub fn desired_writes(&self) -> BTreeMap<String, u64> {
        self.hub.desired_writes()
    }

    /// The counters as they are now.
    pub fn counts(&self) -> Counts {
        self.hub.counts()
    }

    /// Lets something go wrong from now on.
    pub fn add_fault(&self, fault: Fault) {
        self.hub.faults.add(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.hub.faults.clear();
    }

    /// The clock, to move it.
    pub fn clock(&self) -> &Clock {
        &self.hub.clock
    }

    /// Stops: no new connections, all open ones are closed; returns when every task has ended. A state file is written
    /// then; if it cannot be, the log says so.
    pub async fn shutdown(&self) {
        if let Err(error) = self.shutdown_and_save().await {
            tracing::error!("{error}");
        }
    }

    /// As [`Emulator::shutdown`], and says if the state file could not be written.
    pub async fn shutdown_and_save(&self) -> Result<(), StateError> {
        self.tasks.stop.cancel();
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
        let Some(store) = self.store.clone() else { return Ok(()) };
        store.close(self.hub.clone()).await
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.tasks.stop.cancel();
    }
}

/// Does what becomes due while nobody asks for anything.
async fn keep_up(hub: Arc<Hub>) {
    loop {
        tokio::time::sleep(KEEP_UP_EVERY).await;
        hub.catch_up();
    }
}

fn listen(address: IpAddr, port: u16) -> Result<(TcpListener, u16), StartError> {
    let address = SocketAddr::new(address, port);
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart on the same port must not wait for the connections of the last run to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    bind().map_err(|error| StartError::Listen { address, error })
}
