//! The link in the twin, parsed once.

use std::fmt;

use serde_json::Value;
use url::Url;

/// What the desired property asks for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where the asset is, with the permission to read it in the query.
    pub uri: Url,
    /// Its SHA-256 in lower-case hex, if the twin tells.
    pub sha256: Option<String>,
}

impl Link {
    /// Reads the whole object that the twin holds. Fields that are not known are passed over.
    pub fn parse(desired: &Value) -> Result<Self, &'static str> {
        let uri = desired["uri"].as_str().ok_or("it has no uri")?;
        let uri = Url::parse(uri).map_err(|_| "its uri is not a URL")?;
        if !matches!(uri.scheme(), "https" | "http") {
            return Err("its uri is neither https nor http");
        }
        let sha256 = desired["sha256"].as_str().map(str::to_ascii_lowercase);
        Ok(Self { uri, sha256 })
    }

    /// The part before `?`: it names the content, and is no secret.
    pub fn blob(&self) -> &str {
        blob_of(self.uri.as_str())
    }
}

/// The part of a link before `?`.
pub(crate) fn blob_of(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(blob, _)| blob)
}

/// Without the query, which is a key to the asset.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.blob())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Link;

    #[test]
    fn a_link_is_whole_or_refused_and_never_shown_whole() {
        let link =
            Link::parse(&json!({"uri": "https://a/c/b?se=1&sig=s3cret", "ts": "t", "sha256": "AB"})).unwrap();
        assert_eq!((link.blob(), link.sha256.as_deref()), ("https://a/c/b", Some("ab")));
        assert!(!format!("{link:?}").contains("s3cret"));
        for wrong in [
            json!({}),
            json!({"uri": 1}),
            json!({"uri": "no"}),
            json!({"uri": "file:///etc/passwd"}),
            json!("https://a"),
        ] {
            assert!(Link::parse(&wrong).is_err(), "{wrong}");
        }
    }
}
