//! PostgreSQL from Debian's package: a database server of a test's own, that we did not write, on a socket in a temporary
//! folder. It ends with whoever started it, also when that was killed, and its folder goes with it.

use anyhow::{Context, Result, anyhow, bail, ensure};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

/// Where Debian's packages put the programs, a folder for each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
const USER: &str = "invigil";
/// With what a URL has to escape, and so that a search of logs for it finds nothing else.
const PASSWORD: &str = "pass/word@of:tests";
const PASSWORD_IN_URLS: &str = "pass%2Fword%40of%3Atests";
const PORT: &str = "5432";
const START: Duration = Duration::from_secs(60);

/// Runs the server until our end of its standard input closes, whoever closes it: us, or the system when we are gone. `keep`
/// on a line of its own leaves the folder.
const SUPERVISOR: &str = r#"
folder=$1; shift
"$@" &
server=$!
read -r word
kill -INT $server 2>/dev/null
wait $server
[ "$word" = keep ] || rm -rf "$folder"
"#;

/// Whom the server runs as: it refuses root.
#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    account: Option<Account>,
    /// Names the socket's file; no two servers share a folder.
    port: String,
    arguments: Vec<String>,
    running: Option<Running>,
    databases: AtomicU32,
}

struct Running {
    supervisor: Child,
    input: ChildStdin,
}

/// The server that the tests of one process share; each takes a database of its own. It ends with the process.
pub fn shared() -> &'static Postgres {
    static SHARED: LazyLock<Result<Postgres>> = LazyLock::new(Postgres::start);
    match &*SHARED {
        Ok(postgres) => postgres,
        Err(error) => panic!("{error:#}"),
    }
}

impl Postgres {
    /// Starts with Debian's settings, on a socket only.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts with further settings, as `name=value`.
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let mut postgres = Self::prepare()?;
        postgres.set(settings);
        postgres.run()?;
        Ok(postgres)
    }

    /// Further settings, as `name=value`, for the next [`Postgres::run`].
    pub fn set(&mut self, settings: &[&str]) {
        for setting in settings {
            if let Some(port) = setting.strip_prefix("port=") {
                port.clone_into(&mut self.port);
            }
            self.arguments.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
    }

    /// Makes the folder and the files of a new server.
    pub fn prepare() -> Result<Self> {
        let programs = programs()?;
        // Not where TMPDIR says: the server's account has to reach it, and a socket's path is at most 107 bytes long.
        let folder = tempfile::Builder::new()
            .prefix("invigil-postgres-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in("/tmp")?;
        let account = account(folder.path())?;
        let postgres = Self {
            folder: folder.keep(),
            programs,
            account,
            port: PORT.to_owned(),
            arguments: Vec::new(),
            running: None,
            databases: AtomicU32::new(0),
        };
        postgres.give("password", PASSWORD.as_bytes())?;
        if let Some(account) = account {
            chown(&postgres.folder, Some(account.user), Some(account.group))?;
        }
        let mut command = postgres.command("initdb");
        command
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--username", USER, "--pwfile"])
            .arg(postgres.folder.join("password"))
            .arg("--pgdata")
            .arg(postgres.data());
        let output = command.output().context("can't start initdb")?;
        ensure!(
            output.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(postgres)
    }

    /// Writes a file that only the server's account reads, and returns its path.
    pub fn give(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, content)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        if let Some(account) = self.account {
            chown(&path, Some(account.user), Some(account.group))?;
        }
        Ok(path)
    }

    /// Runs the server; again after [`Postgres::crash`].
    pub fn run(&mut self) -> Result<()> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SUPERVISOR, "postgres-of-a-test"])
            .arg(&self.folder)
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder)
            .args(["-p", PORT, "-c", "listen_addresses="])
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .current_dir("/")
            .process_group(0);
        self.become_server(&mut command);
        let mut supervisor = command.spawn().context("can't start sh")?;
        let log = supervisor.stderr.take().context("no pipe")?;
        let input = supervisor.stdin.take().context("no pipe")?;
        self.running = Some(Running { supervisor, input });
        ready(log)
    }

    /// `kill -9` of the server and its processes, as a power cut would; returns when none is left.
    pub fn crash(&mut self) -> Result<()> {
        let Running {
            mut supervisor,
            mut input,
        } = self.running.take().context("it does not run")?;
        let lock = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        let server: u32 = lock.lines().next().context("no process id")?.parse()?;
        let mut doomed = vec![server];
        doomed.extend(
            processes()?
                .filter(|process| process.parent == server)
                .map(|process| process.id),
        );
        let ids: Vec<String> = doomed.iter().map(u32::to_string).collect();
        // One of them may have ended by itself.
        Command::new("kill")
            .arg("-9")
            .args(&ids)
            .stderr(Stdio::null())
            .status()?;
        input.write_all(b"keep\n")?;
        drop(input);
        supervisor.wait()?;
        let deadline = Instant::now() + START;
        while processes()?.any(|process| doomed.contains(&process.id)) {
            ensure!(Instant::now() < deadline, "PostgreSQL outlives kill -9");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Makes an empty database and returns its URL, by the socket.
    pub fn database(&self) -> Result<String> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The URL of a database, by the socket.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display();
        let port = &self.port;
        format!("postgres://{USER}:{PASSWORD_IN_URLS}@localhost:{port}/{database}?host={folder}")
    }

    /// The URL of a database by TCP, for servers with a `port` and `listen_addresses`.
    pub fn url_by_tcp(&self, database: &str) -> String {
        let port = &self.port;
        format!("postgres://{USER}:{PASSWORD_IN_URLS}@localhost:{port}/{database}")
    }

    /// The password, as it is and as URLs have it: neither may be seen anywhere.
    pub fn passwords() -> [&'static str; 2] {
        [PASSWORD, PASSWORD_IN_URLS]
    }

    /// Runs SQL with `psql` and returns what it prints, without headings.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"])
            .arg("--host")
            .arg(&self.folder)
            .args([
                "--port",
                &self.port,
                "--username",
                USER,
                "--dbname",
                database,
                "--command",
                sql,
            ])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .context("can't start psql")?;
        ensure!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir("/");
        self.become_server(&mut command);
        command
    }

    fn become_server(&self, command: &mut Command) {
        if let Some(account) = self.account {
            command.gid(account.group).uid(account.user);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        match self.running.take() {
            Some(Running { mut supervisor, input }) => {
                drop(input);
                let _ = supervisor.wait();
            }
            None => {
                let _ = std::fs::remove_dir_all(&self.folder);
            }
        }
    }
}

/// Returns once the server takes connections, and goes on reading its log, so that it never waits for us.
fn ready(log: ChildStderr) -> Result<()> {
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(std::result::Result::ok) {
            // Nobody listens after the start.
            let _ = said.send(line);
        }
    });
    let mut lines = Vec::new();
    loop {
        match heard.recv_timeout(START) {
            Ok(line) if line.contains("database system is ready to accept connections") => return Ok(()),
            Ok(line) => lines.push(line),
            Err(_) => bail!("PostgreSQL did not start:\n{}", lines.join("\n")),
        }
    }
}

struct Process {
    id: u32,
    parent: u32,
}

/// Every process that has not ended; dead ones that nobody asked after don't count.
fn processes() -> Result<impl Iterator<Item = Process>> {
    Ok(std::fs::read_dir("/proc")?.filter_map(|entry| {
        let entry = entry.ok()?;
        let id = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // Id, name in brackets (which may hold anything), state, parent.
        let mut fields = status.rsplit_once(") ")?.1.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
        (state != "Z").then_some(Process { id, parent })
    }))
}

/// The newest version that is installed.
fn programs() -> Result<PathBuf> {
    let versions =
        std::fs::read_dir(PROGRAMS).with_context(|| format!("no {PROGRAMS}: install the package postgresql"))?;
    versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/postgres").is_file())
        .max_by_key(|path| version(path))
        .map(|path| path.join("bin"))
        .ok_or_else(|| anyhow!("no server in {PROGRAMS}: install the package postgresql"))
}

fn version(path: &Path) -> u32 {
    path.file_name()
        .and_then(|name| name.to_str()?.parse().ok())
        .unwrap_or(0)
}

/// Root hands over to the account that the package made; everybody else stays who they are.
fn account(own: &Path) -> Result<Option<Account>> {
    if std::fs::metadata(own)?.uid() != 0 {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|wanted| {
            let mut fields = accounts
                .lines()
                .map(|line| line.split(':'))
                .find_map(|mut fields| (fields.next() == Some(wanted)).then_some(fields))?;
            let user = fields.nth(1)?.parse().ok()?;
            let group = fields.next()?.parse().ok()?;
            Some(Some(Account { user, group }))
        })
        .ok_or_else(|| anyhow!("there is neither postgres nor nobody in /etc/passwd"))
}
