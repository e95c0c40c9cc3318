//! Who uses a hub, and the one limiter that all of them share. Of all rates that rollouts ask for, the slowest accepted ones hold.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{connection::HubConnection, limiter::Limiter, sku::Rates};

/// All hubs that are used.
#[derive(Clone, Default)]
pub(super) struct Members(Arc<Hubs>);

/// By [`hub_key`].
type Hubs = Mutex<HashMap<String, Hub>>;

struct Hub {
    limiter: Arc<Limiter>,
    /// The rollouts that use it, by uid.
    members: HashMap<String, Member>,
}

struct Member {
    /// Tells the policy and its key from others.
    credential: String,
    /// What it asks for.
    rates: Rates,
    /// Whether the hub has accepted this credential. Until then anybody could have written this host beside these rates.
    accepted: bool,
}

/// A rollout's place among those that use a hub, with one credential.
pub(super) struct Membership {
    hubs: Arc<Hubs>,
    key: String,
    uid: String,
    credential: String,
    told: AtomicBool,
}

impl Members {
    /// The rollout `uid` uses no hub any more; what it asked for holds no longer.
    pub fn leave(&self, uid: &str) {
        leave(&mut locked(&self.0), uid, None);
    }

    /// The rollout `uid` uses the hub of `connection`, and no other.
    pub fn join(&self, uid: &str, connection: &HubConnection, rates: Rates) -> (Arc<Limiter>, Membership) {
        let key = hub_key(connection.host_name());
        let credential = format!("{}/{}", connection.fingerprint(), connection.policy());
        let mut hubs = locked(&self.0);
        leave(&mut hubs, uid, Some(&key));
        let hub = hubs.entry(key.clone()).or_insert_with(|| Hub {
            limiter: Arc::new(Limiter::new(rates.clone())),
            members: HashMap::new(),
        });
        let accepted =
            hub.members.get(uid).is_some_and(|member| member.accepted && member.credential == credential);
        let member = Member { credential: credential.clone(), rates: rates.clone(), accepted };
        hub.members.insert(uid.to_owned(), member);
        hub.settle(Some(rates));
        let limiter = Arc::clone(&hub.limiter);
        let membership = Membership {
            hubs: Arc::clone(&self.0),
            key,
            uid: uid.to_owned(),
            credential,
            told: AtomicBool::new(accepted),
        };
        (limiter, membership)
    }
}

impl Membership {
    /// The hub has accepted the credential: from now on the rollout's rates count.
    pub fn accepted(&self) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut hubs = locked(&self.hubs);
        let Some(hub) = hubs.get_mut(&self.key) else { return };
        // An answer that comes late may be for a credential that the rollout has left since.
        let member = hub.members.get_mut(&self.uid).filter(|member| member.credential == self.credential);
        if let Some(member) = member {
            member.accepted = true;
            hub.settle(None);
        }
    }
}

impl Hub {
    /// Holds the slowest rates that count, or `otherwise` where none do.
    fn settle(&self, otherwise: Option<Rates>) {
        let counting = self.members.values().filter(|member| member.accepted);
        let slowest = counting.map(|member| member.rates.clone()).reduce(|one, other| one.slower(&other));
        if let Some(rates) = slowest.or(otherwise).filter(|rates| *rates != self.limiter.rates()) {
            self.limiter.set_rates(rates);
        }
    }
}

/// One name for every way to write a hub's host. Beside its name each hub answers to `<hub>.service.<domain>`, which the service
/// SDKs use as well.
fn hub_key(host: &str) -> String {
    host.to_ascii_lowercase().replacen(".service.azure-devices.", ".azure-devices.", 1)
}

/// Takes the rollout off every hub but `stays`; a hub that nobody uses goes.
fn leave(hubs: &mut HashMap<String, Hub>, uid: &str, stays: Option<&str>) {
    hubs.retain(|key, hub| {
        let stays = Some(key.as_str()) == stays;
        if !stays && hub.members.remove(uid).is_some() {
            hub.settle(None);
        }
        stays || !hub.members.is_empty()
    });
}

fn locked(hubs: &Hubs) -> MutexGuard<'_, HashMap<String, Hub>> {
    hubs.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "QUFBQUFBQUE=";
    const WRONG: &str = "QkJCQkJCQkI=";

    fn connection(host: &str, policy: &str, key: &str) -> HubConnection {
        let text = format!("HostName={host};SharedAccessKeyName={policy};SharedAccessKey={key}");
        HubConnection::parse(&text).unwrap()
    }

    fn rates(all: f64) -> Rates {
        Rates { twin_writes: all, twin_reads: all, queries: all }
    }

    #[test]
    fn a_hub_has_one_limiter_however_it_is_written_and_whoever_asks() {
        let members = Members::default();
        let join = |uid, host, policy| members.join(uid, &connection(host, policy, KEY), rates(1.0)).0;
        let first = join("a", "hub.azure-devices.net", "service");
        for (uid, host, policy, same) in [
            ("b", "Hub.Azure-Devices.NET", "service", true),
            ("c", "hub.service.azure-devices.net", "service", true),
            ("d", "hub.azure-devices.net", "iothubowner", true),
            ("e", "hub2.azure-devices.net", "service", false),
            ("f", "hub.azure-devices.cn", "service", false),
            ("g", "hub.azure-devices.net:8443", "service", false),
        ] {
            assert_eq!(Arc::ptr_eq(&first, &join(uid, host, policy)), same, "{host} {policy}");
        }
        for uid in ["a", "b", "c", "d", "e", "f", "g"] {
            members.leave(uid);
        }
        assert!(locked(&members.0).is_empty());
    }

    #[test]
    fn the_slowest_of_the_accepted_hold() {
        let members = Members::default();
        let hub = connection("hub", "service", KEY);
        let join = |uid, all| {
            let (limiter, membership) = members.join(uid, &hub, rates(all));
            membership.accepted();
            limiter.rates()
        };
        assert_eq!(join("a", 10.0), rates(10.0));
        assert_eq!(join("b", 5.0), rates(5.0));
        assert_eq!(join("c", 7.0), rates(5.0));
        // Between two tasks no client lives, and the budget that was spent stays spent.
        assert_eq!(join("b", 8.0), rates(7.0), "who asks for more gets it");
        members.leave("c");
        assert_eq!(join("a", 10.0), rates(8.0));
        assert_eq!(members.join("a", &connection("hub2", "service", KEY), rates(1.0)).0.rates(), rates(1.0));
        assert_eq!(join("b", 9.0), rates(9.0), "who left for another hub is not counted here");
    }

    #[test]
    fn a_wrong_key_slows_nobody_down() {
        let members = Members::default();
        let (right, wrong) = (connection("hub", "service", KEY), connection("hub", "service", WRONG));
        // Alone it holds its own rates, and only until somebody is accepted.
        let (limiter, stranger) = members.join("stranger", &wrong, rates(0.01));
        assert_eq!(limiter.rates(), rates(0.01));
        let (_, first) = members.join("a", &right, rates(10.0));
        assert_eq!(limiter.rates(), rates(10.0), "nobody's hold yet, and so its own do");
        first.accepted();
        members.join("stranger", &wrong, rates(0.01));
        assert_eq!(limiter.rates(), rates(10.0));
        // Accepted with one key is not accepted with another, also where the answer comes late.
        let (_, second) = members.join("b", &right, rates(5.0));
        let (_, _) = members.join("b", &wrong, rates(5.0));
        second.accepted();
        assert_eq!(limiter.rates(), rates(10.0));
        members.join("b", &right, rates(5.0)).1.accepted();
        assert_eq!(limiter.rates(), rates(5.0));
        members.join("b", &wrong, rates(0.01));
        assert_eq!(limiter.rates(), rates(10.0));
        // Its key turned out to be right after all.
        stranger.accepted();
        assert_eq!(limiter.rates(), rates(0.01));
    }
}
