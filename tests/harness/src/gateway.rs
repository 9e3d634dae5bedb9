//! An HTTPS gateway as institutions put before a server: TLS ends at it, and only HTTP and what HTTP upgrades to gets through. To the
//! outside it has the server's own certificate.

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub struct Gateway {
    pub address: SocketAddr,
    turned_away: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Before the server at `to`, whose data directory has the certificate.
    pub async fn before(to: SocketAddr, data: &Path) -> Result<Self> {
        // Two providers are compiled in; a test may have chosen already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let certificate = CertificateDer::from_pem_file(data.join("certificate.pem"))?;
        let key = PrivateKeyDer::from_pem_file(data.join("certificate-key.pem"))?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone())?;
        let inside = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let outside = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let (acceptor, connector) = (
            TlsAcceptor::from(Arc::new(outside)),
            TlsConnector::from(Arc::new(inside)),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let turned_away = Arc::<AtomicU64>::default();
        let count = turned_away.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (acceptor, connector, count) = (acceptor.clone(), connector.clone(), count.clone());
                connections.spawn(async move { pass(near, to, &acceptor, &connector, &count).await });
            }
        });
        Ok(Self {
            address,
            turned_away,
            task,
        })
    }

    /// Connections that brought something else than HTTP.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    near: TcpStream,
    to: SocketAddr,
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
    turned_away: &AtomicU64,
) -> Result<()> {
    near.set_nodelay(true)?;
    let mut near = acceptor.accept(near).await?;
    let mut head = [0; 4];
    near.read_exact(&mut head).await?;
    if !matches!(&head, b"GET " | b"POST" | b"PATC" | b"DELE") {
        turned_away.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    let far = TcpStream::connect(to).await?;
    far.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").context("a name")?;
    let mut far = connector.connect(name, far).await?;
    far.write_all(&head).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
