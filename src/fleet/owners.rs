//! Whose asset a link leads to: a blob's path names its rollout. What is live is asked at every write, so nobody is overlooked that was
//! made a moment ago.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::target::Target;
use crate::storage::link::BlobUri;

/// A live rollout, as others see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// Its namespace and name, for people.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The desired property that it writes.
    pub property: String,
    /// The hub that has answered it; nothing while none has.
    pub hub: Option<String>,
    /// The devices that it picks; nothing while its target cannot be read, and then it keeps all that it has.
    pub target: Option<Target>,
}

/// Who owns a link that is not one's own.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    /// A live rollout of this operator.
    By(Arc<Owner>),
    /// A rollout at this path that this operator may not read: it is live for as long as its link is.
    Unreadable(String),
}

impl Owned {
    /// The owner's namespace and name, or its path.
    pub fn name(&self) -> &str {
        match self {
            Self::By(owner) => &owner.name,
            Self::Unreadable(path) => path,
        }
    }
}

/// All live rollouts that this operator sees.
#[derive(Debug, Default)]
pub struct Owners {
    /// The one namespace that it sees; all where there is none.
    namespace: Option<String>,
    /// By container and path.
    by_path: RwLock<HashMap<String, Arc<Owner>>>,
}

impl Owners {
    /// Nobody yet; this operator sees `namespace` alone, or all.
    pub fn new(namespace: Option<String>) -> Self {
        Self { namespace, by_path: RwLock::default() }
    }

    /// `owner`, whose blobs are in `container` at `<path>/<digest>`, is live and as it is now.
    pub fn put(&self, container: &str, path: &str, owner: Owner) {
        let key = format!("{container}/{path}");
        let mut all = self.by_path.write().unwrap_or_else(PoisonError::into_inner);
        if all.get(&key).is_none_or(|known| **known != owner) {
            all.insert(key, Arc::new(owner));
        }
    }

    /// The rollout `uid` is live no more.
    pub fn remove(&self, uid: &str) {
        self.by_path.write().unwrap_or_else(PoisonError::into_inner).retain(|_, owner| owner.uid != uid);
    }

    /// The uids of all of them.
    pub fn known(&self) -> Vec<String> {
        self.by_path
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|owner| owner.uid.clone())
            .collect()
    }

    /// Whose link a blob is, for the rollout `uid` that writes `property` of the twins of `hub`; nobody's where it may be replaced. The
    /// blob's host does not count, nor what an emulator puts before the container.
    pub fn of(&self, blob: &BlobUri, uid: &str, property: &str, hub: &str) -> Option<Owned> {
        let (mut path, digest) = blob.as_str().rsplit_once('/')?;
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let whole = path;
        let all = self.by_path.read().unwrap_or_else(PoisonError::into_inner);
        // Every ending of the path that begins after a slash may be a container with a rollout's path.
        while let Some((_, rest)) = path.split_once('/') {
            if let Some(owner) = all.get(rest) {
                let elsewhere = owner.property != property
                    || owner.hub.as_ref().is_some_and(|other| !other.eq_ignore_ascii_case(hub));
                return (owner.uid != uid && !elsewhere).then(|| Owned::By(Arc::clone(owner)));
            }
            path = rest;
        }
        let mut parts = whole.rsplit('/');
        let (name, namespace) = (parts.next()?, parts.next()?);
        // Who sees all namespaces knows that nobody lives there.
        let unreadable = self.namespace.as_ref().is_some_and(|mine| mine != namespace);
        unreadable.then(|| Owned::Unreadable(format!("{namespace}/{name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str, property: &str, hub: Option<&str>) -> Owner {
        Owner {
            name: format!("ns/{name}"),
            uid: name.into(),
            property: property.into(),
            hub: hub.map(str::to_owned),
            target: None,
        }
    }

    #[test]
    fn a_path_names_its_rollout() {
        let owners = Owners::new(None);
        owners.put("rollouts", "plant/ns/recipes", owner("recipes", "p", Some("hub")));
        owners.put("other", "ns/x", owner("x", "p", None));
        owners.put("other", "ns/q", owner("q", "q", None));
        owners.put("other", "ns/far", owner("far", "p", Some("hub2")));
        let digest = "0123456789abcdef".repeat(4);
        for (uri, want) in [
            (
                format!("https://a.blob.core.windows.net/rollouts/plant/ns/recipes/{digest}"),
                Some("ns/recipes"),
            ),
            (
                format!("http://127.0.0.1:10000/account/rollouts/plant/ns/recipes/{digest}"),
                Some("ns/recipes"),
            ),
            (format!("https://a/other/ns/x/{digest}"), Some("ns/x")),
            (format!("https://a/other/ns/q/{digest}"), None),
            (format!("https://a/other/ns/far/{digest}"), None),
            (format!("https://a/rollouts/ns/recipes/{digest}"), None),
            (format!("https://a/rollouts/plant/ns/recipes2/{digest}"), None),
            (format!("https://a/xrollouts/plant/ns/recipes/{digest}"), None),
            (format!("https://a/rollouts/plant/ns/recipes/deeper/{digest}"), None),
            ("https://a/rollouts/plant/ns/recipes/latest".to_owned(), None),
        ] {
            let owned = owners.of(&BlobUri::of(&uri).unwrap(), "me", "p", "HUB");
            assert_eq!(owned.as_ref().map(Owned::name), want, "{uri}");
            assert_eq!(
                owners.of(&BlobUri::of(&uri).unwrap(), "recipes", "p", "hub").is_some(),
                want == Some("ns/x")
            );
        }
        owners.remove("x");
        let uri = BlobUri::of(&format!("https://a/other/ns/x/{digest}")).unwrap();
        assert_eq!(owners.of(&uri, "me", "p", "hub"), None);
    }

    #[test]
    fn who_sees_one_namespace_leaves_the_others_links_alone() {
        let owners = Owners::new(Some("mine".into()));
        let digest = "0123456789abcdef".repeat(4);
        for (uri, want) in [
            (format!("https://a/rollouts/theirs/recipes/{digest}"), Some("theirs/recipes")),
            (format!("https://a/rollouts/mine/gone/{digest}"), None),
            ("https://a/rollouts/theirs/latest".to_owned(), None),
        ] {
            let owned = owners.of(&BlobUri::of(&uri).unwrap(), "me", "p", "hub");
            assert_eq!(owned.as_ref().map(Owned::name), want, "{uri}");
        }
    }
}
