//! SAS tokens: reading them, checking their signature, writing them.
//!
//! `SharedAccessSignature sr=<uri>&sig=<base64 HMAC-SHA256>&se=<unix seconds>[&skn=<policy>]`, fields in any
//! order. The signed text is `sr` exactly as the token has it, a line feed, and `se` ("Control access to IoT
//! Hub with shared access signatures"); Node's service SDK does not percent-encode `sr`, so no canonical
//! encoding may be asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use crate::clock::Timestamp;

const SCHEME: &str = "SharedAccessSignature ";

/// A token whose fields were read; nothing is proven yet.
pub(crate) struct SasToken<'a> {
    resource: &'a str,
    signature: Vec<u8>,
    expires_text: &'a str,
    pub expires: Timestamp,
    /// The name of the shared access policy whose key signed; none for a device's own key.
    pub policy: Option<String>,
}

impl<'a> SasToken<'a> {
    /// None for anything that is not a complete token.
    pub fn parse(text: &'a str) -> Option<Self> {
        let fields = text.strip_prefix(SCHEME)?;
        let (mut resource, mut signature, mut expires_text, mut policy) = (None, None, None, None);
        for field in fields.split('&') {
            let (name, value) = field.split_once('=')?;
            match name.trim() {
                "sr" => resource = Some(value),
                "sig" => signature = STANDARD.decode(decoded(value)?).ok(),
                "se" => expires_text = Some(value),
                "skn" if !value.is_empty() => policy = Some(decoded(value)?),
                _ => {}
            }
        }
        // Digits alone; Rust's own reading would take a sign as well.
        let expires_text = expires_text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        let expires = Timestamp::from_unix_seconds(expires_text.parse().ok()?);
        Some(Self { resource: resource?, signature: signature?, expires_text, expires, policy })
    }

    /// Whether `key` (base64, as in a connection string) made this token's signature.
    pub fn is_signed_by(&self, key: &str) -> bool {
        mac(key, self.resource, self.expires_text)
            .is_some_and(|mac| mac.verify_slice(&self.signature).is_ok())
    }

    /// The resource it is for, decoded: `host[:port][/path]`.
    pub fn audience(&self) -> Option<String> {
        decoded(self.resource)
    }
}

/// Writes a token for `resource` (not yet encoded); none if `key` is not base64.
pub(crate) fn sign(resource: &str, key: &str, expires: Timestamp, policy: Option<&str>) -> Option<String> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let resource = encode(resource);
    let expires = expires.unix_seconds().to_string();
    let signature = STANDARD.encode(mac(key, &resource, &expires)?.finalize().into_bytes());
    let policy = policy.map(|name| format!("&skn={}", encode(name))).unwrap_or_default();
    Some(format!("{SCHEME}sr={resource}&sig={}&se={expires}{policy}", encode(&signature)))
}

fn mac(key: &str, resource: &str, expires: &str) -> Option<Hmac<Sha256>> {
    let key = STANDARD.decode(key).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(resource.as_bytes());
    mac.update(b"\n");
    mac.update(expires.as_bytes());
    Some(mac)
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "QUFBQUFBQUE=";

    /// Signatures observed from the SDKs themselves.
    #[test]
    fn signatures_of_the_sdks_are_verified() {
        let table = [
            ("localhost", 1_795_394_237, "TjdCbHLedGVNYHIMpAncjodgZN9JlWwChGe1xtP1RCc="),
            ("localhost%3A8443", 1_795_394_268, "kDGr9osQHJpwlXaPVb1+qPhalpID9XMiZjad+Tc62ko="),
            ("localhost%2Fdevices%2Fdev1", 1_795_394_325, "g0wXUpyEFJJAUrf2+6CKssyqBiVoB5lGbXk9+Hp8cd4="),
            (
                "myhub.azure-devices.net%2Fdevices%2Fdev1",
                1_795_394_372,
                "Qy3afmpUWp/AP33nwQweFYuZDRwcWfMWYpgTeaRYGxY=",
            ),
        ];
        for (resource, expires, signature) in table {
            let encoded = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            for text in [
                format!("SharedAccessSignature sr={resource}&sig={encoded}&se={expires}"),
                format!("SharedAccessSignature se={expires}&sig={encoded}&sr={resource}&skn=service"),
            ] {
                let token = SasToken::parse(&text).unwrap();
                assert!(token.is_signed_by(KEY), "{resource}");
                assert!(!token.is_signed_by("QUFBQUFBQUI="), "{resource}");
                assert_eq!(token.expires.unix_seconds(), expires);
            }
        }
    }

    #[test]
    fn what_is_signed_here_verifies_here() {
        let expires = Timestamp::from_unix_seconds(1_795_394_237);
        let text = sign("localhost:8443/devices/a b", KEY, expires, Some("device")).unwrap();
        let token = SasToken::parse(&text).unwrap();
        assert!(token.is_signed_by(KEY));
        assert_eq!(token.policy.as_deref(), Some("device"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "",
            "Bearer x",
            "SharedAccessSignature ",
            "SharedAccessSignature sr=a&sig=AAAA",
            "SharedAccessSignature sr=a&se=1",
            "SharedAccessSignature sr=a&sig=%%%&se=1",
            "SharedAccessSignature sr=a&sig=AAAA&se=-1",
            "SharedAccessSignature sr=a&sig=AAAA&se=+1",
            "SharedAccessSignature sr=a&sig=AAAA&se=",
            "SharedAccessSignature sr=a&sig=AAAA&se=18446744073709551616",
            "SharedAccessSignature sr=a&sig=AAAA&se=1&skn=%ff",
            "SharedAccessSignature sr=a&sig=AAAA&se=1&bare",
        ] {
            assert!(SasToken::parse(text).is_none(), "{text}");
        }
    }
}
