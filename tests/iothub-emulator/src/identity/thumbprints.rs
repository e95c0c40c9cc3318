//! Self-signed certificates of devices, known by their thumbprints.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::error::HubError;

/// Primary and secondary thumbprint, upper case: 40 digits are a SHA-1, 64 a SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thumbprints([Option<Box<str>>; 2]);

impl Thumbprints {
    /// Those of an identity that has none.
    pub const NONE: Self = Self([None, None]);

    /// Reads `authentication` of a `selfSigned` identity; there must be one thumbprint at least.
    pub fn parse(authentication: &Value) -> Result<Self, HubError> {
        let read = |name: &str| {
            let text = authentication.pointer(&format!("/x509Thumbprint/{name}")).and_then(Value::as_str);
            let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
            let is_one = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_one {
                let text =
                    format!("{name} must be the SHA-1 or SHA-256 of a certificate, in hexadecimal digits");
                return Err(HubError::invalid(text));
            }
            Ok(Some(text.to_ascii_uppercase().into()))
        };
        let thumbprints = [read("primaryThumbprint")?, read("secondaryThumbprint")?];
        if thumbprints.iter().all(Option::is_none) {
            return Err(HubError::invalid("A self-signed identity needs a thumbprint"));
        }
        Ok(Self(thumbprints))
    }

    /// Whether a certificate, in DER, is one of these.
    pub fn know(&self, certificate: &[u8]) -> bool {
        let digests = [hex(&Sha1::digest(certificate)), hex(&Sha256::digest(certificate))];
        self.0.iter().flatten().any(|known| digests.iter().any(|digest| **known == **digest))
    }
}

/// Thumbprints as the service API shows them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct X509Thumbprint<'a> {
    primary_thumbprint: Option<&'a str>,
    secondary_thumbprint: Option<&'a str>,
}

impl<'a> From<&'a Thumbprints> for X509Thumbprint<'a> {
    fn from(Thumbprints([primary, secondary]): &'a Thumbprints) -> Self {
        Self { primary_thumbprint: primary.as_deref(), secondary_thumbprint: secondary.as_deref() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Digests of "abc": FIPS 180-4, examples.
    #[test]
    fn certificates_are_known_by_either_digest() {
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        let sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let parse = |primary: Value, secondary: Value| {
            Thumbprints::parse(
                &json!({"x509Thumbprint": {"primaryThumbprint": primary, "secondaryThumbprint": secondary}}),
            )
        };
        for (primary, secondary) in
            [(json!(sha1), json!(null)), (json!(""), json!(sha256)), (json!(sha256), json!(sha1))]
        {
            let thumbprints = parse(primary, secondary).unwrap();
            assert!(thumbprints.know(b"abc") && !thumbprints.know(b"abd"));
        }
        for wrong in [json!(null), json!(""), json!("a99"), json!(sha1.replace('a', "x")), json!(1)] {
            assert!(parse(wrong.clone(), json!(null)).is_err(), "{wrong}");
        }
    }
}
