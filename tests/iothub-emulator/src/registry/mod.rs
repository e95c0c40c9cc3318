//! The devices of the hub, or the modules of all of them, in the order of their ids.

mod device;
mod document;
mod field;
mod index;
mod stored;

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::error::{ErrorCode, HubError};
use crate::identity::{DeviceId, IdentityUpdate};
pub(crate) use device::Device;
pub(crate) use document::{TwinDocument, device_etag, identity_document, twin_etag};
pub(crate) use field::Field;
use index::Index;
pub(crate) use stored::StoredDevice;

/// Devices that a scan looks at before others can be added and removed: a tenth of a millisecond.
const SCAN_CHUNK: usize = 512;
/// Devices that a scan has read before it looks at the first of them.
const READ_AHEAD: usize = 16;

/// Most modules of a device ("IoT Hub quotas and throttling").
const MODULES_MAX: usize = 50;

/// Devices by their ids, or modules by `{device}/{module}`: what the two are is the same.
///
/// A lock for which devices there are, and one for each device: a scan and those who write to twins do not wait for each
/// other. The first is held while the second is, so that nobody writes to a device that is gone.
#[derive(Default)]
pub(crate) struct Registry {
    devices: RwLock<Devices>,
    last_generation: AtomicU64,
    /// How often somebody could change something: what a state file is behind by.
    changes: AtomicU64,
    /// What queries see instead, where they lag behind.
    index: Option<Box<Index>>,
}

/// How many, and not what: twins hold links, which are secrets.
impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("devices", &self.len()).finish_non_exhaustive()
    }
}

/// Devices of their own: the nodes of a map filled in order are half empty.
type Devices = BTreeMap<DeviceId, Box<Mutex<Device>>>;

impl Registry {
    /// A registry whose queries see it as it was `lag` ago.
    pub fn new(lag: Duration, clock: &Clock) -> Self {
        let index = (!lag.is_zero()).then(|| Box::new(Index::new(lag, clock.clone())));
        Self { index, ..Self::default() }
    }

    /// Itself, or what queries see instead.
    pub fn as_queries_see_it(&self) -> &Self {
        self.index.as_ref().map_or(self, |index| index.now())
    }

    /// Tells the index what a device looks like from now on.
    fn note(&self, device: &Device) {
        if let Some(index) = &self.index {
            index.note(device.identity.id.clone(), Some(device.snapshot()));
        }
    }

    fn note_removal(&self, id: &DeviceId) {
        if let Some(index) = &self.index {
            index.note(id.clone(), None);
        }
    }

    fn shared(&self) -> RwLockReadGuard<'_, Devices> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Devices> {
        let devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        self.count_change();
        devices
    }

    /// A device, to change it.
    fn to_change<'a>(&self, device: &'a Mutex<Device>) -> MutexGuard<'a, Device> {
        let device = locked(device);
        self.count_change();
        device
    }

    /// Under the lock: who has seen the number and then looks at the device sees what was changed.
    fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    pub fn len(&self) -> usize {
        self.shared().len()
    }

    pub fn read<T>(&self, id: &str, look: impl FnOnce(&Device) -> T) -> Result<T, HubError> {
        let devices = self.shared();
        devices.get(id).map(|device| look(&locked(device))).ok_or_else(|| HubError::device_not_found(id))
    }

    pub fn write<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Device) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let devices = self.shared();
        let mut device = self.to_change(devices.get(id).ok_or_else(|| HubError::device_not_found(id))?);
        let result = change(&mut device)?;
        self.note(&device);
        Ok(result)
    }

    /// Adds a device or a module; 409 if there is one of this id.
    pub fn create<T>(
        &self,
        id: DeviceId,
        update: IdentityUpdate,
        now: Timestamp,
        first_change: impl FnOnce(&mut Device) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let mut devices = self.exclusive();
        if devices.contains_key(&id) {
            let (code, kind) = match id.module() {
                None => (ErrorCode::DeviceAlreadyExists, "device"),
                Some(_) => (ErrorCode::ModuleAlreadyExistsOnDevice, "module"),
            };
            return Err(HubError::new(code, format!("A {kind} with the same id already exists: {id}")));
        }
        if id.module().is_some() && on_device(&devices, id.device()).count() >= MODULES_MAX {
            let text = format!("A device can have {MODULES_MAX} modules at most");
            return Err(HubError::new(ErrorCode::TooManyModulesOnDevice, text));
        }
        // In its place before anything else is made for it: what goes again then leaves no holes in memory.
        let mut boxed = Box::new(Mutex::new(Device::new(id.clone(), self.next_generation(now), update, now)));
        let device = boxed.get_mut().unwrap_or_else(PoisonError::into_inner);
        let result = first_change(device)?;
        self.note(device);
        devices.insert(id, boxed);
        Ok(result)
    }

    /// Removes a device that `agreed` lets go. Its session ends with it.
    pub fn remove(
        &self,
        id: &str,
        agreed: impl FnOnce(&Device) -> Result<(), HubError>,
    ) -> Result<(), HubError> {
        let mut devices = self.exclusive();
        agreed(&locked(devices.get(id).ok_or_else(|| HubError::device_not_found(id))?))?;
        if let Some((id, _)) = devices.remove_entry(id) {
            self.note_removal(&id);
        }
        Ok(())
    }

    /// All modules of a device.
    pub fn modules_of<T>(&self, device: &str, look: impl Fn(&Device) -> T) -> Vec<T> {
        on_device(&self.shared(), device).map(|(_, module)| look(&locked(module))).collect()
    }

    /// Changes all modules of a device.
    pub fn change_modules_of(&self, device: &str, mut change: impl FnMut(&mut Device)) {
        for (_, module) in on_device(&self.shared(), device) {
            let mut module = self.to_change(module);
            change(&mut module);
            self.note(&module);
        }
    }

    /// Removes all modules of a device, and ends their sessions.
    pub fn remove_modules_of(&self, device: &str) {
        let mut modules = self.exclusive();
        for id in ids_on_device(&modules, device) {
            modules.remove(&id);
            self.note_removal(&id);
        }
    }

    /// Looks at the devices after `after` in the order of their ids until `look` breaks. Twins are written meanwhile, and
    /// devices come and go between chunks, so this is no snapshot, as the hub's index is none.
    pub fn scan(&self, after: Option<&str>, mut look: impl FnMut(&Device) -> ControlFlow<()>) {
        self.walk(after, |device| look(&locked(device)));
    }

    /// As [`Registry::scan`] over all devices, to change them.
    pub fn scan_mut(&self, mut change: impl FnMut(&mut Device) -> ControlFlow<()>) {
        self.walk(None, |device| {
            let mut device = self.to_change(device);
            let goes_on = change(&mut device);
            self.note(&device);
            goes_on
        });
    }

    fn walk(&self, after: Option<&str>, mut visit: impl FnMut(&Mutex<Device>) -> ControlFlow<()>) {
        let mut after = after.map(str::to_owned);
        loop {
            let devices = self.shared();
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut chunk = devices.range::<str, _>((from, Bound::Unbounded)).take(SCAN_CHUNK).peekable();
            let mut last = None;
            while chunk.peek().is_some() {
                let ahead: [_; READ_AHEAD] = std::array::from_fn(|_| chunk.next());
                // Each device is a wait for memory. The processor waits for many at once if it may read them before it comes
                // to the first lock.
                black_box(ahead.iter().flatten().filter(|(_, device)| device.is_poisoned()).count());
                for (id, device) in ahead.into_iter().flatten() {
                    if visit(device).is_break() {
                        return;
                    }
                    last = Some(id);
                }
            }
            match last {
                Some(id) => after = Some(id.as_str().to_owned()),
                None => return,
            }
        }
    }

    /// Creation time in 100 ns, or one more than the last if the clock did not move.
    fn next_generation(&self, now: Timestamp) -> u64 {
        let next = |last: u64| Some(now.ticks().max(last + 1));
        let last = self.last_generation.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        now.ticks().max(last.unwrap_or_default() + 1)
    }
}

/// A panic elsewhere leaves plain data behind.
fn locked(device: &Mutex<Device>) -> MutexGuard<'_, Device> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_device<'a>(
    modules: &'a Devices,
    device: &str,
) -> impl Iterator<Item = (&'a DeviceId, &'a Mutex<Device>)> {
    let start = format!("{device}/");
    let from = (Bound::Excluded(start.as_str()), Bound::Unbounded);
    let modules = modules.range::<str, _>(from).map(|(id, module)| (id, &**module));
    modules.take_while(move |(id, _)| id.as_str().starts_with(&start))
}

fn ids_on_device(modules: &Devices, device: &str) -> Vec<DeviceId> {
    on_device(modules, device).map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: usize) -> Registry {
        let registry = Registry::default();
        for n in 0..count {
            let id = DeviceId::parse(&format!("d{n:05}")).unwrap();
            registry
                .create(id, IdentityUpdate::generated(), Timestamp::from_unix_seconds(1), |_| Ok(()))
                .unwrap();
        }
        registry
    }

    #[test]
    fn a_scan_sees_each_device_once_and_goes_on_after_an_id() {
        let registry = filled(SCAN_CHUNK * 2 + 10);
        let mut seen = Vec::new();
        registry.scan(None, |device| {
            seen.push(device.identity.id.to_string());
            ControlFlow::Continue(())
        });
        assert_eq!(seen.len(), registry.len());
        assert!(seen.is_sorted());
        let mut first = None;
        registry.scan(Some("d00041"), |device| {
            first = Some(device.identity.id.to_string());
            ControlFlow::Break(())
        });
        assert_eq!(first.as_deref(), Some("d00042"));
    }

    #[test]
    fn generations_differ_even_if_the_clock_stands_still() {
        let registry = filled(2);
        let generation = |id| registry.read(id, |device| device.identity.generation).unwrap();
        let old = generation("d00000");
        assert_ne!(old, generation("d00001"));
        registry.remove("d00000", |_| Ok(())).unwrap();
        let id = DeviceId::parse("d00000").unwrap();
        registry
            .create(id, IdentityUpdate::generated(), Timestamp::from_unix_seconds(1), |_| Ok(()))
            .unwrap();
        assert!(generation("d00000") > old);
    }
}
