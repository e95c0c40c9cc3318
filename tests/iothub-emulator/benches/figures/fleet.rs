//! The devices of the figures.

use serde_json::{Value, json};

/// A link of 500 characters; `part` makes it one of its own, and `{n}` in it is a template's.
pub fn link(part: &str, width: usize) -> String {
    let start = format!("https://account.blob.core.windows.net/assets/{part}?sig=");
    let length = start.len() - part.len() + width;
    format!("{start}{}", "s".repeat(500 - length))
}

pub fn desired(uri: &str) -> Value {
    json!({"configurationBlob": {"uri": uri, "ts": "2027-01-01T00:00:00.0000000Z", "contentType": "application/json"}})
}

/// Devices with a link, and an answer that names it.
pub fn seed(count: u32, uri: &str) -> Value {
    json!({
        "count": count,
        "id": "device-{n:07}",
        "tags": {"site": "plant-{n%10}"},
        "desired": desired(uri),
        "reported": {"configurationBlob": {"current": uri, "acknowledged": uri, "status": "received"}},
    })
}
