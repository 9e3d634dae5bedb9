//! What an e-mail says: a text with places for names, the link and what else is known.

use invigil_shared::role::Role;
use std::time::{Duration, UNIX_EPOCH};

const TEXT: &str = include_str!("letter.txt");
const SUBJECT: &str = "Subject: ";

/// What is put into the places.
pub struct Words<'w> {
    pub name: &'w str,
    pub email: &'w str,
    pub role: Role,
    /// How people know the server: its host.
    pub server: &'w str,
    pub link: &'w str,
    /// Microseconds since the Unix epoch, UTC.
    pub until: i64,
}

impl Words<'_> {
    fn of(&self, place: &str) -> Option<String> {
        Some(match place {
            "name" => self.name.to_owned(),
            "email" => self.email.to_owned(),
            "role" => self.role.as_str().to_owned(),
            "server" => self.server.to_owned(),
            "link" => self.link.to_owned(),
            "until" => {
                let until = Duration::from_micros(u64::try_from(self.until).unwrap_or_default());
                httpdate::fmt_http_date(UNIX_EPOCH + until)
            }
            _ => return None,
        })
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Place(String),
}

/// A text with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    subject: Vec<Piece>,
    body: Vec<Piece>,
}

impl Default for Letter {
    fn default() -> Self {
        // A test parses it.
        Self::parse(TEXT).unwrap_or(Self {
            subject: Vec::new(),
            body: vec![Piece::Place("link".into())],
        })
    }
}

impl Letter {
    /// "Subject: ...", an empty line, the text.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.replace("\r\n", "\n");
        let (subject, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let subject = subject
            .strip_prefix(SUBJECT)
            .filter(|subject| !subject.trim().is_empty());
        let subject = subject.filter(|subject| !subject.contains('\n'));
        let subject = subject.ok_or("\"Subject: ...\" on the first line, then an empty one, are needed")?;
        let letter = Self {
            subject: pieces(subject.trim())?,
            body: pieces(body)?,
        };
        let link = Piece::Place("link".into());
        if letter.subject.contains(&link) {
            return Err("the link is a secret, and a subject is shown on locked screens".into());
        }
        if !letter.body.contains(&link) {
            return Err("{link} is missing".into());
        }
        Ok(letter)
    }

    /// Subject and text for somebody.
    pub fn fill(&self, words: &Words<'_>) -> (String, String) {
        let fill = |pieces: &[Piece]| -> String {
            let pieces = pieces.iter().map(|piece| match piece {
                Piece::Plain(text) => text.clone(),
                Piece::Place(place) => words.of(place).unwrap_or_default(),
            });
            pieces.collect()
        };
        (fill(&self.subject), fill(&self.body))
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let sample = Words {
        name: "",
        email: "",
        role: Role::Proctor,
        server: "",
        link: "",
        until: 0,
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (place, after) = after.split_once('}').ok_or("a { without its }")?;
        if sample.of(place).is_none() {
            return Err(format!(
                "{{{place}}} is not known: name, email, role, server, until and link are"
            ));
        }
        found.extend([Piece::Plain(before.into()), Piece::Place(place.into())]);
        rest = after;
    }
    found.push(Piece::Plain(rest.into()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words<'static> {
        Words {
            name: "Ana {link}",
            email: "ana@example.org",
            role: Role::Lead,
            server: "exam.example.org",
            link: "invigil://exam.example.org/invite?token=x",
            until: 1_700_000_000_000_000,
        }
    }

    #[test]
    fn our_own_text_says_everything() {
        let letter = Letter::parse(TEXT).unwrap();
        assert_eq!(letter, Letter::default());
        let (subject, body) = letter.fill(&words());
        assert!(
            subject.contains("exam.example.org") && !subject.contains("token"),
            "{subject}"
        );
        for part in [
            "Ana {link}",
            "lead",
            "\ninvigil://exam.example.org/invite?token=x\n",
            "Tue, 14 Nov 2023 22:13:20 GMT",
        ] {
            assert!(body.contains(part), "{part}: {body}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_read_again() {
        let letter = Letter::parse("Subject: {name}\n\n{name}, {email}: {link}").unwrap();
        let (subject, body) = letter.fill(&words());
        assert_eq!(subject, "Ana {link}");
        assert_eq!(
            body,
            "Ana {link}, ana@example.org: invigil://exam.example.org/invite?token=x"
        );
    }

    #[test]
    fn a_text_that_would_not_do_is_refused() {
        for (text, why) in [
            ("", "Subject"),
            ("Hello\n\n{link}", "Subject"),
            ("Subject: \n\n{link}", "Subject"),
            ("Subject: a\nBcc: b@example.org\n\n{link}", "Subject"),
            ("Subject: a\n\nHello", "{link} is missing"),
            ("Subject: {link}\n\n{link}", "secret"),
            ("Subject: a\n\n{link} {password}", "{password} is not known"),
            ("Subject: a\n\n{link", "without its }"),
        ] {
            let error = Letter::parse(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        assert!(Letter::parse("Subject: Prüfungen\r\n\r\nGuten Tag {name},\r\n{link}\r\n").is_ok());
    }
}
