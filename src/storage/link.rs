//! Links: a blob's address with a signature. Pure.

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use percent_encoding::percent_decode_str;
use url::Url;

use super::grid::Window;
use crate::secret::Secret;

/// A blob's address, without any query string: `https://account.blob.core.windows.net/container/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobUri(String);

impl BlobUri {
    /// The address in `text`, which may be a link: what stands before the question mark. `None` where that is not an http address
    /// of something below a host.
    pub fn of(text: &str) -> Option<Self> {
        let (uri, _) = text.split_once('?').unwrap_or((text, ""));
        let parsed = Url::parse(uri).ok()?;
        let whole = matches!(parsed.scheme(), "https" | "http")
            && parsed.path().len() > 1
            && parsed.fragment().is_none();
        whole.then(|| Self(uri.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What every link to this blob that is valid within `window` begins with. `se` stands first, `st` second, and their colons are
    /// encoded, so that a query can ask for both without naming a signature.
    pub fn within(&self, window: Window) -> String {
        format!("{}?se={}&st={}&", self.0, encoded(window.expiry), encoded(window.start))
    }
}

/// An instant as it stands in a link: whole seconds, colons encoded.
fn encoded(at: Timestamp) -> String {
    crate::time::seconds(at).replace(':', "%3A")
}

/// A link as a twin carries it. It opens the blob, so it is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    blob: BlobUri,
    start: Option<Timestamp>,
    expiry: Timestamp,
    raw: Secret,
}

impl Link {
    /// Reads a link. `None` where the text is no address or names no expiry.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, query) = text.split_once('?')?;
        let instant = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            percent_decode_str(value).decode_utf8().ok()?.parse::<Timestamp>().ok()
        };
        Some(Self {
            blob: BlobUri::of(text)?,
            start: instant("st"),
            expiry: instant("se")?,
            raw: Secret::new(text),
        })
    }

    /// The blob that it opens.
    pub fn blob(&self) -> &BlobUri {
        &self.blob
    }

    /// From when it is valid; at once where it does not say.
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    /// Until when it is valid.
    pub fn expiry(&self) -> Timestamp {
        self.expiry
    }

    /// The whole link, for a twin or for reading the blob.
    pub fn expose(&self) -> &str {
        self.raw.expose()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("blob", &self.blob.0)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_stands_before_the_question_mark() {
        for (text, want) in [
            ("https://a/c/n?se=1&sig=x", Some("https://a/c/n")),
            ("http://127.0.0.1:10000/acc/c/n", Some("http://127.0.0.1:10000/acc/c/n")),
            ("https://a/", None),
            ("ftp://a/b", None),
            ("a/b", None),
            ("https://a/b#f", None),
            ("", None),
        ] {
            assert_eq!(BlobUri::of(text).as_ref().map(BlobUri::as_str), want, "{text}");
        }
    }

    #[test]
    fn a_link_knows_its_times_and_hides_its_signature() {
        let link =
            Link::parse("https://a/c/n?se=2026-11-30T00%3A00%3A00Z&st=2026-11-23T00%3A00%3A00Z&sig=secret")
                .unwrap();
        assert_eq!(link.expiry(), "2026-11-30T00:00:00Z".parse().unwrap());
        assert_eq!(link.start(), Some("2026-11-23T00:00:00Z".parse().unwrap()));
        assert!(!format!("{link:?}").contains("secret"));
        let window = Window { start: link.start().unwrap(), expiry: link.expiry() };
        assert!(link.expose().starts_with(&link.blob().within(window)));
        for text in
            ["https://a/c/n", "https://a/c/n?sig=x", "https://a/c/n?se=soon", "?se=2026-11-30T00:00:00Z"]
        {
            assert!(Link::parse(text).is_none(), "{text}");
        }
    }
}
