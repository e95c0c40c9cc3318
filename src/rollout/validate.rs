//! A spec, parsed once into what cannot be wrong, section by section: a typo in one section never stops what the others ask for.
//!
//! The API server holds objects to the same rules at admission. What slips past it fails here, with the field's name and what would be
//! right.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;

use crate::{
    api::spec::{BlobRolloutSpec, HubSpec, KeyRef, SasSpec, SourceSpec, StorageSpec, TwinSpec},
    fleet::Target,
    hub::sku::{Share, Sku, Tier},
    time::parse_duration,
};

/// Largest asset that a spec may carry itself, in bytes. The whole object must stay well below etcd's limit of 1.5 MiB.
pub const INLINE_LIMIT: usize = 128 * 1024;
/// How long a link lives where the spec does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_hours(168);
/// The period where the spec says one that cannot be.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(5);
/// Longest duration anywhere in a spec: a year.
const LONGEST_DURATION: Duration = Duration::from_hours(8760);

/// What a user wants, in types that every later step can take as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Deliver no new revision; keep links alive.
    pub suspend: bool,
    /// Longest time between two looks at the fleet.
    pub interval: Duration,
    /// Where the asset comes from.
    pub source: Result<Source, SpecError>,
    /// The asset's media type.
    pub content_type: Result<String, SpecError>,
    /// Where the asset is kept.
    pub storage: Result<StorageSettings, SpecError>,
    /// How long links live.
    pub sas: SasSettings,
    /// The hub, and how fast it may be used.
    pub hub: HubSettings,
    /// Which devices.
    pub target: Result<Target, SpecError>,
    /// Write none where more match.
    pub max_devices: Option<u64>,
    /// Where in the twin the link stands.
    pub twin: Result<TwinSettings, SpecError>,
    /// Everything that is wrong, in the order of the spec.
    pub errors: Vec<SpecError>,
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

/// Where the asset is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageSettings {
    /// The blob container.
    pub container: String,
    /// What all blob names of the rollout begin with, without a slash at the end.
    pub path: String,
    /// Where the storage account's connection string is.
    pub secret: KeyRef,
}

/// How long links live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SasSettings {
    /// From the last grid point to the expiry.
    pub lifetime: Duration,
    /// How long before its expiry a link is renewed, at least.
    pub renew_before: Duration,
}

/// The hub, and how fast it may be used.
#[derive(Clone, Debug, PartialEq)]
pub struct HubSettings {
    /// Where the hub's connection string is.
    pub secret: KeyRef,
    /// The hub's tier and units.
    pub sku: Sku,
    /// The part of its rates that may be used.
    pub share: Share,
}

/// Where in the twin the link stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinSettings {
    /// The desired property.
    pub property: String,
    /// The reported property.
    pub reported_property: String,
    /// Whether the twin carries the digest.
    pub with_sha256: bool,
    /// Whether the twin carries the size.
    pub with_size: bool,
}

/// A field of the spec that says what cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct SpecError {
    /// The field's path, from `spec`.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl SpecError {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Validated {
    /// Parses the spec of the rollout `namespace`/`name`.
    pub fn parse(spec: &BlobRolloutSpec, namespace: &str, name: &str) -> Self {
        let mut errors = Vec::new();
        let interval = or(
            &mut errors,
            duration("spec.interval", &spec.interval, Duration::from_secs(5)),
            DEFAULT_INTERVAL,
        );
        let source = kept(&mut errors, source(&spec.source));
        let content_type = kept(&mut errors, content_type(&spec.content_type));
        let storage = kept(&mut errors, storage(&spec.storage, namespace, name));
        // Links must live on whatever is wrong with their lifetime, so the usual one steps in.
        let usual = SasSettings { lifetime: DEFAULT_LIFETIME, renew_before: DEFAULT_LIFETIME / 3 };
        let sas = or(&mut errors, sas(&spec.sas), usual);
        let hub = hub(&mut errors, &spec.hub);
        let target = Target::parse(spec.target.query.as_deref(), spec.target.device_ids.as_deref())
            .map_err(|error| SpecError::new("spec.target", error.to_string()));
        let target = kept(&mut errors, target);
        // A guard that cannot be read lets nobody through.
        let max_devices = or(&mut errors, max_devices(spec.target.max_devices), Some(0));
        let twin = kept(&mut errors, twin(&spec.twin));
        Self {
            suspend: spec.suspend,
            interval,
            source,
            content_type,
            storage,
            sas,
            hub,
            target,
            max_devices,
            twin,
            errors,
        }
    }
}

/// The value, or `fallback` where it is an error, which is noted.
fn or<T>(errors: &mut Vec<SpecError>, parsed: Result<T, SpecError>, fallback: T) -> T {
    parsed.unwrap_or_else(|error| {
        errors.push(error);
        fallback
    })
}

/// The same result; an error is noted.
fn kept<T>(errors: &mut Vec<SpecError>, parsed: Result<T, SpecError>) -> Result<T, SpecError> {
    errors.extend(parsed.as_ref().err().cloned());
    parsed
}

fn duration(field: &'static str, text: &str, least: Duration) -> Result<Duration, SpecError> {
    let parsed = parse_duration(text).map_err(|message| SpecError::new(field, message))?;
    if parsed < least || parsed > LONGEST_DURATION {
        let message = format!("{text:?} must be at least {}s and at most 8760h", least.as_secs());
        return Err(SpecError::new(field, message));
    }
    Ok(parsed)
}

fn source(spec: &SourceSpec) -> Result<Source, SpecError> {
    match (&spec.inline, &spec.config_map_key_ref, &spec.secret_key_ref) {
        (Some(inline), None, None) => {
            let bytes = match (&inline.text, &inline.base64) {
                (Some(text), None) => Bytes::from(text.clone()),
                (None, Some(base64)) => decode(base64)?,
                _ => {
                    return Err(SpecError::new(
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
                return Err(SpecError::new("spec.source.inline", message));
            }
            Ok(Source::Inline(bytes))
        }
        (None, Some(key), None) => Ok(Source::ConfigMap(key.clone())),
        (None, None, Some(key)) => Ok(Source::Secret(key.clone())),
        _ => Err(SpecError::new(
            "spec.source",
            "must name exactly one of inline, configMapKeyRef and secretKeyRef",
        )),
    }
}

/// YAML's folded texts bring line breaks, which are no part of the value.
fn decode(text: &str) -> Result<Bytes, SpecError> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(compact).map(Bytes::from).map_err(|error| {
        SpecError::new("spec.source.inline.base64", format!("is not standard base64 with padding: {error}"))
    })
}

fn content_type(text: &str) -> Result<String, SpecError> {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    // A header loses spaces at its ends, and the blob would never have what is wanted.
    if text.is_empty() || text.len() > 255 || !printable || text.trim() != text {
        let message = "must be 1 to 255 printable ASCII characters, such as application/json, with no space at either end";
        return Err(SpecError::new("spec.contentType", message));
    }
    Ok(text.into())
}

fn storage(spec: &StorageSpec, namespace: &str, name: &str) -> Result<StorageSettings, SpecError> {
    prefix(spec.prefix.as_deref())?;
    Ok(StorageSettings {
        container: container(&spec.container)?,
        path: spec.path(namespace, name),
        secret: spec.connection_string_secret_ref.clone(),
    })
}

fn container(name: &str) -> Result<String, SpecError> {
    let legal =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if (3..=63).contains(&name.len()) && name.split('-').all(legal) {
        return Ok(name.into());
    }
    let message = "must be 3 to 63 lower-case letters, digits and single hyphens, such as rollouts";
    Err(SpecError::new("spec.storage.container", message))
}

fn prefix(text: Option<&str>) -> Result<(), SpecError> {
    let legal = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    match text {
        Some(text) if text.len() <= 253 && text.split('/').all(legal) => Ok(()),
        None => Ok(()),
        Some(_) => Err(SpecError::new(
            "spec.storage.prefix",
            "must be letters, digits, hyphens and underscores, parts separated by single slashes, such as plant-a/line-1",
        )),
    }
}

fn sas(spec: &SasSpec) -> Result<SasSettings, SpecError> {
    let lifetime = match &spec.lifetime {
        Some(text) => duration("spec.sas.lifetime", text, Duration::from_secs(5))?,
        None => DEFAULT_LIFETIME,
    };
    let renew_before = match &spec.renew_before {
        Some(text) => duration("spec.sas.renewBefore", text, Duration::from_secs(1))?,
        None => lifetime / 3,
    };
    if renew_before > lifetime / 2 {
        let message = "must be at most half of spec.sas.lifetime: links are minted every half lifetime";
        return Err(SpecError::new("spec.sas.renewBefore", message));
    }
    Ok(SasSettings { lifetime, renew_before })
}

/// What is wrong with tier or share leaves the slowest of the usual rates.
fn hub(errors: &mut Vec<SpecError>, spec: &HubSpec) -> HubSettings {
    let sku = or(errors, sku(&spec.sku.name, spec.sku.units), Sku { tier: Tier::S1, units: 1 });
    let share = or(errors, share(&spec.share), Share::default());
    HubSettings { secret: spec.connection_string_secret_ref.clone(), sku, share }
}

fn sku(name: &str, units: i64) -> Result<Sku, SpecError> {
    let (tier, most) = match name {
        "F1" => (Tier::F1, 1),
        "S1" => (Tier::S1, 200),
        "S2" => (Tier::S2, 200),
        "S3" => (Tier::S3, 10),
        _ => {
            let message = format!("{name:?} is no tier with device twins: write F1, S1, S2 or S3");
            return Err(SpecError::new("spec.hub.sku.name", message));
        }
    };
    let units = u32::try_from(units).ok().filter(|units| (1..=most).contains(units));
    let units = units.ok_or_else(|| {
        SpecError::new("spec.hub.sku.units", format!("must be 1 to {most} for the tier {name}"))
    })?;
    Ok(Sku { tier, units })
}

fn share(text: &str) -> Result<Share, SpecError> {
    text.strip_suffix('%')
        .and_then(|percent| percent.parse::<u8>().ok())
        .and_then(Share::percent)
        .ok_or_else(|| SpecError::new("spec.hub.share", "must be a percentage from 1% to 100%, such as 80%"))
}

fn max_devices(limit: Option<i64>) -> Result<Option<u64>, SpecError> {
    let wrong = || SpecError::new("spec.target.maxDevices", "must be at least 1");
    let read = |limit| u64::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(wrong);
    limit.map(read).transpose()
}

fn twin(spec: &TwinSpec) -> Result<TwinSettings, SpecError> {
    let property = property("spec.twin.property", &spec.property)?;
    let reported_property = match &spec.reported_property {
        Some(name) => self::property("spec.twin.reportedProperty", name)?,
        None => property.clone(),
    };
    let fields = spec.extra_fields.as_deref().unwrap_or_default();
    if let Some(other) = fields.iter().find(|field| !["sha256", "size"].contains(&field.as_str())) {
        let message = format!("{other:?} is no field that a twin can carry: write sha256 or size");
        return Err(SpecError::new("spec.twin.extraFields", message));
    }
    let with = |name: &str| fields.iter().any(|field| field == name);
    Ok(TwinSettings { property, reported_property, with_sha256: with("sha256"), with_size: with("size") })
}

fn property(field: &'static str, name: &str) -> Result<String, SpecError> {
    let legal = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.len() <= 64;
    if legal {
        return Ok(name.into());
    }
    let message = "must be a letter or underscore, then up to 63 letters, digits, underscores and hyphens, such as configurationBlob";
    Err(SpecError::new(field, message))
}

#[cfg(test)]
mod tests;
