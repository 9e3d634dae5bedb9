//! Puts a server together and runs it: store, keys, shards, control, and the one HTTPS port.

mod begun;
mod keys;
mod listener;

use crate::api::health::Monitor;
use crate::api::{self, Service, metrics};
use crate::audit::{self, AuditError, Checkpoints, Refusals};
use crate::auth::keys::{KeyError, SECRET_KEY_FILE};
use crate::auth::oidc::Provider;
use crate::auth::secret::{self, SecretHasher};
use crate::auth::{ApiKeyUses, Challenges, Passwords, ServerKeys, Throttle, Tokens};
use crate::clock;
use crate::config::{Certificate, ConfigError, HttpConfig, ServeConfig, ServerFile};
use crate::control::Control;
use crate::control::ice::Ice;
use crate::mail::Mailer;
use crate::retention;
use crate::shard::tcp::Door;
use crate::shard::{self, ShardConfig, ShardError, ShardHandle, ShardId};
use crate::shutdown::Shutdown;
use crate::store::{self, Store, StoreError};
use crate::webhook::{self, Sender, Webhooks};
use invigil_shared::error::ErrorBody;
use parking_lot::{Mutex, RwLock};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// Events of the shards that control has not taken yet; shards wait beyond it.
const SHARD_EVENTS: usize = 4_096;
/// When clients of a stopping server should come back.
const RETRY_AFTER_S: u32 = 1;
/// How long open connections may take to end.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start: {0}")]
    Internal(#[from] ErrorBody),
}

/// A running server.
pub struct Server {
    /// The HTTPS and WebSocket port.
    pub https: SocketAddr,
    /// The UDP ports of the media.
    pub media: Vec<SocketAddr>,
    /// Where metrics are read.
    pub metrics: Option<SocketAddr>,
    /// SHA-256 of the certificate (DER), hexadecimal.
    pub certificate_sha256: String,
    /// For making the first admin; none when there is one. It is not kept anywhere in clear.
    pub setup_code: Option<String>,
    directory: PathBuf,
    /// How clients reach and know this server.
    address: Arc<RwLock<ServerFile>>,
    /// What new connections are served with.
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
    control: Arc<Control>,
    store: Arc<dyn Store>,
    shards: Vec<(ShardId, ShardHandle)>,
    /// No shard is left.
    failure: watch::Receiver<bool>,
    shutdown: Shutdown,
    /// Ends the audit log of this run, once nobody acts any more.
    audit: (Shutdown, JoinHandle<()>),
    /// Tells webhooks.
    webhooks: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the data directory and starts serving.
    pub async fn start(config: ServeConfig) -> Result<Self, ServeError> {
        // A second server in one process (tests) finds it installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = config.data.prepare()?.to_owned();
        let server_keys = ServerKeys::open(&directory)?;
        let certificate = config.http.certificate(&directory)?;
        let ice = Ice::new(&config.ice)?;
        let store = store::open(&directory, config.data.database()).await?;
        let checkpoints = Arc::new(Mutex::new(Checkpoints::open(&directory)?));
        let refusals = Arc::new(Refusals::default());
        // What others wrote while no server ran.
        audit::write(&*store, &checkpoints, &refusals).await?;
        let secrets = SecretHasher::new(&server_keys.secret_key);
        if !store.claim_secret_key(secrets.fingerprint(), false).await? {
            return Err(KeyError::OtherSecretKey(directory.join(SECRET_KEY_FILE)).into());
        }
        let setup_code = offer_setup(&*store, &secrets).await?;

        let (listener, https) = listen(config.http.listen).await?;
        let metrics = match config.metrics.listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };

        let (events_sender, events) = mpsc::channel(SHARD_EVENTS);
        let certificate_of_media = shard::generate_certificate()?;
        let shard_config = |(id, bind)| ShardConfig {
            id: ShardId(id),
            bind,
            announce: config.media.announce.clone(),
            segments: !config.media.no_segments,
            certificate: Arc::clone(&certificate_of_media),
            seed: clock::random(),
        };
        let shard_configs: Vec<_> = (0..).zip(config.media.addresses()?).map(shard_config).collect();
        // Their threads end by themselves when they are told to stop; nobody joins them, because that would block.
        let started = shard::spawn(&shard_configs, &events_sender)?;
        let shards: Vec<(ShardId, ShardHandle)> = shard_configs
            .iter()
            .zip(started)
            .map(|(config, (handle, _thread))| (config.id, handle))
            .collect();
        let media = shards.iter().flat_map(|(_, shard)| shard.local_addrs()).collect();

        let authority = config
            .http
            .authority
            .clone()
            .unwrap_or_else(|| reachable(https, &config));
        let address = Arc::new(RwLock::new(describe(&directory, &authority, &certificate)?));
        let tls = watch::Sender::new(certificate.tls);

        let control = Arc::new(Control::new(Arc::clone(&store), shards.clone(), ice));
        control.follow_revocations().await?;
        let places = Arc::new(Semaphore::new(config.limits.connections));
        let monitor = Arc::new(Monitor::new(
            Arc::clone(&store),
            Arc::clone(&control),
            shards.clone(),
            &directory,
            &config.limits,
            Arc::clone(&places),
        ));
        let sender = Sender::new(config.webhooks.authorities()?)?;
        let webhooks = Arc::new(Webhooks::new(Arc::clone(&store), secrets.clone(), sender));
        let passwords = tokio::task::spawn_blocking(Passwords::new).await;
        let service = Arc::new(Service {
            store: Arc::clone(&store),
            control: Arc::clone(&control),
            tokens: Tokens::new(&server_keys, &config.auth),
            secrets,
            passwords: passwords.map_err(|_| ErrorBody::from(invigil_shared::error::ErrorCode::Internal))??,
            challenges: Challenges::default(),
            throttle: Throttle::default(),
            api_key_uses: ApiKeyUses::default(),
            oidc: Provider::new(&config.oidc, config.development)?,
            refusals: Arc::clone(&refusals),
            origins: config.http.origins.clone(),
            address: Arc::clone(&address),
            exam_capacity: config.limits.exam_capacity,
            monitor: Arc::clone(&monitor),
            webhooks: Arc::clone(&webhooks),
            mailer: Mailer::new(&config.mail)?,
        });
        let shutdown = Shutdown::default();
        let door = Door::new(shards.iter().filter_map(|(_, shard)| shard.tcp().cloned()));
        let router = api::router(Arc::clone(&service));
        let accept = listener::serve(
            listener,
            tls.subscribe(),
            router,
            door.clone(),
            places,
            shutdown.signal(),
        );
        let (failed, failure) = watch::channel(false);
        let statistics_every = Duration::from_secs(config.limits.statistics_every_s);
        let mut tasks = vec![
            tokio::spawn(accept),
            tokio::spawn(door.serve(shutdown.signal())),
            tokio::spawn(Arc::clone(&control).follow_shards(events)),
            tokio::spawn(Arc::clone(&control).look_after(shutdown.signal())),
            tokio::spawn(Arc::clone(&control).keep_statistics(
                statistics_every,
                config.data.database().is_none(),
                shutdown.signal(),
            )),
            tokio::spawn(api::forget_keys(Arc::clone(&store), shutdown.signal())),
            tokio::spawn(retention::keep(Arc::clone(&store), shutdown.signal())),
            tokio::spawn(Arc::clone(&control).keep_revoking(shutdown.signal())),
            tokio::spawn(keys::follow(service, directory.clone(), shutdown.signal())),
        ];
        let webhooks = tokio::spawn(webhooks.tell(shutdown.signal()));
        let metrics = metrics.map(|(listener, address)| {
            let (router, mut stopping) = (metrics::router(Arc::clone(&monitor)), shutdown.signal());
            let serve = axum::serve(listener, router).with_graceful_shutdown(async move { stopping.begun().await });
            tasks.push(tokio::spawn(async move {
                if let Err(error) = serve.await {
                    tracing::error!(%error, "metrics are not served any more");
                }
            }));
            address
        });
        for (id, shard) in &shards {
            let (control, failed, id) = (Arc::clone(&control), failed.clone(), *id);
            let (ended, mut stopping) = (shard.ended(), shutdown.signal());
            tasks.push(tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = stopping.begun() => {}
                    exit = ended => {
                        tracing::error!(shard = %id, ?exit, "a shard has ended; its participants move to the others");
                        if !control.shard_ended(id) {
                            failed.send_replace(true);
                        }
                    }
                }
            }));
        }
        let audit_end = Shutdown::default();
        let keeping = audit::keep(Arc::clone(&store), checkpoints, refusals, audit_end.signal());
        let audit = (audit_end, tokio::spawn(keeping));
        let certificate_sha256 = certificate.sha256;
        Ok(Self {
            https,
            media,
            metrics,
            certificate_sha256,
            setup_code,
            directory,
            address,
            tls,
            control,
            store,
            shards,
            failure,
            shutdown,
            audit,
            webhooks,
            tasks,
        })
    }

    /// Reads the certificate again. New connections get it, those that are open live on with the one that they began with.
    ///
    /// # Errors
    /// It can't be used; the one before stays.
    pub fn reload_certificate(&self, config: &HttpConfig) -> Result<(), ConfigError> {
        let certificate = config.certificate(&self.directory)?;
        let authority = self.address.read().authority.clone();
        *self.address.write() = describe(&self.directory, &authority, &certificate)?;
        self.tls.send_replace(certificate.tls);
        Ok(())
    }

    /// Returns when the server can't do its work any more: no shard is left.
    pub async fn failed(&self) {
        let mut failure = self.failure.clone();
        if failure.wait_for(|failed| *failed).await.is_err() {
            // The shards' watchers are gone, so nobody will say.
            std::future::pending::<()>().await;
        }
    }

    /// Says that it is not ready for new clients, and serves on.
    pub fn withdraw(&self) {
        self.control.withdraw();
    }

    /// Tells every client, ends the connections, and returns when everything that was accepted is on disk.
    pub async fn stop(self) {
        self.control.drain(RETRY_AFTER_S);
        self.shutdown.begin();
        let mut tasks = self.tasks.into_iter();
        if let Some(accept) = tasks.next() {
            let _ = tokio::time::timeout(DRAIN_DEADLINE, accept).await;
        }
        self.shards.iter().for_each(|(_, shard)| shard.stop());
        // What is on its way to a webhook arrives, so that it is not told again.
        let _ = tokio::time::timeout(webhook::LONGEST, self.webhooks).await;
        tasks.for_each(|task| task.abort());
        self.control.end_stays().await;
        let (audit_end, audit) = self.audit;
        audit_end.begin();
        let _ = audit.await;
        self.store.close().await;
    }
}

/// Writes down how clients find and know this server.
fn describe(directory: &Path, authority: &str, certificate: &Certificate) -> Result<ServerFile, ConfigError> {
    let pin = certificate.self_signed.then(|| certificate.sha256.clone());
    let file = ServerFile {
        authority: authority.to_owned(),
        certificate_sha256: pin,
    };
    file.write(directory)?;
    Ok(file)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let wrap = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(wrap)?;
    let bound = listener.local_addr().map_err(wrap)?;
    Ok((listener, bound))
}

/// While there is no admin, each start offers a new code.
async fn offer_setup(store: &dyn Store, secrets: &SecretHasher) -> Result<Option<String>, StoreError> {
    if store.has_admin().await? {
        return Ok(None);
    }
    let code = secret::setup_code();
    let normalised = secret::normalise(&code).unwrap_or_default();
    Ok(store.offer_setup(secrets.setup(&normalised)).await?.then_some(code))
}

/// How clients probably reach a server that was not told its name.
fn reachable(https: SocketAddr, config: &ServeConfig) -> String {
    if !https.ip().is_unspecified() {
        return https.to_string();
    }
    match config.media.announce.first() {
        Some(&ip) => SocketAddr::new(ip, https.port()).to_string(),
        None => format!("localhost:{}", https.port()),
    }
}

#[cfg(test)]
mod tests;
