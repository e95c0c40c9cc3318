//! Packets that are malformed, too large, or sent at the wrong time.

use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, LastWill, Publish, Subscribe, SubscribeFilter, Unsubscribe};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::common::{HOUR, Hub};
use crate::raw::{ends_well, exchange, open, rest};

const ADMITTED: [u8; 4] = [0x20, 0x02, 0x00, 0x00];

/// CONNECT of a device with a token of the policy `device`, in a clean session.
pub fn connect(hub: &Hub, id: &str) -> Vec<u8> {
    connect_with(hub, id, &hub.emulator.policy_token("device", HOUR).unwrap())
}

pub fn connect_with(hub: &Hub, id: &str, token: &str) -> Vec<u8> {
    let mut packet = Connect::new(id);
    packet.set_login(format!("{}/{id}/?api-version=2021-04-12", hub.emulator.host_name()), token);
    written(|bytes| packet.write(bytes))
}

fn written<E: std::fmt::Debug>(write: impl FnOnce(&mut BytesMut) -> Result<usize, E>) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    write(&mut bytes).unwrap();
    bytes.to_vec()
}

fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    written(|bytes| Publish::new(topic, QoS::AtMostOnce, payload).write(bytes))
}

fn subscribe(filters: &[&str]) -> Vec<u8> {
    let filters = filters.iter().map(|filter| SubscribeFilter::new((*filter).to_owned(), QoS::AtLeastOnce));
    let mut packet = Subscribe::new_many(filters);
    packet.pkid = 1;
    written(|bytes| packet.write(bytes))
}

async fn hub() -> Hub {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    hub
}

#[tokio::test]
async fn before_connect_all_else_ends_the_connection() {
    let hub = hub().await;
    let admitted = connect(&hub, "d1");
    let truncated = admitted[..admitted.len() / 2].iter().copied().chain([0xff; 512]).collect::<Vec<_>>();
    let at = |text: &[u8]| admitted.windows(text.len()).position(|window| window == text).unwrap();
    let changed = |place: usize, byte: u8| {
        let mut bytes = admitted.clone();
        bytes[place] = byte;
        bytes
    };
    let level = at(b"MQTT") + 4;
    let table: [&[u8]; 20] = [
        b"GET / HTTP/1.1\r\nHost: a-web-client-that-mistook-the-port-for-another-one.example\r\n\r\n",
        &[0; 64],
        &[0xff; 64],
        // A length of five bytes, one of more than the hub takes, none, and a packet of a length and nothing in it.
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0x00],
        &[0x10, 0x01, 0x00],
        &truncated,
        // Another level, name, reserved bits for a will that there is none of, an id that is no UTF-8.
        &changed(level, 3),
        &changed(level - 1, b'X'),
        &changed(level + 1, 0b1111_1010),
        &changed(at(b"d1") + 1, 0xff),
        // Every other kind of packet.
        &publish("devices/d1/messages/events/", b"x"),
        &subscribe(&["$iothub/twin/res/#"]),
        &[0xc0, 0x00],
        &[0xe0, 0x00],
        &[0x40, 0x02, 0x00, 0x01],
        &[0x62, 0x02, 0x00, 0x01],
        &[0x20, 0x02, 0x00, 0x00],
        &[0xf0, 0x00],
    ];
    for bytes in table {
        assert_eq!(exchange(&hub, hub.emulator.mqtt_port(), bytes).await, b"", "{bytes:?}");
    }
    ends_well(hub).await;
}

#[tokio::test]
async fn connects_are_answered_by_a_code() {
    let hub = hub().await;
    let host = hub.emulator.host_name();
    let user = format!("{host}/d1/?api-version=2021-04-12");
    let token = hub.emulator.policy_token("device", HOUR).unwrap();
    let long = "x".repeat(60_000);
    // Client id, user name, password, and the code: 1 protocol, 2 identifier, 5 not authorized.
    let table = [
        ("", user.as_str(), token.as_str(), 2),
        ("d\u{0}", &user, &token, 2),
        ("é", &user, &token, 2),
        ("d1/", &user, &token, 2),
        (&long, &user, &token, 2),
        ("d1", "", "", 5),
        ("d1", "", &token, 5),
        ("d1", &user, "", 5),
        ("d1", &user, &long, 5),
        ("d1", &long, &token, 5),
        ("d1", host, &token, 5),
        ("d1", &format!("{host}/d1"), &token, 5),
        ("d1", &format!("{host}/d1/"), &token, 5),
        ("d1", &format!("{host}/d1/?api-version="), &token, 5),
        ("d1", &format!("{host}/d1/?api-version=latest"), &token, 5),
        ("d1", &format!("{host}/d2/?api-version=2021-04-12"), &token, 5),
        ("d1", "elsewhere/d1/?api-version=2021-04-12", &token, 5),
        ("d2", &format!("{host}/d2/?api-version=2021-04-12"), &token, 5),
        ("d1", &user, &token, 0),
    ];
    for (id, user, password, code) in table {
        let mut packet = Connect::new(id);
        packet.set_login(user, password);
        let bytes = [written(|bytes| packet.write(bytes)), vec![0xe0, 0x00]].concat();
        let start = user.get(..60).unwrap_or(user);
        let said = exchange(&hub, hub.emulator.mqtt_port(), &bytes).await;
        assert_eq!(said, [0x20, 0x02, 0x00, code], "{start}");
    }
    // MQTT 5.
    let mut other = connect(&hub, "d1");
    let level = other.windows(4).position(|window| window == b"MQTT").unwrap() + 4;
    other[level] = 5;
    assert_eq!(exchange(&hub, hub.emulator.mqtt_port(), &other).await, [0x20, 0x02, 0x00, 0x01]);
    // A will is allowed, also one that names a topic of nobody.
    let mut packet = Connect::new("d1");
    packet.set_login(user, token);
    packet.last_will = Some(LastWill::new("#", "gone", QoS::AtLeastOnce, true));
    let bytes = [written(|bytes| packet.write(bytes)), vec![0xe0, 0x00]].concat();
    assert_eq!(exchange(&hub, hub.emulator.mqtt_port(), &bytes).await, ADMITTED);
    ends_well(hub).await;
}

#[tokio::test]
async fn after_connect_what_is_wrong_ends_the_connection() {
    let hub = hub().await;
    let admitted = connect(&hub, "d1");
    let large = vec![b'x'; 256 * 1024 + 1];
    let rid = format!("$iothub/twin/GET/?$rid={}", "1".repeat(65_510));
    let exactly_once = {
        let mut packet = Publish::new("devices/d1/messages/events/", QoS::ExactlyOnce, "x");
        packet.pkid = 1;
        written(|bytes| packet.write(bytes))
    };
    let table: [Vec<u8>; 32] = [
        admitted.clone(),
        publish("", b"x"),
        publish("devices/d1/messages/events", &large),
        publish("devices/d1/messages/events/", &vec![b'x'; 320 * 1024]),
        // Wildcards, NUL, another device's, no request id, one that no answer could repeat.
        publish("#", b""),
        publish("+/twin/GET/?$rid=1", b""),
        publish("$iothub/twin/GET/?$rid=+", b""),
        publish("$iothub/twin/GET/?$rid=#", b""),
        publish("$iothub/twin/GET/?$rid=\u{0}", b""),
        publish("devices/d1/messages/events/#", b""),
        publish("devices/d2/messages/events/", b""),
        publish("$iothub/twin/GET/", b""),
        publish("$iothub/twin/GET/?", b""),
        publish(&rid, b""),
        publish("$iothub/twin/res/200/?$rid=1", b""),
        exactly_once,
        subscribe(&["#"]),
        subscribe(&["+"]),
        subscribe(&[""]),
        subscribe(&["$iothub/twin/res/+"]),
        subscribe(&["$iothub/twin/res/#", "devices/d2/messages/devicebound/#"]),
        // A publish of QoS 3, one without a packet id, one of a topic that is no UTF-8, one shorter than its topic; a
        // subscribe and an unsubscribe of nothing, a subscribe with QoS 3; packets that only a server sends, and one that
        // announces more than the hub takes.
        vec![0x36, 0x05, 0x00, 0x01, b'a', 0x00, 0x01],
        vec![0x32, 0x05, 0x00, 0x01, b'a', 0x00, 0x00],
        vec![0x30, 0x03, 0x00, 0x01, 0xff],
        vec![0x30, 0x03, 0x00, 0x09, b'a'],
        vec![0x82, 0x02, 0x00, 0x01],
        vec![0xa2, 0x02, 0x00, 0x01],
        vec![0x82, 0x06, 0x00, 0x01, 0x00, 0x01, b'a', 0x03],
        vec![0x20, 0x02, 0x00, 0x00],
        vec![0xd0, 0x00],
        vec![0x62, 0x02, 0x00, 0x01],
        vec![0x30, 0xff, 0xff, 0xff, 0x7f],
    ];
    for bytes in table {
        let said =
            exchange(&hub, hub.emulator.mqtt_port(), &[admitted.clone(), bytes.clone()].concat()).await;
        assert_eq!(said, ADMITTED, "{:?}", &bytes[..bytes.len().min(80)]);
    }
    assert_eq!(hub.emulator.twin("d1").unwrap()["connectionState"], "Disconnected");
    assert_eq!(hub.emulator.counts().telemetry, 0);
    ends_well(hub).await;
}

/// Subscriptions again and again are one: there are four that a device can have, and the hub allows five.
#[tokio::test]
async fn many_subscriptions_are_few() {
    let hub = hub().await;
    let filters = [
        "$iothub/twin/res/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "$iothub/methods/POST/#",
        "devices/d1/messages/devicebound/#",
    ];
    let mut stream = open(&hub, hub.emulator.mqtt_port()).await;
    stream.write_all(&connect(&hub, "d1")).await.unwrap();
    for _ in 0..5 {
        stream.write_all(&subscribe(&filters.repeat(25))).await.unwrap();
    }
    let mut unsubscribe = Unsubscribe::new(filters[1]);
    unsubscribe.pkid = 2;
    // Of a filter that was not there, and a message of the largest size.
    let mut unknown = Unsubscribe::new("nothing");
    unknown.pkid = 3;
    let largest = publish("devices/d1/messages/events/", &vec![b'x'; 256 * 1024]);
    for bytes in [written(|bytes| unsubscribe.write(bytes)), written(|bytes| unknown.write(bytes)), largest] {
        stream.write_all(&bytes).await.unwrap();
    }
    stream.write_all(&[0xe0, 0x00]).await.unwrap();
    let said = rest(&mut stream).await;
    let acknowledged = [[0x90, 102, 0x00, 0x01].as_slice(), &[1; 100]].concat();
    let expected =
        [ADMITTED.as_slice(), &acknowledged.repeat(5), &[0xb0, 0x02, 0x00, 0x02, 0xb0, 0x02, 0x00, 0x03]]
            .concat();
    assert_eq!(said, expected);
    assert_eq!(hub.emulator.counts().telemetry, 1);
    // None of them is left twice: one that was taken back is gone.
    hub.emulator.patch_twin("d1", &serde_json::json!({"properties": {"desired": {"a": 1}}})).unwrap();
    assert_eq!(hub.emulator.counts().notifications, 0);
    ends_well(hub).await;
}
