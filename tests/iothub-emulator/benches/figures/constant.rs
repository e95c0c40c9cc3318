//! What the patches are measured against: the same HTTP and TLS, and an answer that is always the same.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The argument by which this program is that server; the next one is the length of its answer.
pub const MODE: &str = "constant-answer";

pub async fn serve(length: &str) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ready = serde_json::json!({"port": listener.local_addr().unwrap().port(), "ca": certificate.pem()});
    println!("{ready}");
    std::io::stdout().flush().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answer = Bytes::from("x".repeat(length.parse().unwrap()));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        tokio::spawn(async move {
            stream.set_nodelay(true).unwrap();
            let stream = acceptor.accept(stream).await.unwrap();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    request.into_body().collect().await?;
                    let mut response = Response::new(Full::new(answer));
                    let json = HeaderValue::from_static("application/json; charset=utf-8");
                    response.headers_mut().insert(HeaderName::from_static("content-type"), json);
                    Ok::<_, hyper::Error>(response)
                }
            });
            // The clients go away without a word.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
