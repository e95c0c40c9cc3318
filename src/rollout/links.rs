//! The links of a rollout: what they depend on, which of them are good, and how new ones are minted. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::storage::{
    StorageAccount,
    grid::{Grid, GridSeed, Window},
    link::{BlobUri, Link},
    sas::LinkSigner,
};

/// What links depend on. While this stays the same, links that are minted anywhere are the same, byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkPolicy {
    /// The rollout's uid.
    pub uid: String,
    /// The account whose key signs.
    pub account: StorageAccount,
    /// The blob container.
    pub container: String,
    /// How long a link lives.
    pub lifetime: Duration,
    /// The value of the annotation that asks for a renewal.
    pub renew_request: Option<String>,
    /// How far clocks may differ.
    pub skew: Duration,
}

/// Links under a policy, renewed so long before they expire.
#[derive(Clone, Debug)]
pub struct Links {
    grid: Grid,
    signer: LinkSigner,
}

impl LinkPolicy {
    /// The links, which are renewed `lead` before they expire.
    pub fn links(&self, lead: Duration) -> Links {
        let fingerprint = self.account.key().fingerprint();
        let seed = GridSeed {
            uid: &self.uid,
            lifetime: self.lifetime,
            renew_requested_at: self.renew_request.as_deref(),
            key_fingerprint: &fingerprint,
        };
        Links { grid: Grid::new(&seed, lead, self.skew), signer: self.signer() }
    }

    /// Signs with the account's key.
    pub fn signer(&self) -> LinkSigner {
        LinkSigner::new(self.account.key().clone(), &self.container_uri(), &self.container)
    }

    /// The container's address, without a slash at its end.
    pub fn container_uri(&self) -> String {
        self.account.container_url(&self.container).to_string()
    }
}

impl Links {
    /// The link to the blob `name` that a twin gets now.
    pub fn mint(&self, name: &str, now: Timestamp) -> Option<Link> {
        self.signer.sign(name, self.window(now))
    }

    /// The validity of links minted now.
    pub fn window(&self, now: Timestamp) -> Window {
        self.grid.window(now)
    }

    /// Whether a device may keep `link`: it lies on the grid, the key in force gives it, and more than the lead is left.
    pub fn is_good(&self, link: &Link, now: Timestamp) -> bool {
        let on_grid = |window: &Window| link.expiry() == window.expiry && link.start() == Some(window.start);
        self.grid.good_windows(now).iter().any(on_grid) && self.signer.is_ours(link)
    }

    /// Whether the key in force gives `link`, whenever it was minted.
    pub fn is_genuine(&self, link: &Link) -> bool {
        self.signer.is_ours(link)
    }

    /// What links to `blob` that are good now begin with. No signature is in it, so a query may name it.
    pub fn good_prefixes(&self, blob: &BlobUri, now: Timestamp) -> Vec<String> {
        self.grid.good_windows(now).into_iter().map(|window| blob.within(window)).collect()
    }

    /// The next instant at which links that are good now stop being good: then a renewal is due.
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        self.grid.next_change(now)
    }

    /// How long before its expiry a link is renewed.
    pub fn lead(&self) -> Duration {
        self.grid.lead()
    }
}
