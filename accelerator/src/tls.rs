//! TLS, with certificates that are read again when their files change: an authority's short-lived ones need no restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result, ensure};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;
use crate::stamp::Stamp;

/// A certificate chain and its key, in two PEM files.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
    /// Of what was tried last, whether it was of use or not.
    stamps: Mutex<[Option<Stamp>; 2]>,
    metrics: Metrics,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// When they can't be read, or are not each other's.
    pub fn open(certificate: &Path, key: &Path, metrics: Metrics) -> Result<Self> {
        let stamps = Mutex::new([certificate, key].map(Stamp::of));
        let config = RwLock::new(config(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), config, stamps, metrics })
    }

    /// What takes the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Takes in files that have changed, or all if `all`; connections that are open keep what they were made with. What
    /// can't be used is logged, and what was read before stays in use.
    pub(crate) fn look(&self, all: bool) {
        let stamps = [&self.certificate, &self.key].map(|path| Stamp::of(path));
        let mut last = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        if !all && *last == stamps {
            return;
        }
        *last = stamps;
        let read = config(&self.certificate, &self.key);
        self.metrics.reloaded("certificate", read.is_ok());
        match read {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("certificate and key were read again");
            }
            // The two files can't change in one step: between the two steps they are not each other's.
            Err(error) => tracing::warn!("{error:#}; the certificate read before stays in use"),
        }
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let unreadable = |path: &Path| format!("{}: can't be read as PEM", path.display());
    let chain = CertificateDer::pem_file_iter(certificate).with_context(|| unreadable(certificate))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().with_context(|| unreadable(certificate))?;
    ensure!(!chain.is_empty(), "{}: holds no certificate", certificate.display());
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable(key))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = builder.with_no_client_auth().with_single_cert(chain, private);
    let mut config = config.with_context(|| format!("{} and {}", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
