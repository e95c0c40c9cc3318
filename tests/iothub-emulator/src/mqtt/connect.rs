//! Judges a CONNECT packet.

use rumqttc::mqttbytes::Protocol;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode};
use tokio::sync::mpsc;

use crate::clock::Timestamp;
use crate::error::HubError;
use crate::hub::Hub;
use crate::identity::{DeviceId, Identity};
use crate::mqtt::session::Session;
use rumqttc::mqttbytes::v4::Packet;

/// A device or a module that proved who it is.
pub(super) struct Admission {
    pub id: DeviceId,
    pub session_present: bool,
    /// When its token expires; the hub then ends the connection.
    pub expires: Timestamp,
}

/// Admits the device or the module and starts its session, or says with which code to refuse it.
///
/// Client id `{deviceId}`, of a module `{deviceId}/{moduleId}`; user name `{host}/{client id}/?api-version=…`; password a SAS
/// token, or none with a certificate ("Communicate with an IoT hub using the MQTT protocol"). Codes: 1 for another
/// protocol version, 2 for a client id that is none, 5 for all that has to do with rights.
pub(super) fn admit(
    hub: &Hub,
    connect: &Connect,
    certificate: Option<&[u8]>,
    connection: u64,
    outbox: mpsc::Sender<Packet>,
) -> Result<Admission, ConnectReturnCode> {
    if connect.protocol != Protocol::V4 {
        return Err(ConnectReturnCode::RefusedProtocolVersion);
    }
    let id = DeviceId::parse_any(&connect.client_id).map_err(|_| ConnectReturnCode::BadClientId)?;
    let login = connect.login.as_ref().ok_or(ConnectReturnCode::NotAuthorized)?;
    if !names_client(hub, &login.username, id.as_str()) {
        return Err(ConnectReturnCode::NotAuthorized);
    }
    let now = hub.clock.now();
    let admitted = hub.write_enabled(&id, |device| {
        let keys = hub.master_key.keys_of(&device.identity);
        let expires = match certificate.filter(|_| login.password.is_empty()) {
            Some(certificate) => authorize_certificate(&device.identity, certificate)?,
            None => hub.authority.authorize_device(&login.password, &device.identity, &keys, &hub.clock)?,
        };
        let session = device.session.get_or_insert_with(|| Box::new(Session::default()));
        let session_present = session.connect(connection, connect.clean_session, outbox);
        device.last_activity = Some(now);
        device.connection_changed = Some(now);
        Ok::<_, HubError>((session_present, expires))
    });
    let (session_present, expires) = admitted.map_err(|_| ConnectReturnCode::NotAuthorized)?;
    Ok(Admission { id, session_present, expires })
}

/// A self-signed certificate has no end of its own here: real ones are judged by their thumbprint alone.
fn authorize_certificate(identity: &Identity, certificate: &[u8]) -> Result<Timestamp, HubError> {
    let known = identity.thumbprints.as_ref().is_some_and(|thumbprints| thumbprints.know(certificate));
    if known { Ok(Timestamp::from_unix_seconds(u64::MAX)) } else { Err(HubError::unauthorized()) }
}

/// Whether a user name is `{host}/{id}/?api-version={version}…`; older clients leave out the `?`.
fn names_client(hub: &Hub, user_name: &str, id: &str) -> bool {
    let Some((host, rest)) = user_name.split_once('/') else { return false };
    let Some(query) = rest.strip_prefix(id).and_then(|rest| rest.strip_prefix('/')) else { return false };
    let query = query.strip_prefix('?').unwrap_or(query);
    let version = query.split('&').find_map(|pair| pair.strip_prefix("api-version="));
    hub.authority.knows_host(host) && version.is_some_and(is_version)
}

/// `2021-04-12`, `2020-05-31-preview`.
fn is_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}
