//! The certificate: whether it is good for the name that clients use, and for how long.

use super::Look;
use crate::config::ServeConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY_S: i64 = 86_400;
/// Time for a person to notice, and for an automatic renewal to have failed a few times.
const RENEW_DAYS: i64 = 14;

pub(super) fn certificate(config: &ServeConfig, now: i64, look: &mut Look<'_>) {
    let given = config.http.cert.as_ref();
    // That a given one can be read and fits its key was checked with the settings.
    let path = given
        .cloned()
        .unwrap_or_else(|| config.data.data_dir.join("certificate.pem"));
    if given.is_none() && !path.exists() {
        return look.warning(
            "there is no certificate yet; the first start makes a self-signed one",
            "Set http.cert and http.key for browsers, which have no pin",
        );
    }
    let leaf = match CertificateDer::from_pem_file(&path) {
        Ok(leaf) => leaf,
        Err(error) => {
            let fix = "Put it there again; without http.cert, delete it with its key and a new one is made";
            return look.error(format!("{} holds no certificate: {error}", path.display()), fix);
        }
    };
    let Ok((_, parsed)) = X509Certificate::from_der(&leaf) else {
        return look.error(
            format!("{} is no X.509 certificate", path.display()),
            "Put the right file there",
        );
    };
    let validity = parsed.validity();
    let (begins, ends) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let renew = "Renew it and send the server SIGHUP";
    let mut good = true;
    if now < begins {
        good = false;
        let fix = "See whether the clock is right; else wait, or put the one before back";
        look.error(
            format!("the certificate is good only from {}", validity.not_before),
            fix,
        );
    } else if now >= ends {
        good = false;
        look.error(format!("the certificate has expired at {}", validity.not_after), renew);
    } else if (ends - now) / DAY_S < RENEW_DAYS {
        good = false;
        look.warning(
            format!("the certificate expires in {} days", (ends - now) / DAY_S),
            renew,
        );
    }
    if let Some(host) = host_of(config) {
        let named = ServerName::try_from(host.clone())
            .ok()
            .zip(ParsedCertificate::try_from(&leaf).ok());
        if named.is_none_or(|(name, leaf)| verify_server_name(&leaf, &name).is_err()) {
            good = false;
            let fix = match given {
                Some(_) => "Get one for that name, or set http.authority to a name that it has",
                None => "Delete it with its key and a new one is made; join links that were handed out lose their pin",
            };
            look.error(
                format!("the certificate is not for {host}, which clients are told"),
                fix,
            );
        }
    }
    if given.is_none() {
        look.warning(
            "the certificate is self-signed: our apps know it by the pin in join links, browsers refuse it",
            "Set http.cert and http.key when browsers should come",
        );
    } else if good {
        look.ok(format!("the certificate is good for {} days", (ends - now) / DAY_S));
    }
}

/// The host that clients are told.
pub(super) fn host_of(config: &ServeConfig) -> Option<String> {
    let (host, _) = config.http.authority.as_deref()?.rsplit_once(':')?;
    Some(host.trim_matches(['[', ']']).to_owned())
}
