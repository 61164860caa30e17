//! Reads sections out of what was written, and finds all mistakes on the way.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::describe;
use super::error::{ConfigError, Place, similar};
use super::section::{Check, Field, Section, Visitor};
use super::setting::Setting;
use super::tree::{Branch, Entry, Raw, Table, read_text};

/// Returns the section that `table` holds, and all mistakes; with any, the section is not to be
/// used.
pub(super) fn read<S: Section>(table: Table) -> (S, Vec<ConfigError>) {
    let keys = describe::keys::<S>();
    let mut reader = Reader {
        table,
        path: Vec::new(),
        known: Vec::new(),
        errors: Vec::new(),
        keys: &keys,
    };
    let section = S::visit(&mut reader);
    reader.refuse_the_rest();
    (section, reader.errors)
}

/// Reads one section. What is read is taken out of the table; what is left is unknown.
struct Reader<'k> {
    table: Table,
    path: Vec<String>,
    known: Vec<&'static str>,
    errors: Vec<ConfigError>,
    /// All keys of the whole configuration, with their paths.
    keys: &'k [String],
}

impl Reader<'_> {
    fn take(&mut self, field: Field) -> Option<Entry> {
        self.known.push(field.name);
        self.table.entries.remove(field.name)
    }

    fn key(&self, name: &str) -> String {
        let mut key = self.path.join(".");
        if !key.is_empty() {
            key.push('.');
        }
        key + name
    }

    fn refuse(&mut self, place: &Place, problem: String, remedy: String) {
        self.errors.push(ConfigError::new(place, problem, remedy));
    }

    fn value<T: Setting>(
        &mut self,
        field: Field,
        entry: &Entry,
        range: Option<&RangeInclusive<u64>>,
        check: Option<Check<T>>,
    ) -> Option<T> {
        let expected = || match range {
            Some(range) => format!("a whole number of {}..={}", range.start(), range.end()),
            None => T::expected(),
        };
        let value = match &entry.branch {
            Branch::Leaf(raw) => T::read(raw),
            Branch::Table(_) | Branch::List(_) => None,
        };
        let in_range = |value: &T| {
            range.is_none_or(|range| value.number().is_none_or(|number| range.contains(&number)))
        };
        let refusal = match &value {
            Some(value) if in_range(value) => check.and_then(|check| check(value).err()),
            _ => Some(expected()),
        };
        match refusal {
            None => value,
            Some(expected) => {
                let shown = entry.branch.shown(T::ECHO);
                let problem = format!("`{}` is {shown}", self.key(field.name));
                self.refuse(&entry.place, problem, format!("expected {expected}"));
                None
            }
        }
    }

    /// Returns a reader for a part of this section.
    fn inner(&self, table: Table, name: &str) -> Self {
        let mut path = self.path.clone();
        path.push(name.to_owned());
        Self {
            table,
            path,
            known: Vec::new(),
            errors: Vec::new(),
            keys: self.keys,
        }
    }

    fn read_inner<S: Section>(&mut self, mut inner: Self) -> S {
        let section = S::visit(&mut inner);
        inner.refuse_the_rest();
        self.errors.append(&mut inner.errors);
        section
    }

    fn refuse_the_rest(&mut self) {
        for (name, entry) in std::mem::take(&mut self.table.entries) {
            let key = self.key(&name);
            // A key that stands in the wrong section, such as `token` above all of them.
            let elsewhere = || {
                let ends = |path: &&String| path.rsplit('.').next() == Some(name.as_str());
                self.keys.iter().find(ends).map(String::as_str)
            };
            let remedy = match similar(&name, self.known.iter().copied()).or_else(elsewhere) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.refuse(&entry.place, format!("unknown key `{key}`"), remedy);
        }
    }

    fn secret_text(&mut self, name: &str, entry: &Entry) -> Option<SecretString> {
        let text = match &entry.branch {
            Branch::Leaf(Raw::Text(text) | Raw::Variable(text)) => trimmed(text),
            branch => {
                let problem = format!("`{}` is {}", self.key(name), branch.shown(false));
                self.refuse(&entry.place, problem, "expected text".into());
                return None;
            }
        };
        if text.is_empty() {
            let problem = format!("`{}` is empty", self.key(name));
            self.refuse(&entry.place, problem, "leave it out or fill it in".into());
            return None;
        }
        Some(text.into())
    }

    fn secret_file(&mut self, name: &str, place: &Place, file: &Path) -> Option<SecretString> {
        let problem = match read_text(file) {
            Ok(text) if trimmed(&text).is_empty() => "is empty".to_owned(),
            Ok(text) => return Some(trimmed(&text).into()),
            Err(error) => format!("cannot be read ({error})"),
        };
        let problem = format!(
            "the file of `{}`, {}, {problem}",
            self.key(name),
            file.display()
        );
        self.refuse(
            place,
            problem,
            "expected a file that holds the secret and nothing else".into(),
        );
        None
    }
}

impl Visitor for Reader<'_> {
    fn setting<T: Setting>(
        &mut self,
        field: Field,
        default: T,
        range: Option<RangeInclusive<u64>>,
        check: Option<Check<T>>,
    ) -> T {
        let Some(entry) = self.take(field) else {
            return default;
        };
        self.value(field, &entry, range.as_ref(), check)
            .unwrap_or(default)
    }

    fn required<T: Setting>(&mut self, field: Field, check: Option<Check<T>>) -> T {
        let value = if let Some(entry) = self.take(field) {
            self.value(field, &entry, None, check)
        } else {
            // The list, which knows where this item is, puts the place right.
            self.errors.push(ConfigError::new(
                &Place::File(String::new()),
                format!("`{}` is missing", self.key(field.name)),
                format!("expected {}", T::expected()),
            ));
            None
        };
        value.unwrap_or_else(T::placeholder)
    }

    fn secret(&mut self, secret: Field, file: Field) -> (Option<SecretString>, Option<PathBuf>) {
        let is_variable = |entry: &Entry| matches!(entry.place, Place::Variable(_));
        let (text, path) = match (self.take(secret), self.take(file)) {
            (Some(text), Some(path)) => match (is_variable(&text), is_variable(&path)) {
                // The environment stands over the file, whichever twin it names.
                (true, false) => (Some(text), None),
                (false, true) => (None, Some(path)),
                _ => {
                    let problem = format!(
                        "`{}` and `{}` are both set",
                        self.key(secret.name),
                        self.key(file.name)
                    );
                    self.refuse(&path.place, problem, "keep one of them".into());
                    return (None, None);
                }
            },
            one => one,
        };
        if let Some(entry) = text {
            return (self.secret_text(secret.name, &entry), None);
        }
        let Some(entry) = path else {
            return (None, None);
        };
        let Some(path) = self.value::<PathBuf>(file, &entry, None, None) else {
            return (None, None);
        };
        (
            self.secret_file(secret.name, &entry.place, &path),
            Some(path),
        )
    }

    fn section<S: Section>(&mut self, field: Field) -> S {
        let table = match self.take(field) {
            None => Table::default(),
            Some(Entry {
                branch: Branch::Table(table),
                ..
            }) => table,
            Some(Entry { place, branch }) => {
                let problem = format!("`{}` is {}", self.key(field.name), branch.shown(false));
                self.refuse(
                    &place,
                    problem,
                    format!("expected a section `[{}]`", self.key(field.name)),
                );
                Table::default()
            }
        };
        let inner = self.inner(table, field.name);
        self.read_inner(inner)
    }

    fn list<S: Section>(&mut self, field: Field) -> Vec<S> {
        let Some(entry) = self.take(field) else {
            return Vec::new();
        };
        let items = match entry.branch {
            // A table of numbers is what variables make: `…__0__NAME`.
            Branch::List(items) | Branch::Table(items) => items,
            branch @ Branch::Leaf(_) => {
                let problem = format!("`{}` is {}", self.key(field.name), branch.shown(false));
                self.refuse(
                    &entry.place,
                    problem,
                    format!("expected `[[{}]]`", self.key(field.name)),
                );
                return Vec::new();
            }
        };
        let mut numbered = Vec::new();
        for (name, item) in items.entries {
            match (name.parse::<usize>(), item.branch) {
                (Ok(number), Branch::Table(table)) => numbered.push((number, item.place, table)),
                (_, branch) => {
                    let key = format!("{}.{name}", self.key(field.name));
                    let problem = format!("`{key}` is {}", branch.shown(false));
                    let remedy = format!("expected `[[{}]]`", self.key(field.name));
                    self.refuse(&item.place, problem, remedy);
                }
            }
        }
        numbered.sort_by_key(|(number, _, _)| *number);
        numbered
            .into_iter()
            .map(|(number, place, table)| {
                let mut inner = self.inner(table, &format!("{}.{number}", field.name));
                let section = S::visit(&mut inner);
                inner.refuse_the_rest();
                for error in &mut inner.errors {
                    if error.place == Place::File(String::new()) {
                        error.place = place.clone();
                    }
                }
                self.errors.append(&mut inner.errors);
                section
            })
            .collect()
    }
}

/// Editors and `echo` end a file with a newline that is no part of the secret.
fn trimmed(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}
