//! A certificate authority for one stand-in, so that clients verify it as they would the real thing.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::{Error, Result};

/// A serving certificate and key in files, and the authority that signed it.
#[derive(Debug)]
pub(crate) struct Served {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub ca_pem: String,
    pub ca_der: Vec<u8>,
}

/// The names that everything here is reached by.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

impl Served {
    /// Makes both, and writes them and the authority's certificate (`ca.pem`) into `folder`.
    pub fn make(folder: &Path) -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(DnType::CommonName, "blobrollout stand-ins");
        let authority_key = KeyPair::generate()?;
        let ca = authority.self_signed(&authority_key)?;

        let mut leaf = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        // Node and Go both look for it once the issuer has a key identifier.
        leaf.use_authority_key_identifier_extension = true;
        let leaf_key = KeyPair::generate()?;
        let signed = leaf.signed_by(&leaf_key, &Issuer::new(authority, authority_key))?;

        let served = Self {
            certificate: folder.join("serving.pem"),
            key: folder.join("serving.key"),
            ca_pem: ca.pem(),
            ca_der: ca.der().to_vec(),
        };
        write_private(&served.certificate, &signed.pem())?;
        write_private(&served.key, &leaf_key.serialize_pem())?;
        write_private(&folder.join("ca.pem"), &served.ca_pem)?;
        Ok(served)
    }
}

/// Writes a file that only this user can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::io("writing", path))
}

/// Bytes that nobody can guess: the hash of a fresh private key, for the random numbers are already in that library.
pub(crate) fn random_bytes() -> Result<[u8; 64]> {
    use sha2::Digest;
    Ok(sha2::Sha512::digest(KeyPair::generate()?.serialize_der()).into())
}
