//! Signs requests with the account key.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use azure_core::http::{
    Context, Request,
    policies::{Policy, PolicyResult},
};
use k8s_openapi::jiff::tz::TimeZone;

use super::key::AccountKey;
use crate::clock::Clock;

/// Adds `x-ms-date` and `Authorization` to each try; the last policy that may touch a header. The service accepts a date that is
/// up to 15 minutes off, so a signature must not be used again (Azure Storage docs, "Authorize with Shared Key").
#[derive(Debug)]
pub(super) struct SharedKey(AccountKey, Clock);

impl SharedKey {
    /// Signs with `key`, at the time that `clock` tells.
    pub(super) fn new(key: AccountKey, clock: Clock) -> Self {
        Self(key, clock)
    }
}

#[async_trait]
impl Policy for SharedKey {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let Self(key, clock) = self;
        let account = key.account();
        let now = clock.now().to_zoned(TimeZone::UTC);
        request.insert_header("x-ms-date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        let signature = key.sign(&string_to_sign(account, request));
        request.insert_header("authorization", format!("SharedKey {account}:{signature}"));
        next[0].send(ctx, request, &next[1..]).await
    }
}

/// The standard headers that are signed by position. `Content-Length` stands between the second and the third, and is left empty
/// where it is zero; so is `Date`, in whose place `x-ms-date` is signed.
const STANDARD_HEADERS: [&str; 10] = [
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

fn string_to_sign(account: &str, request: &Request) -> String {
    // The SDK's header names are lower-case.
    let headers: BTreeMap<&str, &str> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_str().trim())).collect();
    let mut lines = vec![request.method().as_str().to_owned()];
    lines.extend(STANDARD_HEADERS.map(|name| headers.get(name).copied().unwrap_or_default().to_owned()));
    let length = request.body().len().filter(|length| *length > 0).map(|length| length.to_string());
    lines.insert(3, length.unwrap_or_default());
    let own = headers.iter().filter(|(name, _)| name.starts_with("x-ms-"));
    lines.extend(own.map(|(name, value)| format!("{name}:{value}")));

    let url = request.url();
    lines.push(format!("/{account}{}", url.path()));
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        query.entry(name.to_ascii_lowercase()).or_default().push(value.into_owned());
    }
    for (name, mut values) in query {
        values.sort_unstable();
        lines.push(format!("{name}:{}", values.join(",")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use azure_core::http::Method;

    use super::*;

    fn request(
        method: Method,
        url: &str,
        headers: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> Request {
        let mut request = Request::new(url.parse().unwrap(), method);
        for (name, value) in headers {
            request.insert_header(*name, *value);
        }
        request.set_body(body);
        request
    }

    #[test]
    fn what_is_signed() {
        let put = request(
            Method::Put,
            "http://127.0.0.1:10000/acct/c/a/%C3%BC%20b?comp=block&blockid=YQ%3D%3D&Comp=again",
            &[
                ("x-ms-version", "2026-04-06"),
                ("x-ms-meta-uid", "  u 1 "),
                ("x-ms-date", "Tue, 24 Nov 2026 12:00:00 GMT"),
                ("content-type", "application/octet-stream"),
                ("content-md5", "sZRqySSS0jR8YjW00mERhA=="),
                ("if-none-match", "*"),
                ("user-agent", "unsigned"),
            ],
            "hello\n",
        );
        assert_eq!(
            string_to_sign("acct", &put),
            "PUT\n\n\n6\nsZRqySSS0jR8YjW00mERhA==\napplication/octet-stream\n\n\n\n*\n\n\n\
             x-ms-date:Tue, 24 Nov 2026 12:00:00 GMT\nx-ms-meta-uid:u 1\nx-ms-version:2026-04-06\n\
             /acct/acct/c/a/%C3%BC%20b\nblockid:YQ==\ncomp:again,block"
        );
        let get = request(Method::Get, "https://acct.blob.core.windows.net/c", &[("x-ms-date", "d")], "");
        assert_eq!(string_to_sign("acct", &get), "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:d\n/acct/c");
    }

    /// The signature was computed with Python: `base64(hmac.new(b"secret-key", text, sha256))`, of the text written out by hand
    /// after Microsoft's page "Authorize with Shared Key".
    #[test]
    fn signature() {
        let get = request(Method::Get, "https://acct.blob.core.windows.net/c", &[("x-ms-date", "d")], "");
        let key = AccountKey::new("acct", b"secret-key".to_vec());
        assert_eq!(key.sign(&string_to_sign("acct", &get)), "yKee4Sukdk+vgp7P5MnybmhEGIlonN62R6AX669BZgM=");
    }
}
