//! The layer of the file: TOML, one table for each section. Each key is read by itself, so that one mistake hides no other.

use super::mistake::{Place, Report};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

type Key<'t> = Spanned<Cow<'t, str>>;

/// Reads settings from the file at `path`. What is wrong goes into the report, and the rest is taken.
pub(super) fn read<T: DeserializeOwned + Default>(path: &Path, report: &mut Report) -> T {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text, report),
        Err(error) => {
            let place = At::new(path, "").place(0..0);
            report.mistake_at(place, None, format!("the file can't be read: {error}"));
            T::default()
        }
    }
}

fn parse<T: DeserializeOwned + Default>(path: &Path, text: &str, report: &mut Report) -> T {
    let at = At::new(path, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = at.place(error.span().unwrap_or(0..0));
        report.mistake_at(place, None, format!("this is not TOML: {}", error.message().trim_end()));
    }
    let whole = table.span();
    let mut good = DeTable::new();
    for (key, value) in table.into_inner() {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(section) if !section.is_empty() => {
                let mut kept = DeTable::new();
                for (inner, value) in section {
                    let setting = format!("{}.{}", key.get_ref(), inner.get_ref());
                    let place = at.place(inner.span());
                    let one = nested(&key, &span, DeTable::from_iter([(inner.clone(), value.clone())]));
                    if check::<T>(one, &whole, &at, &setting, &place, report) {
                        report.stands(&setting, place);
                        kept.insert(inner, value);
                    }
                }
                // An unknown section has lost all its keys by now.
                if !kept.is_empty() {
                    good.insert(key, Spanned::new(span, DeValue::Table(kept)));
                }
            }
            value => {
                let setting = key.get_ref().to_string();
                let place = at.place(key.span());
                let value = Spanned::new(span, value);
                let one = DeTable::from_iter([(key.clone(), value.clone())]);
                if check::<T>(one, &whole, &at, &setting, &place, report) {
                    report.stands(&setting, place);
                    good.insert(key, value);
                }
            }
        }
    }
    T::deserialize(Deserializer::from(Spanned::new(whole.clone(), good))).unwrap_or_else(|error| {
        let place = at.place(error.span().unwrap_or(whole));
        report.mistake_at(place, None, error.message());
        T::default()
    })
}

fn nested<'t>(key: &Key<'t>, span: &Range<usize>, section: DeTable<'t>) -> DeTable<'t> {
    DeTable::from_iter([(key.clone(), Spanned::new(span.clone(), DeValue::Table(section)))])
}

/// Whether a document of this one setting can be read.
fn check<T: DeserializeOwned>(
    document: DeTable<'_>,
    whole: &Range<usize>,
    at: &At,
    setting: &str,
    place: &Place,
    report: &mut Report,
) -> bool {
    let Err(error) = T::deserialize(Deserializer::from(Spanned::new(whole.clone(), document))) else {
        return true;
    };
    let place = error.span().map_or_else(|| place.clone(), |span| at.place(span));
    report.mistake_at(place, Some(setting), error.message());
    false
}

/// Lines and columns of a file.
struct At<'t> {
    path: Arc<std::path::PathBuf>,
    text: &'t str,
}

impl<'t> At<'t> {
    fn new(path: &Path, text: &'t str) -> Self {
        let path = Arc::new(path.to_owned());
        Self { path, text }
    }

    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            path: Arc::clone(&self.path),
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }
}
