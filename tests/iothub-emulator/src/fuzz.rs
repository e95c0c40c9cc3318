//! What must hold for any input, for the fuzz targets and for the test that runs them on damaged examples. Each tells
//! whether the input was more than refused at once: a test that never gets further looks at nothing.
//!
//! No part of the API: it may change with every version.

use bytes::BytesMut;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet};
use serde_json::{Value, json};

use crate::auth::{self, SasToken};
use crate::clock::{Clock, Timestamp};
use crate::error::HubError;
use crate::hub::Hub;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::jobs::Jobs;
use crate::mqtt;
use crate::query::{self, Data, Page};
use crate::registry::Registry;
use crate::route::{self, Route};
use crate::settings::{JobSettings, QuerySettings, Settings};
use crate::simulation::Simulation;
use crate::state::Secrets;
use crate::twins::{Change, Plain, Twin, reported_patch};

const NOW: Timestamp = Timestamp::from_unix_seconds(1);
/// Most pages that a query of a few devices can have.
const MOST_PAGES: usize = 8;

/// A query is answered in pages that end, or refused; the same query is answered in the same way again.
pub fn query(input: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(input);
    let registry = few_devices().map_err(|error| error.text)?;
    let mut token = None;
    for pages in 0..MOST_PAGES {
        let page = ask(&text, token.as_deref(), &registry);
        let again = ask(&text, token.as_deref(), &registry);
        match (page, again) {
            (Err(one), Err(other)) if one == other && pages == 0 => return Ok(false),
            (Ok(page), Ok(again)) if page.rows == again.rows && page.rows.len() <= 1 => {
                match page.continuation {
                    Some(next) => token = Some(next),
                    None => return Ok(true),
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
pub fn continuation(input: &[u8]) -> Result<bool, String> {
    let token = String::from_utf8_lossy(input);
    let registry = few_devices().map_err(|error| error.text)?;
    match ask("SELECT * FROM devices", Some(&token), &registry) {
        Ok(page) if page.rows.len() > 1 => Err("more rows than were asked for".to_owned()),
        page => Ok(page.is_ok()),
    }
}

/// A patch that is refused changes nothing, and one that is taken makes the same of what it made.
pub fn twin_patch(input: &[u8]) -> Result<bool, String> {
    let Ok(body) = serde_json::from_slice::<Value>(input) else { return Ok(false) };
    let first = json!({
        "tags": {"t": {"a": 1}},
        "properties": {"desired": {"a": {"b": {"c": "x"}, "l": [1, "two"]}, "n": 1.5, "k": true}},
    });
    let mut twin = Twin::new(NOW);
    let patched = |twin: &mut Twin, body: &Value| -> Result<(), HubError> {
        twin.patch(&Change::parse(body.clone())?, NOW)
    };
    patched(&mut twin, &first).map_err(|error| error.text)?;
    let before = content(&twin);
    if patched(&mut twin, &body).is_err() {
        return if content(&twin) == before {
            Ok(false)
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
        let _ = twin.report(&patch, NOW);
    }
    Ok(true)
}

/// Whatever a device sends, with a CONNECT before it and without, the hub says what a hub can say, and then its
/// connection is over.
pub fn mqtt(input: &[u8]) -> Result<bool, String> {
    let (simulation, _due) = Simulation::new();
    let settings = Settings { clock: Clock::manual(NOW), ..Settings::default() };
    let secrets = Secrets::new().map_err(|error| error.to_string())?;
    let hub = Hub::new(&settings, &secrets, simulation);
    let device = DeviceId::parse("d1").and_then(|id| hub.create(id, IdentityUpdate::generated(), |_| Ok(())));
    device.map_err(|error| error.text)?;
    let policy = hub.authority.policy("device").ok_or("no policy")?;
    let token =
        auth::sign("localhost", &policy.key, Timestamp::from_unix_seconds(u64::MAX), Some(policy.name));
    let mut connect = Connect::new("d1");
    connect.set_login("localhost/d1/?api-version=2021-04-12", token.ok_or("no token")?);
    let mut bytes = BytesMut::new();
    connect.write(&mut bytes).map_err(|error| error.to_string())?;
    bytes.extend_from_slice(input);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let unknown = runtime.block_on(mqtt::answers_to(&hub, input));
    if !matches!(packets(&unknown)?.as_slice(), [] | [Packet::ConnAck(_)]) {
        return Err("a device that did not connect was answered".to_owned());
    }
    let answers = packets(&runtime.block_on(mqtt::answers_to(&hub, &bytes)))?;
    if !matches!(answers.first(), Some(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success) {
        return Err("a device was not admitted".to_owned());
    }
    let live =
        hub.registry.read("d1", |device| device.session.as_ref().is_some_and(|session| session.is_live()));
    match live {
        Ok(false) => Ok(answers.len() > 1),
        _ => Err("the session outlives its connection".to_owned()),
    }
}

/// The packets in what a hub said, each of a kind and with a topic that a hub can send.
fn packets(said: &[u8]) -> Result<Vec<Packet>, String> {
    let mut bytes = BytesMut::from(said);
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let packet = Packet::read(&mut bytes, mqtt::MAX_PACKET).map_err(|error| error.to_string())?;
        let possible = match &packet {
            Packet::Publish(publish) => {
                publish.topic.starts_with("$iothub/twin/res/") && !publish.topic.contains(['+', '#', '\0'])
            }
            Packet::ConnAck(_) => packets.is_empty(),
            Packet::PubAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => true,
            _ => false,
        };
        if !possible {
            return Err(format!("a hub does not send {packet:?}"));
        }
        packets.push(packet);
    }
    Ok(packets)
}

/// Base64, of the token below.
const KEY: &str = "QUFBQUFBQUE=";
/// A token whose signature was seen from an SDK.
pub const TOKEN: &str = "SharedAccessSignature sr=localhost%2Fdevices%2Fdev1&\
    sig=g0wXUpyEFJJAUrf2%2B6CKssyqBiVoB5lGbXk9%2BHp8cd4%3D&se=1795394325";

/// A text is no token, or one that nobody signed, or says what [`TOKEN`] says, which is signed.
pub fn token(input: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(input);
    let Some(token) = SasToken::parse(&text) else { return Ok(false) };
    let says = (token.audience(), token.expires.unix_seconds());
    let signed = token.is_signed_by(KEY);
    if text == TOKEN && !signed {
        return Err("a true signature is not known".to_owned());
    }
    if signed && says != (Some("localhost/devices/dev1".to_owned()), 1_795_394_325) {
        return Err(format!("{says:?} was not signed"));
    }
    Ok(true)
}

/// Routes whose id is `{device}/{module}`.
const IDS_OF_MODULES: [Route; 6] = [
    Route::GetModule,
    Route::PutModule,
    Route::DeleteModule,
    Route::GetModuleTwin,
    Route::PatchModuleTwin,
    Route::PutModuleTwin,
];

/// A path is of no route, or of one whose id is found again by its encoded form.
pub fn path(input: &[u8]) -> Result<bool, String> {
    let path = String::from_utf8_lossy(input);
    let mut found = false;
    for method in ["GET", "PUT", "PATCH", "POST", "DELETE"] {
        let Ok((route, id)) = route::resolve(method, &path) else { continue };
        found = true;
        if id.contains('/') != IDS_OF_MODULES.contains(&route) {
            return Err(format!("{id:?} is no id of {route:?}"));
        }
        let steps = id.split('/').map(|step| utf8_percent_encode(step, NON_ALPHANUMERIC).to_string());
        let again = route::resolve("GET", &format!("/twins/{}", steps.collect::<Vec<_>>().join("/modules/")));
        if !id.is_empty() && again.map(|(_, again)| again).as_ref() != Ok(&id) {
            return Err(format!("{id:?} is lost"));
        }
    }
    Ok(found)
}

/// Tags and desired properties, without versions and times.
fn content(twin: &Twin) -> Value {
    let mut content = json!({"tags": twin.tags(), "desired": Plain(&twin.desired)});
    content["desired"]["$version"].take();
    content
}

fn few_devices() -> Result<Registry, HubError> {
    let registry = Registry::default();
    for (id, site) in [("d1", json!("a")), ("d2", json!(2)), ("d3", json!({"deep": [1]}))] {
        registry.create(DeviceId::parse(id)?, IdentityUpdate::generated(), NOW, |device| {
            let body =
                json!({"tags": {"site": site}, "properties": {"desired": {"blob": {"uri": id, "n": 1.5}}}});
            device.twin.patch(&Change::parse(body)?, NOW)
        })?;
    }
    Ok(registry)
}
