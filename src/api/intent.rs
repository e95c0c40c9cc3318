//! A spec, parsed once into what cannot be wrong. The API server holds objects to the same rules at admission; an object that
//! slipped past it fails here, with the field's name and what would be right.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;

use super::spec::{BlobRolloutSpec, KeyRef, SourceSpec};
use crate::{
    fleet::Target,
    hub::sku::{Share, Sku, Tier},
    time::{format_duration, parse_duration},
};

/// Largest asset that a spec may carry itself, in bytes. The whole object must stay well below etcd's limit of 1.5 MiB.
pub const INLINE_LIMIT: usize = 128 * 1024;
/// How long a link lives where the spec does not say. The schema has no such default, so that another credential may have another.
const LIFETIME: Duration = Duration::from_hours(168);
/// Largest asset of a ConfigMap or Secret, in bytes: the limit that Kubernetes sets to such an object.
pub const OBJECT_LIMIT: usize = 1024 * 1024;

/// What a user wants, in types that every later step can take as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Deliver no new revision; keep links alive.
    pub suspend: bool,
    /// Longest time between two looks at the fleet.
    pub interval: Duration,
    /// Where the asset comes from.
    pub source: Source,
    /// The asset's media type.
    pub content_type: String,
    /// The blob container.
    pub container: String,
    /// Where the storage account's connection string is.
    pub storage_secret: KeyRef,
    /// How long a link lives.
    pub lifetime: Duration,
    /// How long before its expiry it is renewed, at least.
    pub renew_before: Duration,
    /// Where the hub's connection string is.
    pub hub_secret: KeyRef,
    /// The hub's tier and units.
    pub sku: Sku,
    /// Our share of the hub's rates.
    pub share: Share,
    /// Which devices.
    pub target: Target,
    /// Write none where more match.
    pub max_devices: Option<u64>,
    /// The desired property.
    pub property: String,
    /// The reported property.
    pub reported_property: String,
    /// Whether the twin carries the digest.
    pub with_sha256: bool,
    /// Whether the twin carries the size.
    pub with_size: bool,
}

/// Where the asset comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The bytes themselves.
    Inline(Bytes),
    /// A key of a ConfigMap.
    ConfigMap(KeyRef),
    /// A key of a Secret.
    Secret(KeyRef),
}

/// A field of the spec that says what cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct IntentError {
    /// The field's path, from `spec`.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl IntentError {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Intent {
    /// Parses `spec`. The error names the first field that is wrong.
    pub fn parse(spec: &BlobRolloutSpec) -> Result<Self, IntentError> {
        let lifetime = match &spec.sas.lifetime {
            Some(text) => duration("spec.sas.lifetime", text, Duration::from_secs(5))?,
            None => LIFETIME,
        };
        let renew_before = match &spec.sas.renew_before {
            Some(text) => duration("spec.sas.renewBefore", text, Duration::from_secs(1))?,
            None => lifetime / 3,
        };
        if renew_before > lifetime / 2 {
            let message = format!(
                "must be at most {}, half of spec.sas.lifetime: links are minted every half lifetime",
                format_duration(lifetime / 2)
            );
            return Err(IntentError::new("spec.sas.renewBefore", message));
        }
        let target = Target::parse(spec.target.query.as_deref(), spec.target.device_ids.as_deref())
            .map_err(|error| IntentError::new("spec.target", error.to_string()))?;
        prefix(spec.storage.prefix.as_deref())?;
        let extra_fields = spec.twin.extra_fields.as_deref().unwrap_or_default();
        let property = property("spec.twin.property", &spec.twin.property)?;
        let reported_property = match &spec.twin.reported_property {
            Some(name) => self::property("spec.twin.reportedProperty", name)?,
            None => property.clone(),
        };
        Ok(Self {
            suspend: spec.suspend,
            interval: duration("spec.interval", &spec.interval, Duration::from_secs(5))?,
            source: source(&spec.source)?,
            content_type: content_type(&spec.content_type)?,
            container: container(&spec.storage.container)?,
            storage_secret: spec.storage.connection_string_secret_ref.clone(),
            lifetime,
            renew_before,
            hub_secret: spec.hub.connection_string_secret_ref.clone(),
            sku: sku(&spec.hub.sku.name, spec.hub.sku.units)?,
            share: share(&spec.hub.share)?,
            target,
            max_devices: max_devices(spec.target.max_devices)?,
            property,
            reported_property,
            with_sha256: extra_field(extra_fields, "sha256")?,
            with_size: extra_field(extra_fields, "size")?,
        })
    }
}

fn duration(field: &'static str, text: &str, least: Duration) -> Result<Duration, IntentError> {
    let parsed = parse_duration(text).map_err(|message| IntentError::new(field, message))?;
    if parsed < least || parsed > Duration::from_hours(8760) {
        let message = format!("{text:?} must be at least {}s and at most 8760h", least.as_secs());
        return Err(IntentError::new(field, message));
    }
    Ok(parsed)
}

fn source(spec: &SourceSpec) -> Result<Source, IntentError> {
    match (&spec.inline, &spec.config_map_key_ref, &spec.secret_key_ref) {
        (Some(inline), None, None) => {
            let bytes = match (&inline.text, &inline.base64) {
                (Some(text), None) => Bytes::from(text.clone()),
                (None, Some(base64)) => decode(base64)?,
                _ => {
                    return Err(IntentError::new(
                        "spec.source.inline",
                        "must have exactly one of text and base64",
                    ));
                }
            };
            if bytes.len() > INLINE_LIMIT {
                let message = format!(
                    "is {} bytes, and at most {INLINE_LIMIT} fit: put it into a ConfigMap and name it in configMapKeyRef",
                    bytes.len()
                );
                return Err(IntentError::new("spec.source.inline", message));
            }
            Ok(Source::Inline(bytes))
        }
        (None, Some(key), None) => Ok(Source::ConfigMap(key.clone())),
        (None, None, Some(key)) => Ok(Source::Secret(key.clone())),
        _ => Err(IntentError::new(
            "spec.source",
            "must name exactly one of inline, configMapKeyRef and secretKeyRef",
        )),
    }
}

/// YAML's folded texts bring line breaks, which are no part of the value.
fn decode(text: &str) -> Result<Bytes, IntentError> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(compact).map(Bytes::from).map_err(|error| {
        IntentError::new("spec.source.inline.base64", format!("is not standard base64 with padding: {error}"))
    })
}

fn content_type(text: &str) -> Result<String, IntentError> {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    // A header loses spaces at its ends, and the blob would never have what is wanted.
    if text.is_empty() || text.len() > 255 || !printable || text.trim() != text {
        let message = "must be 1 to 255 printable ASCII characters, such as application/json, with no space at either end";
        return Err(IntentError::new("spec.contentType", message));
    }
    Ok(text.into())
}

fn container(name: &str) -> Result<String, IntentError> {
    let legal = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    if !(3..=63).contains(&name.len()) || !legal || hyphens {
        let message = "must be 3 to 63 lower-case letters, digits and single hyphens, such as rollouts";
        return Err(IntentError::new("spec.storage.container", message));
    }
    Ok(name.into())
}

fn prefix(text: Option<&str>) -> Result<(), IntentError> {
    let legal = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    match text {
        None => Ok(()),
        Some(text) if text.len() <= 253 && text.split('/').all(legal) => Ok(()),
        Some(_) => Err(IntentError::new(
            "spec.storage.prefix",
            "must be letters, digits, hyphens and underscores, parts separated by single slashes, such as plant-a/line-1",
        )),
    }
}

fn sku(name: &str, units: i64) -> Result<Sku, IntentError> {
    let tier = match name {
        "F1" => Tier::F1,
        "S1" => Tier::S1,
        "S2" => Tier::S2,
        "S3" => Tier::S3,
        _ => {
            let message = format!("{name:?} is no tier with device twins: write F1, S1, S2 or S3");
            return Err(IntentError::new("spec.hub.sku.name", message));
        }
    };
    let (most, right) = match tier {
        Tier::F1 => (1, "must be 1 for F1: a free hub has one unit"),
        Tier::S1 | Tier::S2 => (200, "must be 1 to 200 for S1 and S2"),
        Tier::S3 => (10, "must be 1 to 10 for S3: no hub has more of them"),
    };
    let units = u32::try_from(units).ok().filter(|units| (1..=most).contains(units));
    let units = units.ok_or_else(|| IntentError::new("spec.hub.sku.units", right))?;
    Ok(Sku { tier, units })
}

fn share(text: &str) -> Result<Share, IntentError> {
    text.strip_suffix('%').and_then(|percent| percent.parse::<u8>().ok()).and_then(Share::percent).ok_or_else(
        || IntentError::new("spec.hub.share", "must be a percentage from 1% to 100%, such as 80%"),
    )
}

fn max_devices(limit: Option<i64>) -> Result<Option<u64>, IntentError> {
    match limit.map(u64::try_from) {
        None => Ok(None),
        Some(Ok(limit)) if limit > 0 => Ok(Some(limit)),
        Some(_) => Err(IntentError::new("spec.target.maxDevices", "must be at least 1")),
    }
}

/// Whether `name` is among the fields, each of which must be one that we know.
fn extra_field(fields: &[String], name: &str) -> Result<bool, IntentError> {
    if let Some(other) = fields.iter().find(|field| !["sha256", "size"].contains(&field.as_str())) {
        let message = format!("{other:?} is no field that a twin can carry: write sha256 or size");
        return Err(IntentError::new("spec.twin.extraFields", message));
    }
    Ok(fields.iter().any(|field| field == name))
}

fn property(field: &'static str, name: &str) -> Result<String, IntentError> {
    let legal = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.len() <= 64;
    if legal {
        return Ok(name.into());
    }
    let message = "must be a letter or underscore, then up to 63 letters, digits, underscores and hyphens, such as configurationBlob";
    Err(IntentError::new(field, message))
}

#[cfg(test)]
mod tests;
