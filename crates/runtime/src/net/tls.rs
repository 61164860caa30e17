//! TLS: one provider, Mozilla's roots in the binary, and further authorities where wanted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Makes aws-lc-rs the provider of all TLS in this process. Call it first in `main`.
///
/// Without effect when a provider is there already.
pub fn install_provider() {
    // The error is the provider that was there before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Why a file of certificate authorities was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The file cannot be read, or holds something else than PEM.
    #[error("the certificate authorities of `{}` cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("`{}` holds no certificate", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
}

/// Returns the certificates of a PEM file: at least one.
///
/// # Errors
/// See [`AuthorityError`].
pub fn read_authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let unreadable = |source| AuthorityError::Unreadable {
        file: file.to_path_buf(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(AuthorityError::Empty {
            file: file.to_path_buf(),
        });
    }
    Ok(found)
}

/// Returns what a TLS client needs: Mozilla's roots and those of `authorities`.
///
/// # Errors
/// When one of the authorities is no certificate.
pub fn client_config(
    authorities: &[CertificateDer<'static>],
) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_without_certificates_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let missing = read_authorities(&file).expect_err("is missing");
        assert!(
            matches!(missing, AuthorityError::Unreadable { .. }),
            "{missing}"
        );
        for (name, text) in [("empty", ""), ("prose", "hello"), ("a key", KEY)] {
            fs::write(&file, text).expect("writes");
            let error = read_authorities(&file).expect_err(name);
            assert!(
                matches!(error, AuthorityError::Empty { .. }),
                "{name}: {error}"
            );
        }
        fs::write(
            &file,
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        )
        .expect("writes");
        let broken = read_authorities(&file).expect_err("is broken");
        assert!(
            matches!(broken, AuthorityError::Unreadable { .. }),
            "{broken}"
        );
    }

    #[test]
    fn an_authority_that_is_no_certificate_is_refused() {
        assert!(client_config(&[]).is_ok());
        assert!(client_config(&[CertificateDer::from(vec![1, 2, 3])]).is_err());
    }

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
}
