//! Clients that do not go on: each has its time, which is 30 seconds, and then the hub ends the connection. All of them wait
//! at once.

use bytes::BytesMut;
use futures::future::join_all;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::Publish;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::common::Hub;
use crate::mqtt::connect;
use crate::raw::{ends_well, exchange, over, request, rest};

const TWIN: &str = "/twins/d1?api-version=2021-04-12";

async fn hub() -> Hub {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &json!(null)).unwrap();
    hub
}

#[tokio::test]
async fn what_does_not_go_on_is_ended() {
    let hub = hub().await;
    let (https, mqtt) = (hub.emulator.https_port(), hub.emulator.mqtt_port());
    let body = request(&hub, "PATCH", TWIN, "content-length: 100\r\n", b"");
    let chunks = request(&hub, "PATCH", TWIN, "transfer-encoding: chunked\r\n", b"");
    let large = request(&hub, "PATCH", TWIN, "content-length: 9000000\r\n", b"");
    let admitted = connect(&hub, "d1");
    let (half, half_packet) = (admitted[..20].to_vec(), [&admitted[..], b"\x30\x90\x4e\x00"].concat());
    let table: [(u16, Vec<u8>, &[u8]); 9] = [
        (https, b"".to_vec(), b""),
        (https, b"GET".to_vec(), b""),
        (https, b"GET /twins/d1 HTTP/1.1\r\nhost: h\r\nx-slow: y".to_vec(), b""),
        (https, [body.as_slice(), b"{"].concat(), b""),
        (https, [chunks.as_slice(), b"5\r\n{}"].concat(), b""),
        // Also one that is refused already.
        (https, [large.as_slice(), &vec![b'x'; 2 * 1024 * 1024]].concat(), b""),
        (mqtt, b"".to_vec(), b""),
        (mqtt, half, b""),
        // Its keep-alive is 10 seconds: half of a packet is silence as well.
        (mqtt, half_packet, b"\x20\x02\x00\x00"),
    ];
    let connections = table.iter().map(async |(port, bytes, expected)| {
        let said = exchange(&hub, *port, bytes).await;
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert_eq!(String::from_utf8_lossy(&said), String::from_utf8_lossy(expected), "{start:?}");
    });
    let handshakes = [(https, &b""[..]), (https, b"\x16\x03\x01"), (mqtt, b""), (mqtt, b"\x16\x03\x01")];
    let handshakes = handshakes.into_iter().map(async |(port, bytes)| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap_or_default(), 0, "{bytes:?}");
    });
    tokio::join!(join_all(connections), join_all(handshakes));
    ends_well(hub).await;
}

#[tokio::test]
async fn a_device_that_never_reads_is_ended() {
    let hub = hub().await;
    let values = (0..7).map(|n| (n.to_string(), json!("x".repeat(4096)))).collect::<serde_json::Map<_, _>>();
    hub.emulator.patch_twin("d1", &json!({"properties": {"desired": values}})).unwrap();
    // With room for little on the way, or the system takes its time to find some.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let address = ([127, 0, 0, 1], hub.emulator.mqtt_port()).into();
    let mut stream = over(&hub, socket.connect(address).await.unwrap()).await;
    let mut bytes = BytesMut::from(&connect(&hub, "d1")[..]);
    // 28 KB for each of these: more than what waits on the way, and more than the hub keeps.
    for _ in 0..2000 {
        Publish::new("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce, "").write(&mut bytes).unwrap();
    }
    stream.write_all(&bytes).await.unwrap();
    let state = || hub.emulator.twin("d1").unwrap()["connectionState"] == "Disconnected";
    let ended = async {
        while hub.emulator.counts().connects == 0 || !state() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), ended).await.expect("the connection goes on");
    // What the device finds, when it looks at last, is not all that it asked for.
    assert!(rest(&mut stream).await.len() < 2000 * 28_000);
    ends_well(hub).await;
}
