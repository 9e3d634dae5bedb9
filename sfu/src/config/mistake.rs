//! What is wrong with the settings: all of it at once, each with its place and what to do, because an operator who learns of one
//! mistake at each start learns of the last one on the morning of the exam.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting's value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Line and column count from 1.
    File {
        path: Arc<PathBuf>,
        line: usize,
        column: usize,
    },
    /// The variable's name.
    Environment(String),
    /// The flag with its hyphens.
    Flag(String),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub place: Place,
    /// `section.key`; none when the file itself can't be read.
    pub setting: Option<String>,
    /// What is wrong, and what to do.
    pub words: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(setting) = &self.setting {
            write!(f, "{setting}: ")?;
        }
        f.write_str(&self.words)
    }
}

/// All mistakes of one reading, at least one.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("one mistake in the settings")?,
            count => write!(f, "{count} mistakes in the settings")?,
        }
        self.0.iter().try_for_each(|mistake| write!(f, "\n{mistake}"))
    }
}

/// What one reading found so far: where each setting stands, and what is wrong.
#[derive(Debug, Default)]
pub struct Report {
    places: BTreeMap<String, Place>,
    mistakes: Vec<Mistake>,
}

impl Report {
    /// Says where the value of `setting` stands; later layers cover earlier ones.
    pub(super) fn stands(&mut self, setting: &str, place: Place) {
        self.places.insert(setting.to_owned(), place);
    }

    /// The value of `setting` can't be used.
    pub fn mistake(&mut self, setting: &str, words: impl Into<String>) {
        let place = self.places.get(setting).cloned().unwrap_or(Place::Default);
        self.mistake_at(place, Some(setting), words);
    }

    pub(super) fn mistake_at(&mut self, place: Place, setting: Option<&str>, words: impl Into<String>) {
        self.mistakes.push(Mistake {
            place,
            setting: setting.map(str::to_owned),
            words: words.into(),
        });
    }

    /// Nothing, or everything that is wrong in the order of places.
    pub(super) fn finish(mut self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        self.mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        Err(Mistakes(self.mistakes))
    }
}
