//! What must hold for any input, for the fuzz targets and for the test that runs them on damaged examples.
//!
//! No part of the API: it may change with every version.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::Packet;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::error::HubError;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::jobs::Jobs;
use crate::mqtt;
use crate::query::{self, Data, Page};
use crate::registry::Registry;
use crate::settings::{JobSettings, QuerySettings};
use crate::twins::{Change, Plain, Twin, reported_patch};

/// Most pages that a query of a few devices can have.
const MOST_PAGES: usize = 8;

/// A query is answered in pages that end, or refused; the same query is answered in the same way again.
pub fn query(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let registry = few_devices().map_err(|error| error.text)?;
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = ask(&text, token.as_deref(), &registry);
        let again = ask(&text, token.as_deref(), &registry);
        match (page, again) {
            (Err(_), Err(_)) => return Ok(()),
            (Ok(page), Ok(again)) if page.rows == again.rows && page.rows.len() <= 1 => {
                match page.continuation {
                    Some(next) => token = Some(next),
                    None => return Ok(()),
                }
            }
            _ => return Err("two answers to one query, or more rows than were asked for".to_owned()),
        }
    }
    Err("the pages do not end".to_owned())
}

/// A page of one row at most.
fn ask(text: &str, token: Option<&str>, devices: &Registry) -> Result<Page, HubError> {
    let (modules, jobs) = (Registry::default(), Jobs::new(JobSettings::default()));
    query::run(text, token, 1, Data { devices, modules: &modules, jobs: &jobs }, &QuerySettings::default())
}

/// A continuation token that no hub gave is refused, or leads to a page.
pub fn continuation(input: &[u8]) -> Result<(), String> {
    let token = String::from_utf8_lossy(input);
    let registry = few_devices().map_err(|error| error.text)?;
    match ask("SELECT * FROM devices", Some(&token), &registry) {
        Ok(page) if page.rows.len() > 1 => Err("more rows than were asked for".to_owned()),
        _ => Ok(()),
    }
}

/// A patch that is refused changes nothing, and one that is taken makes the same of what it made.
pub fn twin_patch(input: &[u8]) -> Result<(), String> {
    let Ok(body) = serde_json::from_slice::<Value>(input) else { return Ok(()) };
    let first = json!({
        "tags": {"t": {"a": 1}},
        "properties": {"desired": {"a": {"b": {"c": "x"}, "l": [1, "two"]}, "n": 1.5, "k": true}},
    });
    let now = Timestamp::from_unix_seconds(1);
    let mut twin = Twin::new(now);
    let patched =
        |twin: &mut Twin, body: &Value| -> Result<(), HubError> { twin.patch(&Change::parse(body)?, now) };
    patched(&mut twin, &first).map_err(|error| error.text)?;
    let before = content(&twin);
    if patched(&mut twin, &body).is_err() {
        return if content(&twin) == before {
            Ok(())
        } else {
            Err("a refused patch changed the twin".to_owned())
        };
    }
    let once = content(&twin);
    patched(&mut twin, &body).map_err(|error| format!("refused the second time: {}", error.text))?;
    if content(&twin) != once {
        return Err("a patch makes something else the second time".to_owned());
    }
    if let Ok(patch) = reported_patch(input) {
        let _ = twin.report(&patch, now);
    }
    Ok(())
}

/// Bytes of a device are packets, or an error, and topics are known ones, or none.
pub fn mqtt(input: &[u8]) -> Result<(), String> {
    let mut bytes = BytesMut::from(input);
    while let Ok(packet) = Packet::read(&mut bytes, mqtt::MAX_PACKET) {
        match packet {
            Packet::Publish(publish) => mqtt::judge_topic(&publish.topic),
            Packet::Subscribe(subscribe) => {
                for filter in &subscribe.filters {
                    mqtt::judge_topic(&filter.path);
                }
            }
            _ => {}
        }
    }
    if bytes.len() > input.len() {
        return Err("there is more left than there was".to_owned());
    }
    mqtt::judge_topic(&String::from_utf8_lossy(input));
    Ok(())
}

/// Tags and desired properties, without versions and times.
fn content(twin: &Twin) -> Value {
    let mut content = json!({"tags": twin.tags(), "desired": Plain(&twin.desired)});
    content["desired"]["$version"].take();
    content
}

fn few_devices() -> Result<Registry, HubError> {
    let registry = Registry::default();
    let now = Timestamp::from_unix_seconds(1);
    for (id, site) in [("d1", json!("a")), ("d2", json!(2)), ("d3", json!({"deep": [1]}))] {
        registry.create(DeviceId::parse(id)?, IdentityUpdate::generated(), now, |device| {
            let body =
                json!({"tags": {"site": site}, "properties": {"desired": {"blob": {"uri": id, "n": 1.5}}}});
            device.twin.patch(&Change::parse(&body)?, now)
        })?;
    }
    Ok(registry)
}
