//! Lets the service verify what it receives.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::{
    Body, Context, Method, Request,
    policies::{Policy, PolicyResult},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};

/// Adds `Content-MD5` to every PUT that has a body, so that the service refuses with `Md5Mismatch` what was damaged on its way
/// (Azure Storage docs, "Put Blob", "Put Block"). The SDK's managed upload adds none, and a block once stored is never verified
/// against anything again. Stands before the signature, which covers the header.
#[derive(Debug)]
pub(super) struct BlockMd5;

#[async_trait]
impl Policy for BlockMd5 {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        add_md5(request);
        next[0].send(ctx, request, &next[1..]).await
    }
}

fn add_md5(request: &mut Request) {
    let Body::Bytes(bytes) = request.body() else { return };
    if request.method() == Method::Put && !bytes.is_empty() {
        let md5 = BASE64_STANDARD.encode(Md5::digest(bytes));
        request.insert_header("content-md5", md5);
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::HeaderName;

    use super::*;

    #[test]
    fn bodies_that_are_put_carry_their_md5() {
        for (method, body, want) in [
            // printf 'hello\n' | openssl md5 -binary | base64
            (Method::Put, "hello\n", Some("sZRqySSS0jR8YjW00mERhA==")),
            (Method::Put, "", None),
            (Method::Get, "hello\n", None),
        ] {
            let mut request = Request::new("http://127.0.0.1/a/c/b".parse().unwrap(), method);
            request.set_body(body);
            add_md5(&mut request);
            assert_eq!(request.headers().get_optional_str(&HeaderName::from_static("content-md5")), want);
        }
    }
}
