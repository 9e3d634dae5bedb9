//! The mail server: whether invitations would be taken there. Nothing is sent.

use super::Look;
use crate::config::ServeConfig;
use crate::mail::Mailer;

pub(super) async fn server(config: &ServeConfig, look: &mut Look<'_>) {
    let mailer = match Mailer::new(&config.mail) {
        Ok(Some(mailer)) => mailer,
        Ok(None) => return,
        Err(error) => return look.error(format!("the settings can't be used: {error}"), "See --check-config"),
    };
    let signed_in = if config.mail.user.is_some() {
        "answers, and lets this server in"
    } else {
        "answers"
    };
    match mailer.look().await {
        Ok(()) => look.ok(format!("{} {signed_in}", mailer.server)),
        // Admins hand the links over meanwhile.
        Err(error) => look.warning(
            format!("{} can't be used: {error}", mailer.server),
            "See mail.server, mail.user and mail.ca_file; until then admins hand over the links of invitations themselves",
        ),
    }
}
