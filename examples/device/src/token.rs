//! The SAS token that a device shows as its MQTT password.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use crate::connection_string::ConnectionString;

/// How long a token is good for.
const LIFETIME: Duration = Duration::from_hours(1);
/// When a connection is replaced by one with a new token: before the hub would end it.
pub(crate) const RENEWAL: Duration = Duration::from_mins(50);

/// The unreserved characters of RFC 3986 stay as they are.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A token for the device, good for an hour after `now`.
pub(crate) fn token(connection: &ConnectionString, now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let resource = format!("{}/devices/{}", connection.host_name(), connection.device_id());
    sign(&resource, connection.key(), (since + LIFETIME).as_secs())
}

/// `sr`, `sig`, `se` as in "Control access to IoT Hub with shared access signatures": the HMAC-SHA256 of the encoded resource,
/// a line feed and the expiry in seconds since 1970.
fn sign(resource: &str, key: &[u8], expiry: u64) -> String {
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let resource = encode(resource);
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length.
        return String::new();
    };
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = encode(&BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}")
}
