//! Azurite's access log, so that tests can count what was read and written.

/// One request that Azurite has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// `GET`, `PUT`, `HEAD`, `DELETE`.
    pub method: String,
    /// Account, container and blob as sent, percent-encoded: `/account/container/path`.
    pub path: String,
    /// What follows the question mark as sent (`comp=block&blockid=...`), without the value of a link's signature.
    pub query: String,
    /// The HTTP status of the answer.
    pub status: u16,
}

/// The requests among everything that Azurite prints.
pub(crate) fn parse(output: &str) -> Vec<AccessEntry> {
    // The last line may be in the middle of being written.
    let whole = output.rfind('\n').map_or("", |end| &output[..end]);
    whole.lines().filter_map(entry).collect()
}

/// A line in the common log format: `127.0.0.1 - - [24/Nov/2026:02:10:06 +0000] "PUT /a/c?restype=container HTTP/1.1" 201 -`.
fn entry(line: &str) -> Option<AccessEntry> {
    let (_, request) = line.split_once("] \"")?;
    let (request, answer) = request.rsplit_once("\" ")?;
    let (method, target) = request.split_once(' ')?;
    let target = target.rsplit_once(" HTTP/").map_or(target, |(target, _)| target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let status = answer.split(' ').next()?.parse().ok()?;
    let hide = |parameter| if str::starts_with(parameter, "sig=") { "sig=(hidden)" } else { parameter };
    let query = query.split('&').map(hide).collect::<Vec<_>>().join("&");
    Some(AccessEntry { method: method.to_owned(), path: path.to_owned(), query, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_signatures_are_not() {
        let log = "\
Azurite Blob service is starting at http://127.0.0.1:1
127.0.0.1 - - [24/Nov/2026:02:10:06 +0000] \"PUT /a/c?restype=container HTTP/1.1\" 201 -
127.0.0.1 - - [24/Nov/2026:02:10:07 +0000] \"GET /a/c/n%20m/x?se=2026&sp=r&sig=abc%3D&sr=b HTTP/1.1\" 206 17
127.0.0.1 - - [24/Nov/2026:02:10:08 +0000] \"HEAD /a/c HTTP/1.1\" 404 -
127.0.0.1 - - [24/Nov/2026:02:10:08 +0000] \"HEAD /a/c HTT";
        let expected = [
            ("PUT", "/a/c", "restype=container", 201),
            ("GET", "/a/c/n%20m/x", "se=2026&sp=r&sig=(hidden)&sr=b", 206),
            ("HEAD", "/a/c", "", 404),
        ]
        .map(|(method, path, query, status)| AccessEntry {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            status,
        });
        assert_eq!(parse(log), expected);
    }
}
