//! One governor per hub, however many rollouts use it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{client::HubClient, connection::HubConnection, governor::Governor, sku::Rates};

/// Makes clients that share what a hub counts together: the rates, per host and policy.
pub struct HubPool {
    http: reqwest::Client,
    hubs: Mutex<HashMap<HubKey, Hub>>,
}

/// Host and policy.
type HubKey = (String, String);

struct Hub {
    governor: Arc<Governor>,
    /// The rates that each rollout asks for, by its uid.
    asked: HashMap<String, Rates>,
}

impl HubPool {
    /// All clients of this pool send by way of `http`.
    pub fn new(http: reqwest::Client) -> Self {
        Self { http, hubs: Mutex::default() }
    }

    /// A client for the rollout `uid`. Of all rates that rollouts ask for on one hub the slowest hold for all of them: whoever said
    /// the least knows of other users, or the others are wrong about the tier.
    pub fn client(&self, uid: &str, connection: &HubConnection, rates: Rates) -> HubClient {
        HubClient::new(self.http.clone(), connection, self.governor(uid, connection, rates))
    }

    /// The rollout `uid` is gone; what it asked for holds no longer.
    pub fn forget(&self, uid: &str) {
        leave(&mut self.lock(), uid, None);
    }

    fn governor(&self, uid: &str, connection: &HubConnection, rates: Rates) -> Arc<Governor> {
        let key = (connection.host_name().to_ascii_lowercase(), connection.policy().to_owned());
        let mut hubs = self.lock();
        leave(&mut hubs, uid, Some(&key));
        let hub = hubs.entry(key).or_insert_with(|| Hub {
            governor: Arc::new(Governor::new(rates.clone())),
            asked: HashMap::new(),
        });
        hub.asked.insert(uid.to_owned(), rates);
        hub.settle();
        Arc::clone(&hub.governor)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HubKey, Hub>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    fn settle(&self) {
        let slowest = self.asked.values().cloned().reduce(|one, other| one.slower(&other));
        if let Some(slowest) = slowest.filter(|slowest| *slowest != self.governor.rates()) {
            self.governor.set_rates(slowest);
        }
    }
}

/// Takes the rollout off every hub but `stays`; a hub that nobody uses goes.
fn leave(hubs: &mut HashMap<HubKey, Hub>, uid: &str, stays: Option<&HubKey>) {
    hubs.retain(|key, hub| {
        if Some(key) != stays && hub.asked.remove(uid).is_some() {
            hub.settle();
        }
        Some(key) == stays || !hub.asked.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(host: &str, policy: &str) -> HubConnection {
        let text = format!("HostName={host};SharedAccessKeyName={policy};SharedAccessKey=QUFBQUFBQUE=");
        HubConnection::parse(&text).unwrap()
    }

    fn rates(all: f64) -> Rates {
        Rates { twin_writes: all, twin_reads: all, queries: all }
    }

    #[test]
    fn a_hub_has_one_governor_at_the_slowest_rates() {
        let pool = HubPool::new(reqwest::Client::new());
        let hub = connection("hub", "service");
        let first = pool.governor("a", &connection("Hub", "service"), rates(10.0));
        let second = pool.governor("b", &hub, rates(5.0));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(pool.governor("c", &hub, rates(7.0)).rates(), rates(5.0));
        for (host, policy) in [("hub", "other"), ("hub2", "service")] {
            assert!(!Arc::ptr_eq(&first, &pool.governor("d", &connection(host, policy), rates(1.0))));
        }
        // Between two passes no client lives, and the budget that was spent stays spent.
        drop((first, second));
        assert_eq!(pool.governor("b", &hub, rates(8.0)).rates(), rates(7.0), "who asks for more gets it");
        pool.forget("c");
        assert_eq!(pool.governor("a", &hub, rates(10.0)).rates(), rates(8.0));
        pool.forget("a");
        pool.forget("b");
        pool.forget("d");
        assert!(pool.lock().is_empty());
    }
}
