//! The SAS token that every call to a hub carries.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;

use super::{connection::HubConnection, transport::encode};
use crate::{secret::Secret, time};

/// How long a token is good for: what Azure's SDKs use.
const LIFETIME: Duration = Duration::from_hours(1);
/// A token with less left than this is replaced; more than the five minutes of clock skew that hubs tolerate.
const MARGIN: Duration = Duration::from_mins(10);

/// Makes tokens for a hub and keeps the current one.
pub struct TokenSource {
    connection: HubConnection,
    current: Mutex<Option<(Secret, Timestamp)>>,
}

impl TokenSource {
    /// Tokens of the policy of `connection`.
    pub fn new(connection: HubConnection) -> Self {
        Self { connection, current: Mutex::new(None) }
    }

    /// The connection whose policy signs.
    pub fn connection(&self) -> &HubConnection {
        &self.connection
    }

    /// A token with at least ten minutes left, for the header `Authorization`. One with more left than a token ever has was made
    /// before the clock was set back, and a hub may refuse it as too long.
    pub fn token(&self, now: Timestamp) -> Secret {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, expires)) = current.as_ref()
            && (MARGIN..=LIFETIME).contains(&time::until(*expires, now))
        {
            return token.clone();
        }
        let expires = time::plus(now, LIFETIME);
        let token = sign(&self.connection, expires.as_second());
        *current = Some((token.clone(), expires));
        token
    }
}

/// A token for the whole hub until `expires` in Unix seconds. What is signed is the resource exactly as it stands in the token, a
/// line feed, and the expiry (IoT Hub docs, "Control access with shared access signatures").
fn sign(connection: &HubConnection, expires: i64) -> Secret {
    let resource = encode(&connection.host_name().to_ascii_lowercase());
    let signature = encode(&connection.sign(&format!("{resource}\n{expires}")));
    let policy = encode(connection.policy());
    Secret::new(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={policy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(host: &str) -> HubConnection {
        let text = format!("HostName={host};SharedAccessKeyName=a b;SharedAccessKey=QUFBQUFBQUE=");
        HubConnection::parse(&text).unwrap()
    }

    #[test]
    fn signs_as_the_sdks_do() {
        for (resource, expires, want) in [
            ("localhost", 1_795_394_237, "TjdCbHLedGVNYHIMpAncjodgZN9JlWwChGe1xtP1RCc="),
            ("localhost%3A8443", 1_795_394_268, "kDGr9osQHJpwlXaPVb1+qPhalpID9XMiZjad+Tc62ko="),
            ("localhost%2Fdevices%2Fdev1", 1_795_394_325, "g0wXUpyEFJJAUrf2+6CKssyqBiVoB5lGbXk9+Hp8cd4="),
        ] {
            assert_eq!(connection("h").sign(&format!("{resource}\n{expires}")), want);
        }
        assert_eq!(
            sign(&connection("LocalHost:8443"), 1_795_394_268).expose(),
            "SharedAccessSignature sr=localhost%3A8443&sig=kDGr9osQHJpwlXaPVb1%2BqPhalpID9XMiZjad%2BTc62ko%3D\
             &se=1795394268&skn=a%20b"
        );
    }

    #[test]
    fn a_token_is_kept_until_little_is_left() {
        let source = TokenSource::new(connection("h"));
        let at = |seconds: i64| Timestamp::from_second(1_795_000_000 + seconds).unwrap();
        let first = source.token(at(0));
        assert!(first.expose().contains("se=1795003600&"));
        assert_eq!(source.token(at(3000)), first);
        let second = source.token(at(3001));
        assert!(second.expose().contains("se=1795006601&"));
        assert_eq!(source.token(at(3002)), second);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_a_new_token() {
        let source = TokenSource::new(connection("h"));
        let at = |seconds: i64| Timestamp::from_second(1_795_000_000 + seconds).unwrap();
        let first = source.token(at(0));
        assert_eq!(source.token(at(0)), first);
        assert!(source.token(at(-1)).expose().contains("se=1795003599&"));
        assert!(source.token(at(-86_400)).expose().contains("se=1794917200&"));
    }
}
