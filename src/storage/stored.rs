//! A blob as it stands in the container.

use std::collections::BTreeMap;

use azure_core::http::{
    NoFormat, Response,
    headers::{ETAG, HeaderName, Headers},
};
use azure_storage_blob::models::{BlobClientGetPropertiesResult, BlobItem};
use k8s_openapi::jiff::Timestamp;

use crate::time::{parse_ts, seconds, ts};

/// A blob, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name in the container.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Changes with its content, its headers and its metadata; in quotes, as conditions want it.
    pub etag: String,
    /// What it is served as.
    pub content_type: Option<String>,
    /// What is noted at it.
    pub metadata: BlobMetadata,
}

/// What a blob is to be stored with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobProperties {
    /// What it is to be served as.
    pub content_type: String,
    /// What is to be noted at it.
    pub metadata: BlobMetadata,
}

/// What is noted at a blob. What somebody else noted there, or what we cannot read, is kept as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobMetadata {
    /// The SHA-256 of its content: 64 lower-case hex digits.
    pub sha256: Option<String>,
    /// The `ts` of the revision in twins: when this content last became the goal.
    pub ts: Option<Timestamp>,
    /// When it first did.
    pub first_ts: Option<Timestamp>,
    /// The uid of the `BlobRollout` that it belongs to.
    pub uid: Option<String>,
    /// When that object was created.
    pub created: Option<Timestamp>,
    /// The generation of that object which made this content the goal.
    pub generation: Option<i64>,
    /// Everything else, by lower-case name: names of metadata have no case (Azure Storage docs, "Setting and retrieving properties
    /// and metadata").
    pub other: BTreeMap<String, String>,
}

impl BlobMetadata {
    pub(super) fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut other: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        // A value that does not parse is as good as none, and stays where it is until one is written over it.
        let sha256 = taken(&mut other, "sha256", |text| is_sha256(text).then(|| text.to_ascii_lowercase()));
        let ts = taken(&mut other, "ts", parse_ts);
        let first_ts = taken(&mut other, "firstts", parse_ts);
        let created = taken(&mut other, "created", parse_ts);
        let generation = taken(&mut other, "generation", |text| text.parse().ok());
        Self { sha256, ts, first_ts, uid: other.remove("uid"), created, generation, other }
    }

    pub(super) fn pairs(&self) -> BTreeMap<String, String> {
        let known = [
            ("sha256", self.sha256.clone()),
            ("ts", self.ts.map(ts)),
            ("firstts", self.first_ts.map(ts)),
            ("uid", self.uid.clone()),
            ("created", self.created.map(seconds)),
            ("generation", self.generation.map(|generation| generation.to_string())),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        self.other.clone().into_iter().chain(known).collect()
    }

    /// This, with what it does not say taken from `old`.
    pub(super) fn over(&self, old: &Self) -> Self {
        let mut pairs = old.pairs();
        pairs.extend(self.pairs());
        Self::read(pairs)
    }
}

/// The value of `name` as `parse` reads it, which is then no longer among the others.
fn taken<T>(
    others: &mut BTreeMap<String, String>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let parsed = others.get(name).and_then(|text| parse(text));
    if parsed.is_some() {
        others.remove(name);
    }
    parsed
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl StoredBlob {
    /// An entry of a listing, unless it has no name or is no blob that one can read.
    pub(super) fn listed(item: BlobItem) -> Option<Self> {
        let properties = item.properties.unwrap_or_default();
        Some(Self {
            name: item.name?,
            size: properties.content_length?,
            etag: quoted(properties.etag?.as_ref()),
            content_type: properties.content_type,
            metadata: BlobMetadata::read(
                item.metadata.and_then(|metadata| metadata.values).unwrap_or_default(),
            ),
        })
    }

    pub(super) fn headed(name: &str, response: &Response<BlobClientGetPropertiesResult, NoFormat>) -> Self {
        let headers = response.headers();
        let noted = headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix("x-ms-meta-")?.to_owned(), value.as_str().to_owned()))
        });
        Self {
            name: name.to_owned(),
            size: header(headers, "content-length").and_then(|size| size.parse().ok()).unwrap_or_default(),
            etag: etag(headers),
            content_type: header(headers, "content-type"),
            metadata: BlobMetadata::read(noted),
        }
    }

    /// What stands here, for an error's text.
    pub(super) fn summary(&self) -> String {
        match &self.metadata.sha256 {
            Some(sha256) => format!("{} bytes noted as sha256 {sha256}", self.size),
            None => format!("{} bytes without a sha256 noted", self.size),
        }
    }
}

pub(super) fn etag(headers: &Headers) -> String {
    quoted(headers.get_optional_str(&ETAG).unwrap_or_default())
}

fn header(headers: &Headers, name: &'static str) -> Option<String> {
    headers.get_optional_string(&HeaderName::from_static(name))
}

/// Listings give etags without their quotes, headers with them.
fn quoted(etag: &str) -> String {
    if etag.ends_with('"') { etag.to_owned() } else { format!("\"{etag}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

    fn read(pairs: &[(&str, &str)]) -> BlobMetadata {
        BlobMetadata::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn metadata_is_read_leniently_and_loses_nothing() {
        let upper = DIGEST.to_ascii_uppercase();
        let metadata =
            read(&[("Sha256", &upper), ("TS", "2026-11-24T12:00:00.5Z"), ("uid", "u"), ("Owner", "them")]);
        assert_eq!(metadata.sha256.as_deref(), Some(DIGEST));
        assert_eq!(metadata.ts.map(ts).as_deref(), Some("2026-11-24T12:00:00.5000000Z"));
        assert_eq!(metadata.uid.as_deref(), Some("u"));
        assert_eq!(metadata.other, [("owner".to_owned(), "them".to_owned())].into());

        let unreadable = read(&[("sha256", "abc"), ("ts", "yesterday")]);
        assert_eq!((&unreadable.sha256, unreadable.ts, &unreadable.uid), (&None, None, &None));
        assert_eq!(unreadable.pairs().len(), 2);
    }

    #[test]
    fn new_metadata_goes_over_the_old() {
        let old = read(&[("sha256", DIGEST), ("ts", "yesterday"), ("owner", "them")]);
        let new = read(&[("ts", "2026-11-24T12:00:00Z"), ("uid", "u")]);
        let both = new.over(&old);
        let want =
            [("owner", "them"), ("sha256", DIGEST), ("ts", "2026-11-24T12:00:00.0000000Z"), ("uid", "u")];
        assert!(
            both.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(want),
            "{both:?}"
        );
    }

    #[test]
    fn etags_are_quoted_once() {
        for (etag, want) in [("0x1", "\"0x1\""), ("\"0x1\"", "\"0x1\""), ("W/\"1\"", "W/\"1\"")] {
            assert_eq!(quoted(etag), want);
        }
    }
}
