//! An accelerator within this process, of the model that is served, for whoever has none.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use shared::accelerator::Endpoint;
use tokio::sync::Mutex;

/// An accelerator that is started when it is first plugged in, and until then costs a port.
#[derive(Debug)]
pub(super) struct Standby {
    model: PathBuf,
    endpoint: Endpoint,
    /// Until it is started.
    listener: Mutex<Option<TcpListener>>,
}

impl Standby {
    /// Takes a free port of this machine for an accelerator of the model in a directory.
    pub(super) fn bind(model: &Path) -> Result<Self> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        });
        let (listener, port) =
            bound.context("no free port for the playground's accelerator (--no-playground)")?;
        let host = Ipv4Addr::LOCALHOST.to_string();
        let endpoint = Endpoint { tls: false, host, port, path: String::new() };
        Ok(Self { model: model.to_owned(), endpoint, listener: Mutex::new(Some(listener)) })
    }

    /// Where it listens.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Starts it, for as long as the process lives, if it wasn't before.
    pub(super) async fn start(&self) -> Result<()> {
        let mut waiting = self.listener.lock().await;
        if waiting.is_none() {
            return Ok(());
        }
        let router = accelerator::within(&self.model).await?;
        if let Some(listener) = waiting.take() {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(axum::serve(listener, router).into_future());
        }
        Ok(())
    }
}
