//! A page for a browser, served on loopback, that posts what it saw back to us.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Largest report of a page.
const MAX_REPORT: usize = 256 * 1024;
/// Reports waiting to be read.
const MAX_WAITING: usize = 256;

pub struct Page {
    /// `http://127.0.0.1:PORT`.
    pub origin: String,
    reports: Receiver<serde_json::Value>,
}

impl Page {
    /// Serves `html`, as it is when asked for, at `/`; JSON posted to `/report` can be read by [`Page::report`]. The page may
    /// be written later than its origin is needed.
    pub fn serve_later(html: Arc<Mutex<String>>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let origin = format!("http://{}", listener.local_addr()?);
        let (sender, reports) = sync_channel(MAX_WAITING);
        std::thread::Builder::new().name("page".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let html = html.lock().map(|h| h.clone()).unwrap_or_default();
                if let Ok(Some(report)) = answer(stream, &html)
                    && sender.send(report).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(Self { origin, reports })
    }

    /// Reads reports until `found` picks something from one.
    pub fn report<T>(
        &self,
        limit: Duration,
        what: &str,
        mut found: impl FnMut(&serde_json::Value) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + limit;
        let mut last = serde_json::Value::Null;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            let report = self.reports.recv_timeout(rest);
            let report = report
                .with_context(|| format!("waited {} s for {what}; the page said last: {last}", limit.as_secs()))?;
            if let Some(value) = found(&report) {
                return Ok(value);
            }
            last = report;
        }
    }
}

fn answer(mut stream: TcpStream, html: &str) -> Result<Option<serde_json::Value>> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?).take(MAX_REPORT as u64);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0usize;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length.min(MAX_REPORT)];
    reader.read_exact(&mut body)?;
    let (kind, text, report) = if first.starts_with("POST /report ") {
        ("text/plain", "", Some(serde_json::from_slice(&body)?))
    } else if first.starts_with("GET / ") {
        ("text/html; charset=utf-8", html, None)
    } else {
        ("text/plain", "", None)
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )?;
    Ok(report)
}
