//! An identity provider that we did not write, for the tests of signing in through one: npm's `oidc-provider`, run by node on a free port of
//! this machine with a certificate of a test's own. It ends with whoever started it. [`Browser`] is somebody at its pages.

mod browser;

pub use browser::Browser;

use anyhow::{Context, Result, bail, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// Node takes a second, on a busy machine a few.
const START: Duration = Duration::from_secs(60);
/// The secret of the clients that have one, with what a form has to encode.
pub const CLIENT_SECRET: &str = "a secret: 100% & more/+=";

/// A client that the provider knows, and how its ID tokens are signed.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub id: &'static str,
    /// `client_secret_basic`, `client_secret_post`, `none`.
    pub proves: &'static str,
    pub algorithm: &'static str,
}

/// The usual one.
pub const CLIENT: Client = Client {
    id: "invigil",
    proves: "client_secret_basic",
    algorithm: "RS256",
};

/// What a provider is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub clients: Vec<Client>,
    /// What it knows of people, by what they sign in with, which is their `sub` too.
    pub accounts: Value,
    /// Claims that were asked for by scope are at the UserInfo endpoint alone (OpenID Connect Core section 5.4 to the letter).
    pub conform: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            clients: vec![CLIENT],
            accounts: json!({}),
            conform: false,
        }
    }
}

/// A running provider.
pub struct Provider {
    pub issuer: String,
    folder: TempDir,
    certificate: String,
    key: String,
    setup: Setup,
    running: Option<(Child, ChildStdin)>,
}

impl Provider {
    pub async fn start(setup: Setup) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let root = params.self_signed(&key)?;
        std::fs::write(folder.path().join("authority.pem"), root.pem())?;
        let own_key = KeyPair::generate()?;
        let own =
            CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&own_key, &Issuer::new(params, key))?;
        let mut provider = Self {
            issuer: String::new(),
            certificate: own.pem(),
            key: own_key.serialize_pem(),
            folder,
            setup,
            running: None,
        };
        provider.run(0).await?;
        Ok(provider)
    }

    /// PEM file with the authority of its certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A file with the secret of its clients, for its owner alone.
    pub fn secret_file(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("client-secret");
        std::fs::write(&path, format!("{CLIENT_SECRET}\n"))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(path)
    }

    /// Somebody who has not signed in yet.
    pub fn browser(&self) -> Result<Browser> {
        Browser::new(&self.authority())
    }

    /// Ends it; its address is free then.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some((mut child, input)) = self.running.take() {
            drop(input);
            timeout(START, child.wait())
                .await
                .context("the provider does not end")??;
        }
        Ok(())
    }

    /// Starts it anew at the same address: with other keys, and nobody is signed in.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        let port = self.issuer.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        self.run(port.context("no port")?).await
    }

    async fn run(&mut self, port: u16) -> Result<()> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        ensure!(
            home.join("node_modules/oidc-provider").exists(),
            "the provider is not installed: npm ci --prefix tests/oidc (cargo xtask test does it)"
        );
        let mut child = Command::new("node")
            .arg(home.join("provider.mjs"))
            .env_remove("NODE_OPTIONS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(self.folder.path().join("log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("node")?;
        let client = |client: &Client| {
            let mut described = json!({
                "client_id": client.id, "application_type": "native", "redirect_uris": ["http://127.0.0.1/oidc"],
                "response_types": ["code"], "grant_types": ["authorization_code"],
                "token_endpoint_auth_method": client.proves, "id_token_signed_response_alg": client.algorithm,
            });
            if client.proves != "none" {
                described["client_secret"] = CLIENT_SECRET.into();
            }
            described
        };
        let setup = json!({
            "certificate": self.certificate, "key": self.key, "port": port, "conform": self.setup.conform,
            "clients": self.setup.clients.iter().map(client).collect::<Vec<_>>(), "accounts": self.setup.accounts,
        });
        let mut input = child.stdin.take().context("no standard input")?;
        input.write_all(format!("{setup}\n").as_bytes()).await?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let line = timeout(START, lines.next_line())
            .await
            .context("the provider does not start")??;
        let Some(line) = line else {
            bail!("the provider ended: {}", self.log());
        };
        let said: Value = serde_json::from_str(&line)?;
        self.issuer = said["issuer"].as_str().context("no issuer")?.to_owned();
        self.running = Some((child, input));
        Ok(())
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
