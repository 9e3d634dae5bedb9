//! What the browser shows in the end: one small page without scripts, with every word that it has.

/// A page and its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    status: &'static str,
    good: bool,
    title: &'static str,
    text: &'static str,
}

pub fn come_back() -> Page {
    Page {
        status: "200 OK",
        good: true,
        title: "Back to Invigil",
        text: "Your sign-in goes on in the app. You can close this window.",
    }
}

pub fn turned_away() -> Page {
    Page {
        status: "200 OK",
        good: false,
        title: "Nobody was signed in",
        text: "You turned away from signing in. Close this window and try again in Invigil whenever you like.",
    }
}

pub fn refused() -> Page {
    Page {
        status: "200 OK",
        good: false,
        title: "Nobody was signed in",
        text: "Your institution’s sign-in refused. Close this window; Invigil says more.",
    }
}

pub fn not_awaited() -> Page {
    Page {
        status: "400 Bad Request",
        good: false,
        title: "This is not the sign-in that Invigil waits for",
        text: "Close this window and go on in the one that Invigil opened last.",
    }
}

pub fn nothing_here() -> Page {
    Page {
        status: "404 Not Found",
        good: false,
        title: "There is nothing here",
        text: "Invigil waits here for a sign-in, and for nothing else.",
    }
}

const STYLE: &str = ":root{color-scheme:light dark;--bg:#eef1f5;--card:#fff;--line:#d9dfe7;--ink:#1a2230;--soft:#5a6577;--good:#1f7a4d;--good-bg:#e2f3ea;--mute:#5a6577;--mute-bg:#e8ecf1}\
@media(prefers-color-scheme:dark){:root{--bg:#0f141b;--card:#171e27;--line:#2a3440;--ink:#e6ebf2;--soft:#9aa6b6;--good:#63c796;--good-bg:#17342a;--mute:#9aa6b6;--mute-bg:#222c38}}\
*{box-sizing:border-box;margin:0}\
body{min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--bg);color:var(--ink);font:16px/1.55 Inter,system-ui,-apple-system,'Segoe UI',sans-serif}\
main{width:min(420px,100%);padding:40px 36px 36px;background:var(--card);border:1px solid var(--line);border-radius:16px;text-align:center;box-shadow:0 12px 40px rgb(15 25 40/.08)}\
svg{width:56px;height:56px;padding:14px;border-radius:50%;margin-bottom:20px;fill:none;stroke-width:2.4;stroke-linecap:round;stroke-linejoin:round;stroke:var(--mute);background:var(--mute-bg)}\
svg.good{stroke:var(--good);background:var(--good-bg)}\
h1{font-size:21px;line-height:1.3;font-weight:650;letter-spacing:-.01em;margin-bottom:8px}\
p{color:var(--soft)}\
footer{margin-top:28px;padding-top:18px;border-top:1px solid var(--line);font-size:13px;font-weight:600;letter-spacing:.02em;color:var(--soft)}";

const TICK: &str = "<path d=\"M5 12.5l4.6 4.6L19 7.5\"/>";
const CROSS: &str = "<path d=\"M7 7l10 10M17 7L7 17\"/>";

impl Page {
    /// The whole answer (RFC 9112). No script, nothing from elsewhere; the address, with a code that is used up, is told to nobody.
    pub fn to_http(self) -> String {
        let Self {
            status,
            good,
            title,
            text,
        } = self;
        let (class, sign) = if good { (" class=\"good\"", TICK) } else { ("", CROSS) };
        let body = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{title}</title><style>{STYLE}</style></head><body><main><svg{class} viewBox=\"0 0 24 24\" aria-hidden=\"true\">{sign}</svg>\
             <h1>{title}</h1><p>{text}</p><footer>Invigil</footer></main></body></html>"
        );
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\
             cache-control: no-store\r\nreferrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\n\
             content-security-policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\r\n{body}",
            body.len()
        )
    }
}
