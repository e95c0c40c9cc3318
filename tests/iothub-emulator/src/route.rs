//! The service API's operations, by method and path.

use std::borrow::Cow;

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
    /// `POST /devices`
    BulkDevices,
    /// `GET /devices/{id}/modules`
    ListModules,
    /// `GET /devices/{id}/modules/{module}`
    GetModule,
    /// `PUT /devices/{id}/modules/{module}`
    PutModule,
    /// `DELETE /devices/{id}/modules/{module}`
    DeleteModule,
    /// `GET /twins/{id}/modules/{module}`
    GetModuleTwin,
    /// `PATCH /twins/{id}/modules/{module}`
    PatchModuleTwin,
    /// `PUT /twins/{id}/modules/{module}`
    PutModuleTwin,
    /// `GET /statistics/devices`
    DeviceStatistics,
    /// `GET /statistics/service`
    ServiceStatistics,
    /// `GET /jobs/v2/{id}`
    GetJob,
    /// `PUT /jobs/v2/{id}`
    PutJob,
    /// `POST /jobs/v2/{id}/cancel`
    CancelJob,
    /// `GET /jobs/v2/query`
    ListJobs,
    /// `GET /configurations`
    ListConfigurations,
    /// `GET /configurations/{id}`
    GetConfiguration,
    /// `PUT /configurations/{id}`
    PutConfiguration,
    /// `DELETE /configurations/{id}`
    DeleteConfiguration,
    /// `POST /configurations/testQueries`
    TestConfigurationQueries,
    /// `POST /devices/{id}/applyConfigurationContent`
    ApplyConfigurationContent,
    /// Anything else.
    Unknown,
}

/// Methods of a path, and what each of them does.
type Table = &'static [(&'static str, Route)];

/// A route and what it is about: the id of a device, a job, a configuration, `{device}/{module}` for a module; percent-decoded, and empty
/// where the route has none.
pub(crate) fn resolve(method: &str, path: &str) -> Result<(Route, String), HubError> {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (table, ids): (Table, &[&str]) = match steps.as_slice() {
        ["devices"] => (&[("GET", Route::ListDevices), ("POST", Route::BulkDevices)], &[]),
        ["devices", "query"] if method == "POST" => (&[("POST", Route::Query)], &[]),
        ["devices", id] => {
            (&[("GET", Route::GetDevice), ("PUT", Route::PutDevice), ("DELETE", Route::DeleteDevice)], &[*id])
        }
        ["devices", id, "modules"] => (&[("GET", Route::ListModules)], &[*id]),
        ["devices", id, "modules", module] => (
            &[("GET", Route::GetModule), ("PUT", Route::PutModule), ("DELETE", Route::DeleteModule)],
            &[*id, *module],
        ),
        ["twins", id] => {
            (&[("GET", Route::GetTwin), ("PATCH", Route::PatchTwin), ("PUT", Route::PutTwin)], &[*id])
        }
        ["twins", id, "modules", module] => (
            &[
                ("GET", Route::GetModuleTwin),
                ("PATCH", Route::PatchModuleTwin),
                ("PUT", Route::PutModuleTwin),
            ],
            &[*id, *module],
        ),
        ["statistics", "devices"] => (&[("GET", Route::DeviceStatistics)], &[]),
        ["statistics", "service"] => (&[("GET", Route::ServiceStatistics)], &[]),
        ["devices", id, "applyConfigurationContent"] => {
            (&[("POST", Route::ApplyConfigurationContent)], &[*id])
        }
        ["configurations"] => (&[("GET", Route::ListConfigurations)], &[]),
        ["configurations", "testQueries"] => (&[("POST", Route::TestConfigurationQueries)], &[]),
        ["configurations", id] => (
            &[
                ("GET", Route::GetConfiguration),
                ("PUT", Route::PutConfiguration),
                ("DELETE", Route::DeleteConfiguration),
            ],
            &[*id],
        ),
        ["jobs", "v2", "query"] => (&[("GET", Route::ListJobs)], &[]),
        ["jobs", "v2", id] => (&[("GET", Route::GetJob), ("PUT", Route::PutJob)], &[*id]),
        ["jobs", "v2", id, "cancel"] => (&[("POST", Route::CancelJob)], &[*id]),
        _ => return Err(HubError::new(ErrorCode::NotFound, "This emulator serves no such path")),
    };
    let mut name = String::new();
    for (at, step) in ids.iter().enumerate() {
        if at > 0 {
            name.push('/');
        }
        name.push_str(&id(step)?);
    }
    match table.iter().find(|(allowed, _)| *allowed == method) {
        Some((_, route)) => Ok((*route, name)),
        None => Err(HubError::new(ErrorCode::MethodNotAllowed, "This path is not served for this method")),
    }
}

/// One id of a path, decoded. None has a slash, which is what parts a module's id from its device's.
fn id(text: &str) -> Result<Cow<'_, str>, HubError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(id) if !id.contains('/') => Ok(id),
        Ok(_) => Err(HubError::invalid("An id in the path contains a slash")),
        Err(_) => Err(HubError::invalid("An id in the path is not UTF-8")),
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
            ("GET", "/twins/d1/modules/%24m", Some((Route::GetModuleTwin, "d1/$m"))),
            ("GET", "/devices/d1/modules", Some((Route::ListModules, "d1"))),
            ("DELETE", "/devices/d1/modules/m", Some((Route::DeleteModule, "d1/m"))),
            ("GET", "/devices/d1%2Fm", None),
            ("POST", "/devices", Some((Route::BulkDevices, ""))),
            ("GET", "/statistics/devices", Some((Route::DeviceStatistics, ""))),
            ("GET", "/twins/d1/modules", None),
            ("GET", "/twins//modules/m", Some((Route::GetModuleTwin, "/m"))),
            ("PUT", "/configurations/a%2Bb", Some((Route::PutConfiguration, "a+b"))),
            ("POST", "/configurations/testQueries", Some((Route::TestConfigurationQueries, ""))),
            ("PUT", "/jobs/v2/j-1", Some((Route::PutJob, "j-1"))),
            ("POST", "/jobs/v2/j-1/cancel", Some((Route::CancelJob, "j-1"))),
            ("GET", "/jobs/v2/query", Some((Route::ListJobs, ""))),
            ("GET", "/twins/%ff", None),
            ("GET", "/", None),
        ];
        for (method, path, expected) in table {
            let found = resolve(method, path).ok();
            assert_eq!(found, expected.map(|(route, id)| (route, id.to_owned())), "{method} {path}");
        }
    }
}
