//! Reads the connection string of a storage account.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use url::Url;

use super::key::AccountKey;
use crate::retry_class::RetryClass;

/// A storage account: where its blobs are, and the key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageAccount {
    key: AccountKey,
    endpoint: Url,
}

/// Why a text is not a connection string that we can use. Names the part that is wrong, and never shows its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageConnectionError {
    /// A part is not there.
    #[error(
        "the storage connection string has no {0}; copy it whole from the account's page \"Access keys\""
    )]
    Missing(&'static str),
    /// A part is there, and wrong.
    #[error("{part} in the storage connection string {wrong}")]
    Malformed {
        /// The part's name.
        part: &'static str,
        /// What is wrong with it, and what would be right.
        wrong: &'static str,
    },
    /// A part without `=`, counted from 1.
    #[error(
        "part {0} of the storage connection string is not of the form Name=value; parts are separated by semicolons"
    )]
    NotAPair(usize),
    /// The short form for an emulator.
    #[error(
        "UseDevelopmentStorage=true means an emulator on the reader's own machine; \
         write the emulator's AccountName, AccountKey and BlobEndpoint"
    )]
    DevelopmentStorage,
    /// A signature in place of the key.
    #[error(
        "the storage connection string has a SharedAccessSignature in place of an AccountKey, and links for devices \
         can only be signed with the key; copy the connection string from the account's page \"Access keys\""
    )]
    SasOnly,
    /// The other service's connection string.
    #[error(
        "this is a connection string of an IoT hub; the one of a storage account has AccountName and AccountKey"
    )]
    IotHub,
    /// Plain http, which the installer has to allow.
    #[error(
        "the blob endpoint in the storage connection string is http; use https (the installer allows http with \
         --allow-http-storage)"
    )]
    Http,
}

use StorageConnectionError::{Malformed, Missing, NotAPair};

impl StorageConnectionError {
    /// The Secret has to be changed.
    pub fn retry_class(&self) -> RetryClass {
        RetryClass::Terminal
    }
}

impl StorageAccount {
    /// Reads `Name=value;…` as the portal shows it (Azure Storage docs, "Configure Azure Storage connection strings").
    /// `AccountName` and `AccountKey` are needed; the endpoint is `BlobEndpoint`, or else made of `DefaultEndpointsProtocol`
    /// (https), the account's name and `EndpointSuffix` (`core.windows.net`). Other parts are ignored.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, StorageConnectionError> {
        let parts = Parts::split(text)?;
        if parts.get("UseDevelopmentStorage")?.is_some() {
            return Err(StorageConnectionError::DevelopmentStorage);
        }
        let Some(key) = parts.get("AccountKey")? else {
            return Err(if parts.get("SharedAccessSignature")?.is_some() {
                StorageConnectionError::SasOnly
            } else if parts.get("HostName")?.is_some() {
                StorageConnectionError::IotHub
            } else {
                Missing("AccountKey")
            });
        };
        let name = account_name(parts.get("AccountName")?.ok_or(Missing("AccountName"))?)?;
        let key = BASE64_STANDARD.decode(key).ok().filter(|key| !key.is_empty()).ok_or(Malformed {
            part: "AccountKey",
            wrong: "is not base64; copy the connection string whole",
        })?;
        let endpoint = match parts.get("BlobEndpoint")? {
            Some(endpoint) => blob_endpoint(endpoint)?,
            None => public_endpoint(
                parts.get("DefaultEndpointsProtocol")?.unwrap_or("https"),
                name,
                parts.get("EndpointSuffix")?.unwrap_or("core.windows.net"),
            )?,
        };
        if endpoint.scheme() == "http" && !allow_http {
            return Err(StorageConnectionError::Http);
        }
        Ok(Self { key: AccountKey::new(name, key), endpoint })
    }

    /// Whether `other` holds the same blobs, whatever key opens them.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint && self.key.account() == other.key.account()
    }

    /// The account's name and key.
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    /// Where its blob service is: `https://<account>.blob.core.windows.net/`, or `http://<host>/<account>` for Azurite.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Whether links into it demand https.
    pub fn is_https(&self) -> bool {
        self.endpoint.scheme() == "https"
    }

    /// Where a container is.
    pub fn container_url(&self, container: &str) -> Url {
        self.url(std::iter::once(container))
    }

    /// Where a blob is. Its name's slashes stay slashes, everything else is encoded.
    pub fn blob_url(&self, container: &str, name: &str) -> Url {
        self.url(std::iter::once(container).chain(name.split('/')))
    }

    fn url<'a>(&self, segments: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.endpoint.clone();
        // Only URLs such as `mailto:` have no path, and an endpoint is http or https.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

impl fmt::Debug for StorageAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageAccount")
            .field("endpoint", &self.endpoint.as_str())
            .field("key", &self.key)
            .finish()
    }
}

/// The parts by name, in which case matters no more than to Azure's own readers.
struct Parts<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, StorageConnectionError> {
        let parts = text.trim().split(';').enumerate().filter(|(_, part)| !part.trim().is_empty());
        let pair = |(index, part): (usize, &'a str)| {
            let (name, value) = part.split_once('=').ok_or(NotAPair(index + 1))?;
            Ok((name.trim(), value.trim()))
        };
        Ok(Self(parts.map(pair).collect::<Result<_, _>>()?))
    }

    fn get(&self, part: &'static str) -> Result<Option<&'a str>, StorageConnectionError> {
        let mut found =
            self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(part)).map(|(_, value)| *value);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(Malformed { part, wrong: "is there twice" }),
            (Some(""), _) => Err(Malformed { part, wrong: "is empty" }),
            (value, _) => Ok(value),
        }
    }
}

fn account_name(name: &str) -> Result<&str, StorageConnectionError> {
    let right = (3..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    right.then_some(name).ok_or(Malformed {
        part: "AccountName",
        wrong: "is no account's name: those have 3 to 24 lower-case letters and digits",
    })
}

fn public_endpoint(protocol: &str, account: &str, suffix: &str) -> Result<Url, StorageConnectionError> {
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "https" | "http") {
        return Err(Malformed { part: "DefaultEndpointsProtocol", wrong: "is neither https nor http" });
    }
    let host = format!("{account}.blob.{suffix}");
    let url = Url::parse(&format!("{protocol}://{host}")).ok();
    // What the URL takes for a port, a path or a user was not meant to be one.
    url.filter(|url| {
        url.host_str() == Some(&host.to_ascii_lowercase()) && url.port().is_none() && url.path() == "/"
    })
    .ok_or(Malformed { part: "EndpointSuffix", wrong: "is no host name; write one such as core.windows.net" })
}

fn blob_endpoint(text: &str) -> Result<Url, StorageConnectionError> {
    let wrong = |wrong| Malformed { part: "BlobEndpoint", wrong };
    let mut url = Url::parse(text)
        .map_err(|_| wrong("is no URL; write one such as https://account.blob.core.windows.net"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(wrong("is neither https nor http"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query; leave out everything from the question mark on"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user; write host and path alone"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "c2VjcmV0LWtleQ==";

    #[test]
    fn endpoints() {
        for (text, https, container) in [
            (
                "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=KEY;EndpointSuffix=core.windows.net",
                true,
                "https://acct.blob.core.windows.net/c",
            ),
            ("\n accountname=acct; accountkey=KEY ;;\n", true, "https://acct.blob.core.windows.net/c"),
            (
                "AccountName=acct;AccountKey=KEY;EndpointSuffix=core.chinacloudapi.cn",
                true,
                "https://acct.blob.core.chinacloudapi.cn/c",
            ),
            (
                "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=KEY",
                false,
                "http://acct.blob.core.windows.net/c",
            ),
            (
                "AccountName=acct;AccountKey=KEY;BlobEndpoint=https://assets.example.com/;QueueEndpoint=x",
                true,
                "https://assets.example.com/c",
            ),
            (
                "AccountName=acct;AccountKey=KEY;BlobEndpoint=http://127.0.0.1:10000/acct/;",
                false,
                "http://127.0.0.1:10000/acct/c",
            ),
        ] {
            let account = StorageAccount::parse(&text.replace("KEY", KEY), true).unwrap();
            assert_eq!(account.is_https(), https, "{text}");
            assert_eq!(account.container_url("c").as_str(), container);
            assert_eq!(account.key(), &AccountKey::new("acct", b"secret-key".to_vec()));
        }
    }

    #[test]
    fn names_of_blobs_are_encoded_and_keep_their_slashes() {
        let text = format!("AccountName=acct;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/acct");
        let account = StorageAccount::parse(&text, true).unwrap();
        assert_eq!(account.blob_url("c", "a/ü b?%/x").path(), "/acct/c/a/%C3%BC%20b%3F%25/x");
    }

    #[test]
    fn what_is_wrong_is_named_and_never_shown() {
        for (text, want) in [
            ("", "no AccountKey"),
            ("AccountName=acct;EndpointSuffix=core.windows.net", "no AccountKey"),
            ("AccountKey=KEY", "no AccountName"),
            ("AccountName=acct;AccountKey=KEY;no-pair", "part 3"),
            (
                "AccountName=acct;AccountKey=sEcReT*",
                "AccountKey in the storage connection string is not base64",
            ),
            (
                "AccountName=acct;AccountKey=KEY;AccountKey=KEY",
                "AccountKey in the storage connection string is there twice",
            ),
            ("AccountName=acct;AccountKey=", "AccountKey in the storage connection string is empty"),
            ("AccountName=Acct;AccountKey=KEY", "lower-case"),
            ("DefaultEndpointsProtocol=ftp;AccountName=acct;AccountKey=KEY", "DefaultEndpointsProtocol"),
            ("AccountName=acct;AccountKey=KEY;EndpointSuffix=a/b", "EndpointSuffix"),
            ("AccountName=acct;AccountKey=KEY;EndpointSuffix=a@b", "EndpointSuffix"),
            ("AccountName=acct;AccountKey=KEY;EndpointSuffix=core.windows.net:1", "EndpointSuffix"),
            ("AccountName=acct;AccountKey=KEY;BlobEndpoint=acct.blob.core.windows.net", "BlobEndpoint"),
            ("AccountName=acct;AccountKey=KEY;BlobEndpoint=https://h/?sig=KEY", "has a query"),
            ("AccountName=acct;AccountKey=KEY;BlobEndpoint=https://KEY@h/", "has a user"),
            ("AccountName=acct;AccountKey=KEY;BlobEndpoint=http://127.0.0.1:1/acct", "--allow-http-storage"),
            ("DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=KEY", "--allow-http-storage"),
            ("UseDevelopmentStorage=true", "BlobEndpoint"),
            ("BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig=KEY", "Access keys"),
            ("HostName=h.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=KEY", "IoT hub"),
        ] {
            let error = StorageAccount::parse(&text.replace("KEY", KEY), false).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(want), "{text}: {shown}");
            assert!(!shown.contains(KEY) && !shown.contains("sEcReT"), "{shown}");
        }
    }

    #[test]
    fn debug_does_not_show_the_key() {
        let account = StorageAccount::parse(&format!("AccountName=acct;AccountKey={KEY}"), false).unwrap();
        let shown = format!("{account:?}");
        assert!(shown.contains("acct.blob") && shown.contains("[redacted]"), "{shown}");
        assert!(
            !shown.contains("secret-key") && !shown.contains(KEY) && !shown.contains("115, 101"),
            "{shown}"
        );
    }
}
