//! MQTT inside a WebSocket, for clients behind proxies: path `/$iothub/websocket` on the service's port, subprotocol
//! `mqtt` (`mqtt_ws.js`, `mqtt_transport.py`).

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use super::MAX_PACKET;
use crate::hub::Hub;

const PATH: &str = "/$iothub/websocket";
const SUBPROTOCOL: &str = "mqtt";
/// Bytes of a handshake's key (RFC 6455, 4.1).
const KEY_BYTES: usize = 16;

/// The headers of the answer that opens a WebSocket; none if the request does not ask for this one.
pub(crate) fn handshake<B>(request: &Request<B>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let here = percent_decode_str(request.uri().path()).decode_utf8().is_ok_and(|path| path == PATH);
    let headers = request.headers();
    let asked = here
        && request.method() == Method::GET
        && lists(headers, &CONNECTION, "upgrade")
        && lists(headers, &UPGRADE, "websocket")
        && lists(headers, &SEC_WEBSOCKET_VERSION, "13")
        && lists(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asked)?;
    STANDARD.decode(key).ok().filter(|key| key.len() == KEY_BYTES)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
    Some(vec![
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
    ])
}

/// Whether a header has an item, in a list or alone.
fn lists(headers: &HeaderMap, name: &HeaderName, item: &str) -> bool {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|listed| listed.trim().eq_ignore_ascii_case(item))
}

/// Serves one device connection to its end; `certificate` is the one that it has shown. Packets and messages need not begin
/// or end together.
pub(crate) async fn serve(hub: Arc<Hub>, stream: Upgraded, certificate: Option<Vec<u8>>) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_PACKET))
        .max_frame_size(Some(MAX_PACKET))
        // A flush sends the packet at once.
        .write_buffer_size(0);
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(config)).await;
    let (sink, stream) = socket.split();
    let incoming = stream
        // The end of the WebSocket is the end of the stream.
        .take_while(|message| std::future::ready(!matches!(message, Ok(Message::Close(_)))))
        .filter_map(|message| {
            std::future::ready(match message {
                Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
                // MQTT is binary; a text is an error of the client's.
                Ok(Message::Text(_)) => Some(Err(io::ErrorKind::InvalidData.into())),
                Ok(_) => None,
                Err(error) => Some(Err(io::Error::other(error))),
            })
        });
    let outgoing = sink
        .sink_map_err(io::Error::other)
        .with(|bytes: Bytes| std::future::ready(Ok::<_, io::Error>(Message::Binary(bytes))));
    let stream = tokio::io::join(StreamReader::new(incoming), SinkWriter::new(CopyToBytes::new(outgoing)));
    super::serve(hub, stream, certificate).await;
}
