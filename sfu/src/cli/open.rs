//! Opens a data directory for a command beside `serve`.

use crate::auth::ServerKeys;
use crate::auth::keys::{KeyError, SECRET_KEY_FILE};
use crate::auth::secret::{SecretHasher, normalise_exam_code};
use crate::config::DataConfig;
use crate::store::audit::Actor;
use crate::store::{self, Store};
use anyhow::{Context, anyhow, bail};
use invigil_shared::exam::ExamInfo;
use std::path::PathBuf;
use std::sync::Arc;

/// An open data directory.
pub struct Data {
    pub directory: PathBuf,
    pub keys: ServerKeys,
    pub secrets: SecretHasher,
    pub store: Arc<dyn Store>,
}

impl Data {
    /// Refuses a database that belongs to another secret key.
    pub async fn open(config: &DataConfig) -> anyhow::Result<Self> {
        let data = Self::open_any(config).await?;
        if !data.store.claim_secret_key(data.secrets.fingerprint(), false).await? {
            bail!("{}", KeyError::OtherSecretKey(data.directory.join(SECRET_KEY_FILE)));
        }
        Ok(data)
    }

    /// The same, whoever the database belongs to: for what needs no secret key, as the evidence has to be read also when that is lost.
    pub async fn open_any(config: &DataConfig) -> anyhow::Result<Self> {
        let directory = config.prepare()?.to_owned();
        let keys = ServerKeys::open(&directory)?;
        let secrets = SecretHasher::new(&keys.secret_key);
        let store = store::open(&directory, config.database()).await?;
        let store = store.acting(Actor::operator());
        Ok(Self {
            directory,
            keys,
            secrets,
            store,
        })
    }

    /// The exam of a code.
    pub async fn exam(&self, code: &str) -> anyhow::Result<ExamInfo> {
        let code = normalise_exam_code(code).context("an exam code has 4 to 16 of A-Z, 0-9 and -")?;
        self.store
            .exam_by_code(&code)
            .await?
            .ok_or_else(|| anyhow!("there is no exam {code}"))
    }
}
