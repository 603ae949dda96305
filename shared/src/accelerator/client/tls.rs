//! TLS, by whichever authorities are believed.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A connector that believes these authorities, as PEM; the system's without any.
///
/// # Errors
/// In words without the text.
pub(super) fn connector(ca: Option<&str>) -> Result<TlsConnector, String> {
    let mut authorities = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| "`ca` of the credentials is no PEM")?;
                authorities
                    .add(certificate)
                    .map_err(|error| format!("a certificate in `ca` of the credentials: {error}"))?;
            }
            if authorities.is_empty() {
                return Err("`ca` of the credentials holds no certificate".into());
            }
        }
        None => {
            // What of the system's can't be read is passed over, as other programs do.
            authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
