//! Whose asset a link leads to: a blob's path names its rollout. Pure.

use std::collections::BTreeSet;

use crate::storage::link::BlobUri;

/// The live rollouts whose links are left alone, by container and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(BTreeSet<String>);

impl Owners {
    /// Adds the rollout whose blobs are in `container` at `<path>/<digest>`.
    pub fn add(&mut self, container: &str, path: &str) {
        self.0.insert(format!("{container}/{path}"));
    }

    /// Whether `blob` is one of theirs. The host does not count, nor what an emulator puts before the container.
    pub fn own(&self, blob: &BlobUri) -> bool {
        let Some((mut path, digest)) = blob.as_str().rsplit_once('/') else { return false };
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        // Every ending of the path that begins after a slash may be a container with a rollout's path.
        while let Some((_, rest)) = path.split_once('/') {
            if self.0.contains(rest) {
                return true;
            }
            path = rest;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_rollout() {
        let mut owners = Owners::default();
        owners.add("rollouts", "plant/ns/recipes");
        owners.add("other", "ns/x");
        let digest = "0123456789abcdef".repeat(4);
        for (uri, want) in [
            (format!("https://a.blob.core.windows.net/rollouts/plant/ns/recipes/{digest}"), true),
            (format!("http://127.0.0.1:10000/account/rollouts/plant/ns/recipes/{digest}"), true),
            (format!("https://a/other/ns/x/{digest}"), true),
            (format!("https://a/rollouts/ns/recipes/{digest}"), false),
            (format!("https://a/rollouts/plant/ns/recipes2/{digest}"), false),
            (format!("https://a/xrollouts/plant/ns/recipes/{digest}"), false),
            (format!("https://a/rollouts/plant/ns/recipes/deeper/{digest}"), false),
            ("https://a/rollouts/plant/ns/recipes/latest".to_owned(), false),
        ] {
            assert_eq!(owners.own(&BlobUri::of(&uri).unwrap()), want, "{uri}");
        }
    }
}
