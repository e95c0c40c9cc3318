//! The service API's operations, by method and path.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, HubError};

/// An operation of the service API; counters and faults go by it. In JSON it is `patchTwin` and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Route {
    /// `GET /devices`
    ListDevices,
    /// `GET /devices/{id}`
    GetDevice,
    /// `PUT /devices/{id}`
    PutDevice,
    /// `DELETE /devices/{id}`
    DeleteDevice,
    /// `GET /twins/{id}`
    GetTwin,
    /// `PATCH /twins/{id}`
    PatchTwin,
    /// `PUT /twins/{id}`
    PutTwin,
    /// `POST /devices/query`
    Query,
    /// Anything else.
    Unknown,
}

/// A route and the device that it is about; an id is percent-decoded, and empty where the route has none.
pub(crate) fn resolve(method: &str, path: &str) -> Result<(Route, String), HubError> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (table, id): (&[(&str, Route)], &str) = match steps.as_slice() {
        ["devices"] => (&[("GET", Route::ListDevices)], ""),
        ["devices", "query"] if method == "POST" => (&[("POST", Route::Query)], ""),
        ["devices", id] => {
            (&[("GET", Route::GetDevice), ("PUT", Route::PutDevice), ("DELETE", Route::DeleteDevice)], id)
        }
        ["twins", id] => {
            (&[("GET", Route::GetTwin), ("PATCH", Route::PatchTwin), ("PUT", Route::PutTwin)], id)
        }
        _ => return Err(HubError::new(ErrorCode::NotFound, "This emulator serves no such path")),
    };
    let id = decode(id).map_err(|_| HubError::invalid("The device id in the path is not UTF-8"))?;
    match table.iter().find(|(allowed, _)| *allowed == method) {
        Some((_, route)) => Ok((*route, id)),
        None => Err(HubError::new(ErrorCode::MethodNotAllowed, "This path is not served for this method")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_paths_find_their_route() {
        let table = [
            ("GET", "/devices", Some((Route::ListDevices, ""))),
            ("GET", "/devices/", Some((Route::ListDevices, ""))),
            ("GET", "/devices/d1", Some((Route::GetDevice, "d1"))),
            // The SDKs percent-encode ids whole.
            ("PUT", "/devices/%24a%2Bb%3D", Some((Route::PutDevice, "$a+b="))),
            ("PATCH", "/twins/query", Some((Route::PatchTwin, "query"))),
            ("POST", "/devices/query", Some((Route::Query, ""))),
            ("GET", "/devices/query", Some((Route::GetDevice, "query"))),
            ("POST", "/twins/d1", None),
            ("GET", "/twins/d1/modules/m", None),
            ("GET", "/twins/%ff", None),
            ("GET", "/", None),
        ];
        for (method, path, expected) in table {
            let found = resolve(method, path).ok();
            assert_eq!(found, expected.map(|(route, id)| (route, id.to_owned())), "{method} {path}");
        }
    }
}
