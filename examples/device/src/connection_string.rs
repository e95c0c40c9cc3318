//! A device's connection string.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};

/// MQTT over TLS ("Communicate with an IoT hub using the MQTT protocol").
const MQTT_PORT: u16 = 8883;

/// Who the device is and where its hub is: `HostName=…;DeviceId=…;SharedAccessKey=…[;GatewayHostName=…]`.
#[derive(Clone)]
pub struct ConnectionString {
    host_name: String,
    gateway: Option<String>,
    device_id: String,
    key: Vec<u8>,
}

/// What is wrong with a connection string; the text itself holds a key and is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// A part is not there.
    #[error("the device connection string has no {0}")]
    Missing(&'static str),
    /// The key is none.
    #[error("SharedAccessKey in the device connection string is not base64")]
    Key,
    /// The gateway's port is none.
    #[error("GatewayHostName in the device connection string has a port that is no number")]
    Port,
}

impl ConnectionString {
    /// Reads it. Parts that are not known are passed over, as Azure's SDKs do.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let part = |name: &'static str| {
            let found = text.trim().split(';').filter_map(|part| part.split_once('='));
            let mut found = found.filter(|(key, value)| key.trim() == name && !value.is_empty());
            found.next().map(|(_, value)| value.to_owned()).ok_or(Malformed::Missing(name))
        };
        let key = BASE64_STANDARD.decode(part("SharedAccessKey")?).map_err(|_| Malformed::Key)?;
        let gateway = part("GatewayHostName").ok();
        if let Some((_, port)) = gateway.as_deref().and_then(|gateway| gateway.rsplit_once(':')) {
            port.parse::<u16>().map_err(|_| Malformed::Port)?;
        }
        Ok(Self { host_name: part("HostName")?, gateway, device_id: part("DeviceId")?, key })
    }

    /// The device's id.
    pub fn device_id(&self) -> &str {
        &self.device_id
    }

    /// The hub's name, for which tokens are signed even where a gateway is dialled.
    pub(crate) fn host_name(&self) -> &str {
        &self.host_name
    }

    /// The device's key, decoded.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The host and port to dial: the gateway's where there is one.
    pub(crate) fn mqtt_address(&self) -> (&str, u16) {
        let host = self.gateway.as_deref().unwrap_or(&self.host_name);
        // A port in `HostName` is not MQTT's.
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let port = if self.gateway.is_some() { port.parse().unwrap_or(MQTT_PORT) } else { MQTT_PORT };
        (name, port)
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionString")
            .field("host_name", &self.host_name)
            .field("device_id", &self.device_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionString;

    #[test]
    fn parts_are_found_and_a_gateway_is_dialled() {
        let table = [
            ("HostName=h.azure-devices.net;DeviceId=d=1;SharedAccessKey=a2V5", ("h.azure-devices.net", 8883)),
            ("SharedAccessKey=a2V5;DeviceId=d=1;HostName=h:8443;Other=1\n", ("h", 8883)),
            ("HostName=h;DeviceId=d=1;SharedAccessKey=a2V5;GatewayHostName=g:18883", ("g", 18883)),
            ("HostName=h;DeviceId=d=1;SharedAccessKey=a2V5;GatewayHostName=g", ("g", 8883)),
        ];
        for (text, address) in table {
            let connection = ConnectionString::parse(text).unwrap();
            assert_eq!(connection.mqtt_address(), address, "{text}");
            assert_eq!((connection.device_id(), connection.key()), ("d=1", b"key".as_slice()), "{text}");
        }
    }

    #[test]
    fn the_part_that_is_wrong_is_named_and_the_key_is_not() {
        let table = [
            ("", "has no SharedAccessKey"),
            ("HostName=h;SharedAccessKey=a2V5", "has no DeviceId"),
            ("DeviceId=d;SharedAccessKey=a2V5", "has no HostName"),
            ("HostName=h;DeviceId=d;SharedAccessKey=s!cret", "is not base64"),
            ("HostName=h;DeviceId=d;SharedAccessKey=a2V5;GatewayHostName=g:x", "no number"),
        ];
        for (text, wanted) in table {
            let error = ConnectionString::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("s!cret"), "{text}: {error}");
        }
        let shown =
            format!("{:?}", ConnectionString::parse("HostName=h;DeviceId=d;SharedAccessKey=a2V5").unwrap());
        assert!(!shown.contains("key") && !shown.contains("a2V5"), "{shown}");
    }
}
