//! Signs links: service SAS with the account key (Azure Storage docs, "Create a service SAS"). Pure.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    grid::Window,
    key::AccountKey,
    link::{BlobUri, Link},
};
use crate::{secret::Secret, time::seconds};

/// The version whose string-to-sign has the sixteen fields written below; the service goes on accepting it.
const VERSION: &str = "2022-11-02";
/// What is encoded in a query string's value: all that RFC 3986 does not call unreserved.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Signs links with an account's key.
#[derive(Clone)]
pub struct LinkSigner {
    key: AccountKey,
    https_only: bool,
    container_uri: String,
    container: String,
}

impl LinkSigner {
    /// Signs links into `container`, whose address is `container_uri` (no slash at its end). Where that is https, the links demand
    /// https.
    pub fn new(key: AccountKey, container_uri: &str, container: &str) -> Self {
        let https_only = container_uri.starts_with("https:");
        Self { key, https_only, container_uri: container_uri.to_owned(), container: container.to_owned() }
    }

    /// A link that reads the blob `name` within `window`, and nothing else.
    pub fn sign(&self, name: &str, window: Window) -> Option<Link> {
        Link::parse(&self.text(&self.blob(name)?, name, window))
    }

    fn text(&self, blob: &BlobUri, name: &str, window: Window) -> String {
        let (start, expiry) = (seconds(window.start), seconds(window.expiry));
        let protocol = if self.https_only { "https" } else { "" };
        let resource = format!("/blob/{}/{}/{name}", self.key.account(), self.container);
        // sp, st, se, resource, si, sip, spr, sv, sr, snapshot, ses, rscc, rscd, rsce, rscl, rsct
        let text =
            ["r", &start, &expiry, &resource, "", "", protocol, VERSION, "b", "", "", "", "", "", "", ""]
                .join("\n");
        let signature = Secret::new(self.key.sign(&text));
        let spr = if self.https_only { "&spr=https" } else { "" };
        format!(
            "{}sp=r&sr=b{spr}&sv={VERSION}&sig={}",
            blob.within(window),
            utf8_percent_encode(signature.expose(), VALUE)
        )
    }

    /// Whether `link` is one that this key, and no other, gives: made again with its own times it is the same, byte for byte.
    pub fn is_ours(&self, link: &Link) -> bool {
        let name =
            link.blob().as_str().strip_prefix(&self.container_uri).and_then(|rest| rest.strip_prefix('/'));
        let (Some(name), Some(start)) = (name, link.start()) else { return false };
        self.text(link.blob(), name, Window { start, expiry: link.expiry() }) == link.expose()
    }

    /// The address of the blob `name`.
    pub fn blob(&self, name: &str) -> Option<BlobUri> {
        BlobUri::of(&format!("{}/{name}", self.container_uri))
    }
}

impl fmt::Debug for LinkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSigner").field("container", &self.container_uri).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(byte: u8, container_uri: &str) -> LinkSigner {
        LinkSigner::new(AccountKey::new("account", vec![byte; 32]), container_uri, "rollouts")
    }

    fn window() -> Window {
        Window {
            start: "2026-11-23T23:45:00Z".parse().unwrap(),
            expiry: "2026-12-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_link_reads_one_blob_and_names_its_expiry_first() {
        let link = signer(1, "https://account.blob.core.windows.net/rollouts")
            .sign("ns/name/abc", window())
            .unwrap();
        let (before, signature) = link.expose().split_once("&sig=").unwrap();
        assert_eq!(
            before,
            "https://account.blob.core.windows.net/rollouts/ns/name/abc?se=2026-12-01T00%3A00%3A00Z&st=2026-11-23T23%3A45%3A00Z\
             &sp=r&sr=b&spr=https&sv=2022-11-02"
        );
        // Computed with Python's hmac over the sixteen lines.
        assert_eq!(signature, "K3fxzy5dlsSs8d5e0uvtIXq85Nd5teYC2r7yyo0tX0k%3D");
        let plain = signer(1, "http://127.0.0.1:10000/account/rollouts").sign("n", window()).unwrap();
        assert!(!plain.expose().contains("spr="));
    }

    #[test]
    fn only_its_own_links_are_its_own() {
        let uri = "https://account.blob.core.windows.net/rollouts";
        let (ours, other) = (signer(1, uri), signer(2, uri));
        let link = ours.sign("n", window()).unwrap();
        assert!(ours.is_ours(&link) && !other.is_ours(&link));
        let earlier =
            ours.sign("n", Window { start: "2026-11-20T00:00:00Z".parse().unwrap(), ..window() }).unwrap();
        assert!(ours.is_ours(&earlier), "whose it is does not depend on when it begins");
        let forged = link.expose().replace("sp=r", "sp=rw");
        assert!(!ours.is_ours(&Link::parse(&forged).unwrap()));
        let elsewhere = signer(1, "https://elsewhere/rollouts").sign("n", window()).unwrap();
        assert!(!ours.is_ours(&elsewhere));
    }
}
