//! The real apps under WebKitWebDriver (W3C WebDriver): press, type, read, and run code in the page.

use crate::process::Process;
use crate::{usage, wait};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Key of an element reference (WebDriver section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct App {
    driver: Process,
    http: reqwest::Client,
    session: String,
}

impl App {
    /// Starts `binary` with `arguments` under a driver of its own; `environment` prepares the driver's environment, which
    /// the app inherits.
    pub async fn start(
        name: &str,
        binary: &Path,
        arguments: &[String],
        environment: impl FnOnce(&mut Command),
        logs: &Path,
    ) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("WebKitWebDriver");
        command
            .args([format!("--port={port}"), "--host=127.0.0.1".into()])
            .env("TAURI_WEBVIEW_AUTOMATION", "true");
        environment(&mut command);
        let driver = Process::start(&format!("app-{name}"), &mut command, logs)?;
        let base = format!("http://127.0.0.1:{port}");
        // reqwest wants a TLS provider even for plain HTTP to ourselves; a second installation changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()?;
        wait::until_async(Duration::from_secs(10), "WebKitWebDriver", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await?;
        let options = json!({"binary": binary, "args": arguments});
        let capabilities = json!({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}});
        let answer: Value = http
            .post(format!("{base}/session"))
            .json(&capabilities)
            .send()
            .await?
            .json()
            .await?;
        let id = answer["value"]["sessionId"]
            .as_str()
            .with_context(|| format!("no WebDriver session for {name}: {answer}"))?;
        let session = format!("{base}/session/{id}");
        Ok(Self { driver, http, session })
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let answer: Value = self
            .http
            .post(format!("{}/{path}", self.session))
            .json(&body)
            .send()
            .await?
            .json()
            .await?;
        if let Some(error) = answer["value"]["error"].as_str() {
            bail!("{path}: {error}: {}", answer["value"]["message"]);
        }
        Ok(answer["value"].clone())
    }

    /// Runs a function body in the page and returns what it returns.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.post("execute/sync", json!({"script": script, "args": []})).await
    }

    async fn element(&self, css: &str) -> Result<String> {
        let found = self
            .post("element", json!({"using": "css selector", "value": css}))
            .await?;
        found[ELEMENT]
            .as_str()
            .map(str::to_owned)
            .context("no element reference")
    }

    /// Waits until something matches `css`.
    pub async fn appears(&self, css: &str, limit: Duration) -> Result<()> {
        let script = format!("return document.querySelector({}) !== null", json!(css));
        self.until(&script, limit, css).await
    }

    /// Waits until a function body returns true.
    pub async fn until(&self, script: &str, limit: Duration, what: &str) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            if self.run(script).await.is_ok_and(|v| v == Value::Bool(true)) {
                return Ok(());
            }
            if Instant::now() >= end {
                let text = self.run("return document.body.innerText").await.unwrap_or_default();
                bail!("waited {} s for {what}; the page says: {text}", limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn press(&self, css: &str) -> Result<()> {
        let element = self.element(css).await?;
        self.post(&format!("element/{element}/click"), json!({}))
            .await
            .map(drop)
    }

    pub async fn type_into(&self, css: &str, text: &str) -> Result<()> {
        let element = self.element(css).await?;
        self.post(&format!("element/{element}/clear"), json!({})).await?;
        self.post(&format!("element/{element}/value"), json!({"text": text}))
            .await
            .map(drop)
    }

    /// Puts a whole text into a field at once, as pasting does.
    pub async fn paste_into(&self, css: &str, text: &str) -> Result<()> {
        let script = format!(
            "const i = document.querySelector({}); i.focus(); document.execCommand('insertText', false, {}); return i.value !== undefined",
            json!(css),
            json!(text)
        );
        self.run(&script).await.map(drop)
    }

    /// Presses the first button, link or option whose text contains `text`.
    pub async fn press_text(&self, text: &str) -> Result<()> {
        let script = format!(
            "const b = [...document.querySelectorAll('button, a, [role=option], [role=button]')].find((b) => !b.disabled && b.innerText.includes({})); b?.click(); return b !== undefined",
            json!(text)
        );
        self.until(&script, Duration::from_secs(20), &format!("a button \"{text}\""))
            .await
    }

    /// Kills the web process of the app's window; returns how many were found.
    pub fn kill_web_process(&self) -> Result<usize> {
        let mut killed = 0;
        for id in usage::descendants(self.driver.id(), usage::is_web_process) {
            Command::new("kill").args(["-KILL", &id.to_string()]).status()?;
            killed += 1;
        }
        Ok(killed)
    }

    /// Presses keys with Control held.
    pub async fn keys_with_control(&self, keys: &str) -> Result<()> {
        const CONTROL: &str = "\u{E009}";
        let mut actions = vec![json!({"type": "keyDown", "value": CONTROL})];
        for key in keys.chars().map(String::from) {
            actions.extend([
                json!({"type": "keyDown", "value": key}),
                json!({"type": "keyUp", "value": key}),
            ]);
        }
        actions.push(json!({"type": "keyUp", "value": CONTROL}));
        self.post(
            "actions",
            json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}),
        )
        .await
        .map(drop)
    }

    /// Presses keys where the focus is.
    pub async fn keys(&self, keys: &str) -> Result<()> {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key.to_string()}),
                    json!({"type": "keyUp", "value": key.to_string()}),
                ]
            })
            .collect();
        self.post(
            "actions",
            json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}),
        )
        .await
        .map(drop)
    }

    /// The text of the page.
    pub async fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Ends the app.
    pub async fn end(self) -> Result<()> {
        self.http.delete(&self.session).send().await?;
        Ok(())
    }
}
