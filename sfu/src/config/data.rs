//! Section: the data directory and the database. The directory holds the keys, the certificate and, unless PostgreSQL does, the
//! data, and belongs to one server.

use super::{ConfigError, Report};
use crate::store::postgres::DatabaseUrl;
use invigil_shared::rest::JoinLink;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const SERVER_FILE: &str = "server.json";

/// Where everything is kept.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Directory of the embedded database, keys and certificate; made with mode 0700.
    #[arg(id = "data.dir", long = "data-dir", env = "INVIGIL_DATA_DIR", value_name = "DIR")]
    #[serde(rename = "dir")]
    pub data_dir: PathBuf,
    /// PostgreSQL database, `postgres://user:password@host/database`, instead of SQLite in the data directory. The variable keeps
    /// a password out of the list of processes.
    // What the variable holds does not belong into a help text.
    #[arg(
        id = "data.database",
        long = "database",
        env = "INVIGIL_DATABASE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: Option<DatabaseUrl>,
}

impl DataConfig {
    pub(super) fn check(&self, report: &mut Report) {
        let dir = &self.data_dir;
        if dir.as_os_str().is_empty() {
            let how = "it has to be set: --data-dir, INVIGIL_DATA_DIR or dir under [data]";
            report.mistake("data.dir", how);
        } else if dir.exists() && !dir.is_dir() {
            report.mistake("data.dir", format!("{} is no directory", dir.display()));
        }
        if let Some(Err(why)) = self.database().map(DatabaseUrl::check) {
            report.mistake("data.database", why.to_string());
        }
    }

    /// None: the embedded one. An empty variable counts as not set.
    pub fn database(&self) -> Option<&DatabaseUrl> {
        self.database.as_ref().filter(|url| !url.is_empty())
    }

    /// Makes the directory when it is missing.
    pub fn prepare(&self) -> Result<&Path, ConfigError> {
        let wrap = |source| ConfigError::File {
            path: self.data_dir.clone(),
            source,
        };
        if !self.data_dir.is_dir() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::DirBuilderExt;
                builder.mode(0o700);
            }
            builder.create(&self.data_dir).map_err(wrap)?;
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&self.data_dir, fs::Permissions::from_mode(0o700)).map_err(wrap)?;
        }
        Ok(&self.data_dir)
    }
}

/// `server.json`: how the server of a data directory is reached, so that the command line can print whole join links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFile {
    /// `host:port`.
    pub authority: String,
    /// SHA-256 of the certificate (DER), 64 hexadecimal digits; none when clients' roots vouch for it.
    pub certificate_sha256: Option<String>,
}

impl ServerFile {
    /// The link with which a candidate comes in.
    pub fn join_link(&self, exam_code: &str, secret: &str) -> String {
        let link = JoinLink {
            authority: self.authority.clone(),
            exam_code: exam_code.to_owned(),
            secret: secret.to_owned(),
            certificate_sha256: self.certificate_sha256.clone(),
        };
        link.to_text()
    }

    /// None before the first start of `serve`.
    pub fn read(directory: &Path) -> Result<Option<Self>, ConfigError> {
        let path = directory.join(SERVER_FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| ConfigError::Content {
                    path,
                    reason: error.to_string(),
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ConfigError::File { path, source }),
        }
    }

    /// Replaces the file at once: a reader sees the old or the new one.
    pub fn write(&self, directory: &Path) -> Result<(), ConfigError> {
        let path = directory.join(SERVER_FILE);
        let temporary = directory.join(format!("{SERVER_FILE}.new"));
        let write = || {
            let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
            fs::write(&temporary, text + "\n")?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|source| ConfigError::File {
            path: path.clone(),
            source,
        })
    }
}
