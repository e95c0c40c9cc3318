//! What a device's answer says about a revision (device contract). Pure.
//!
//! Reported properties are written by devices: untrusted, of any shape. An answer counts only for the revision whose blob it names.

use serde_json::Value;

use crate::storage::link::BlobUri;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The device has this revision.
    Received,
    /// The device cannot use this revision.
    Failed,
    /// The device has not answered for this revision.
    Pending,
}

/// Judges what stands under the reported property, for the revision at `blob`. Both contracts count:
/// `{current, acknowledged, status}`, and the echo `{uri, ts}` of older clients, which cannot say that something failed.
pub fn ack(reported: Option<&Value>, blob: &BlobUri) -> Ack {
    let Some(reported) = reported else { return Ack::Pending };
    let names = |field: &str| {
        reported.get(field).and_then(Value::as_str).and_then(BlobUri::of).as_ref() == Some(blob)
    };
    let status = reported.get("status");
    if reported.get("acknowledged").is_some() {
        return match status.and_then(Value::as_str) {
            Some("received") if names("acknowledged") => Ack::Received,
            Some("failed") if names("acknowledged") => Ack::Failed,
            _ => Ack::Pending,
        };
    }
    let received = status.is_none_or(|status| status == "received");
    if received && names("uri") { Ack::Received } else { Ack::Pending }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers() {
        let (this, other) = ("https://a/c/n/abc", "https://a/c/n/abd");
        let link = format!("{this}?se=1&sig=x");
        for (reported, want) in [
            (json!({"acknowledged": link, "status": "received", "current": link}), Ack::Received),
            (json!({"acknowledged": this, "status": "received"}), Ack::Received),
            (json!({"acknowledged": link, "status": "failed", "current": other}), Ack::Failed),
            (json!({"acknowledged": other, "status": "received", "current": link}), Ack::Pending),
            (json!({"acknowledged": other, "status": "failed", "uri": link}), Ack::Pending),
            (json!({"acknowledged": link, "status": "RECEIVED"}), Ack::Pending),
            (json!({"acknowledged": link, "status": 1}), Ack::Pending),
            (json!({"acknowledged": link}), Ack::Pending),
            (json!({"acknowledged": format!("{this}4?se=1"), "status": "received"}), Ack::Pending),
            (json!({"acknowledged": 5, "status": "received"}), Ack::Pending),
            (json!({"acknowledged": {}, "uri": link}), Ack::Pending),
            (json!({"uri": link, "ts": "2026-11-24T12:00:00.0000000Z"}), Ack::Received),
            (json!({"uri": this}), Ack::Received),
            (json!({"uri": link, "status": "received"}), Ack::Received),
            (json!({"uri": link, "status": "failed"}), Ack::Pending),
            (json!({"uri": other, "ts": "x"}), Ack::Pending),
            (json!({"uri": [link]}), Ack::Pending),
            (json!({"uri": "x".repeat(5000)}), Ack::Pending),
            (json!({"status": "received"}), Ack::Pending),
            (json!("received"), Ack::Pending),
            (json!(null), Ack::Pending),
            (json!([link]), Ack::Pending),
        ] {
            assert_eq!(ack(Some(&reported), &BlobUri::of(this).unwrap()), want, "{reported}");
        }
        assert_eq!(ack(None, &BlobUri::of(this).unwrap()), Ack::Pending);
    }
}
