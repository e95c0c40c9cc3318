//! The hub's errors: code number, name, HTTP status, and the two body shapes in which clients get them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::random;

/// What went wrong, by the name that goes into `iothub-errorcode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ErrorCode {
    InvalidProtocolVersion,
    ArgumentInvalid,
    ArgumentNull,
    DeviceDefinedMultipleTimes,
    BulkRegistryOperationFailure,
    InvalidConfigurationTargetCondition,
    InvalidConfigurationContent,
    CannotModifyImmutableConfigurationContent,
    InvalidConfigurationCustomMetricsQuery,
    IotHubUnauthorizedAccess,
    IotHubQuotaExceeded,
    NotFound,
    DeviceNotFound,
    ModuleNotFound,
    DeviceNotOnline,
    JobNotFound,
    ConfigurationNotFound,
    MethodNotAllowed,
    DeviceAlreadyExists,
    ModuleAlreadyExistsOnDevice,
    JobAlreadyExists,
    ConfigurationAlreadyExists,
    PreconditionFailed,
    JobRunPreconditionFailed,
    MessageTooLarge,
    TooManyModulesOnDevice,
    ConfigurationCountLimitExceeded,
    ThrottlingException,
    ThrottlingMaxActiveJobCountExceeded,
    ServerError,
    GenericTimeout,
    ServiceUnavailable,
}

/// Six-digit codes, whose first three digits are the HTTP status, and names ("Troubleshoot Azure IoT Hub
/// error codes"; `DeviceNotOnline` is the code of a method call that finds no device). The first of a status is
/// the one that it most often stands for.
const CODES: [(ErrorCode, u32, &str); 32] = [
    (ErrorCode::ArgumentInvalid, 400_004, "ArgumentInvalid"),
    (ErrorCode::InvalidProtocolVersion, 400_001, "InvalidProtocolVersion"),
    (ErrorCode::ArgumentNull, 400_005, "ArgumentNull"),
    (ErrorCode::IotHubUnauthorizedAccess, 401_002, "IotHubUnauthorizedAccess"),
    (ErrorCode::IotHubQuotaExceeded, 403_002, "IotHubQuotaExceeded"),
    (ErrorCode::DeviceNotFound, 404_001, "DeviceNotFound"),
    (ErrorCode::NotFound, 404_000, "NotFound"),
    (ErrorCode::MethodNotAllowed, 405_000, "MethodNotAllowed"),
    (ErrorCode::DeviceAlreadyExists, 409_001, "DeviceAlreadyExists"),
    (ErrorCode::PreconditionFailed, 412_001, "PreconditionFailed"),
    (ErrorCode::MessageTooLarge, 413_001, "MessageTooLarge"),
    (ErrorCode::ThrottlingException, 429_001, "ThrottlingException"),
    (ErrorCode::ServerError, 500_001, "ServerError"),
    (ErrorCode::ServiceUnavailable, 503_001, "ServiceUnavailable"),
    (ErrorCode::DeviceDefinedMultipleTimes, 400_011, "DeviceDefinedMultipleTimes"),
    (ErrorCode::BulkRegistryOperationFailure, 400_013, "BulkRegistryOperationFailure"),
    (ErrorCode::InvalidConfigurationTargetCondition, 400_401, "InvalidConfigurationTargetCondition"),
    (ErrorCode::InvalidConfigurationContent, 400_402, "InvalidConfigurationContent"),
    (
        ErrorCode::CannotModifyImmutableConfigurationContent,
        400_403,
        "CannotModifyImmutableConfigurationContent",
    ),
    (ErrorCode::InvalidConfigurationCustomMetricsQuery, 400_404, "InvalidConfigurationCustomMetricsQuery"),
    (ErrorCode::ModuleNotFound, 404_010, "ModuleNotFound"),
    (ErrorCode::DeviceNotOnline, 404_103, "DeviceNotOnline"),
    (ErrorCode::JobNotFound, 404_002, "JobNotFound"),
    (ErrorCode::ConfigurationNotFound, 404_301, "ConfigurationNotFound"),
    (ErrorCode::ModuleAlreadyExistsOnDevice, 409_301, "ModuleAlreadyExistsOnDevice"),
    (ErrorCode::JobAlreadyExists, 409_104, "JobAlreadyExists"),
    (ErrorCode::ConfigurationAlreadyExists, 409_401, "ConfigurationAlreadyExists"),
    (ErrorCode::JobRunPreconditionFailed, 412_003, "JobRunPreconditionFailed"),
    (ErrorCode::TooManyModulesOnDevice, 413_003, "TooManyModulesOnDevice"),
    (ErrorCode::ConfigurationCountLimitExceeded, 413_101, "ConfigurationCountLimitExceeded"),
    (ErrorCode::ThrottlingMaxActiveJobCountExceeded, 429_004, "ThrottlingMaxActiveJobCountExceeded"),
    (ErrorCode::GenericTimeout, 500_008, "GenericTimeout"),
];

impl ErrorCode {
    /// The code that a status most often stands for; `ServerError` if there is none.
    pub fn of_status(status: u16) -> Self {
        CODES.iter().map(|(code, ..)| *code).find(|code| code.status() == status).unwrap_or(Self::ServerError)
    }

    pub fn name(self) -> &'static str {
        CODES.iter().find(|(code, ..)| *code == self).map_or("ServerError", |(.., name)| name)
    }

    pub fn number(self) -> u32 {
        CODES.iter().find(|(code, ..)| *code == self).map_or(500_001, |(_, number, _)| *number)
    }

    pub fn status(self) -> u16 {
        u16::try_from(self.number() / 1000).unwrap_or(500)
    }
}

/// An error on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HubError {
    pub code: ErrorCode,
    pub text: String,
}

impl HubError {
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, text)
    }

    /// The text is the same whatever was wrong: a client learns nothing about keys.
    pub fn unauthorized() -> Self {
        Self::new(ErrorCode::IotHubUnauthorizedAccess, "Unauthorized")
    }

    /// Also for a module, which is known by `{device}/{module}`.
    pub fn device_not_found(id: &str) -> Self {
        match id.split_once('/') {
            None => Self::new(ErrorCode::DeviceNotFound, format!("Device {id} not registered")),
            Some((device, module)) => {
                let text = format!("Module {module} not registered on device {device}");
                Self::new(ErrorCode::ModuleNotFound, text)
            }
        }
    }

    pub fn precondition_failed(id: &str) -> Self {
        let text = format!(
            "Precondition failed: the etag in If-Match does not match the etag of the existing resource {id}, \
             as per RFC7232"
        );
        Self::new(ErrorCode::PreconditionFailed, text)
    }

    /// The body of the service API (azure-iot-sdk-csharp#2419): Node's client parses this shape only.
    pub fn service_body(&self, now: Timestamp) -> Value {
        json!({
            "Message": format!("ErrorCode:{};{}", self.code.name(), self.text),
            "ExceptionMessage": format!("Tracking ID:{}-G:0-TimeStamp:{}", random::request_id(), now.american()),
        })
    }

    /// The payload of a failed twin operation over MQTT: Node recognises failure by its `errorCode` alone.
    pub fn device_body(&self, now: Timestamp) -> Value {
        json!({
            "errorCode": self.code.number(),
            "trackingId": format!("{}-G:0-TimeStamp:{}", random::request_id(), now.american()),
            "message": self.text,
            "timestampUtc": now.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_shapes_that_the_sdks_parse() {
        let error = HubError::device_not_found("d1");
        let now = Timestamp::from_unix_seconds(1_654_034_816);
        let service = error.service_body(now);
        assert_eq!(service["Message"], "ErrorCode:DeviceNotFound;Device d1 not registered");
        let exception = service["ExceptionMessage"].as_str().unwrap();
        let id = exception
            .strip_prefix("Tracking ID:")
            .unwrap()
            .strip_suffix("-G:0-TimeStamp:05/31/2022 22:06:56");
        assert!(id.is_some_and(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        let device = error.device_body(now);
        assert_eq!(device["errorCode"], 404_001);
        assert_eq!(device["timestampUtc"], "2022-05-31T22:06:56Z");
        assert_eq!(error.code.status(), 404);
    }

    #[test]
    fn every_code_has_a_number_a_name_and_a_status() {
        for (code, number, name) in CODES {
            assert_eq!((code.number(), code.name()), (number, name));
            assert_eq!(ErrorCode::of_status(code.status()).status(), code.status());
        }
        assert_eq!(ErrorCode::of_status(404), ErrorCode::DeviceNotFound);
        assert_eq!(ErrorCode::of_status(429).number(), 429_001);
        assert_eq!(ErrorCode::of_status(418), ErrorCode::ServerError);
    }
}
