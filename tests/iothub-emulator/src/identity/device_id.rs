//! Ids of devices and modules that a hub accepts.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::HubError;

const MAX_LENGTH: usize = 128;

/// At most 128 ASCII characters: letters, digits and `- : . + % _ # * ? ! ( ) , = @ ; $ '`; case-sensitive
/// (twin model of the Python service SDK). A module is known by `{device}/{module}`, as its MQTT client id has
/// it: no id contains a slash, so the two parts cannot be mistaken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct DeviceId(Arc<str>);

impl DeviceId {
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&byte);
        if !text.is_empty() && text.len() <= MAX_LENGTH && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(HubError::invalid(format!(
                "Invalid device id '{}': it has 1 to {MAX_LENGTH} ASCII letters, digits or \
                 - : . + % _ # * ? ! ( ) , = @ ; $ '",
                text.escape_debug()
            )))
        }
    }

    /// The id of a module of a device.
    pub fn of_module(device: &str, module: &str) -> Result<Self, HubError> {
        let (device, module) = (Self::parse(device)?, Self::parse(module)?);
        Ok(Self(format!("{device}/{module}").into()))
    }

    /// The id of either, a module's as `{device}/{module}`.
    pub fn parse_any(text: &str) -> Result<Self, HubError> {
        match text.split_once('/') {
            None => Self::parse(text),
            Some((device, module)) => Self::of_module(device, module),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The device, of a module the one that it is on.
    pub fn device(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(device, _)| device)
    }

    /// The module's part of the id; none for a device.
    pub fn module(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, module)| module)
    }

    /// What a SAS token of this identity is for, after the host name.
    pub fn resource(&self) -> String {
        let module = self.module().map(|module| format!("/modules/{module}")).unwrap_or_default();
        format!("/devices/{}{module}", self.device())
    }
}

impl TryFrom<String> for DeviceId {
    type Error = &'static str;

    /// Reads what a state file has: the id of either.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse_any(&text).map_err(|_| "no id of a device or module")
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.to_string()
    }
}

impl Borrow<str> for DeviceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_judged_by_length_and_characters() {
        let longest = "d".repeat(128);
        let too_long = "d".repeat(129);
        let table = [
            ("a", true),
            ("AZaz09-:.+%_#*?!(),=@;$'", true),
            (longest.as_str(), true),
            ("", false),
            (too_long.as_str(), false),
            ("a b", false),
            ("a/b", false),
            ("é", false),
            ("a\n", false),
        ];
        for (text, accepted) in table {
            assert_eq!(DeviceId::parse(text).is_ok(), accepted, "{text}");
        }
    }

    #[test]
    fn a_module_is_known_by_both_its_ids() {
        let module = DeviceId::of_module("d1", "$edgeHub").unwrap();
        assert_eq!(
            (module.as_str(), module.device(), module.module()),
            ("d1/$edgeHub", "d1", Some("$edgeHub"))
        );
        assert_eq!(module.resource(), "/devices/d1/modules/$edgeHub");
        let device = DeviceId::parse("d1").unwrap();
        assert_eq!((device.device(), device.module()), ("d1", None));
        assert_eq!(device.resource(), "/devices/d1");
        assert!(DeviceId::of_module("d1", "a/b").is_err() && DeviceId::of_module("", "m").is_err());
    }
}
