//! What was written, before it is understood: the file with places, the environment over it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Place};

/// A table. A list is one too, with the names `0`, `1`, …, so that variables can reach into it.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<String, Entry>,
}

/// What stands at a key.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) branch: Branch,
}

#[derive(Debug)]
pub(super) enum Branch {
    Leaf(Raw),
    Table(Table),
    List(Table),
}

/// A single value.
#[derive(Debug)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// Something no setting accepts, such as a date.
    Other(&'static str),
    /// A variable: text that may mean a number.
    Variable(String),
}

impl Raw {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Variable(text) => Some(text),
            _ => None,
        }
    }
}

impl Branch {
    /// Names its type, and (if `echo`) its value where that is short.
    pub(super) fn shown(&self, echo: bool) -> String {
        match self {
            Self::Table(_) => "a table".into(),
            Self::List(_) => "a list".into(),
            Self::Leaf(Raw::Integer(value)) if echo => value.to_string(),
            Self::Leaf(Raw::Integer(_)) => "a number".into(),
            Self::Leaf(Raw::Boolean(value)) if echo => value.to_string(),
            Self::Leaf(Raw::Boolean(_)) => "true or false".into(),
            Self::Leaf(Raw::Other(name)) => format!("a {name}"),
            Self::Leaf(Raw::Text(text) | Raw::Variable(text)) if text.is_empty() => "empty".into(),
            Self::Leaf(Raw::Text(text) | Raw::Variable(text)) => {
                if echo && is_harmless(text) {
                    format!("`{text}`")
                } else {
                    "not acceptable".into()
                }
            }
        }
    }
}

/// Whether a bad value may be repeated: short, and neither a token nor a URL with a password, in
/// case that one was put in the wrong place.
fn is_harmless(text: &str) -> bool {
    text.len() <= 40 && !text.contains(['@', '/']) && !text.chars().any(char::is_control)
}

/// Reads a file. What cannot be read at all is an error and leaves the table empty.
pub(super) fn from_file(path: &Path, errors: &mut Vec<ConfigError>) -> Table {
    let name = path.display().to_string();
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            let problem = format!("cannot be read ({error})");
            errors.push(ConfigError::new(
                &Place::File(name),
                problem,
                "name a readable file",
            ));
            return Table::default();
        }
    };
    let line = |offset: usize| Place::Line {
        file: name.clone(),
        line: 1 + text[..offset.min(text.len())].matches('\n').count(),
    };
    let (table, broken) = DeTable::parse_recoverable(&text);
    if broken.is_empty() {
        return from_toml(table.into_inner(), &line);
    }
    errors.extend(broken.into_iter().map(|error| {
        // Only the message: the rest of such an error repeats the line, secrets included.
        let place = line(error.span().map_or(0, |span| span.start));
        ConfigError::new(&place, "is not TOML", error.message())
    }));
    Table::default()
}

/// Reads a file of text that is not absurdly long.
pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(LONGEST + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(std::io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}

fn from_toml(table: DeTable<'_>, line: &impl Fn(usize) -> Place) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let place = line(key.span().start);
        let branch = branch(value.into_inner(), line);
        (key.into_inner().into_owned(), Entry { place, branch })
    });
    Table {
        entries: entries.collect(),
    }
}

fn branch(value: DeValue<'_>, line: &impl Fn(usize) -> Place) -> Branch {
    match value {
        DeValue::String(text) => Branch::Leaf(Raw::Text(text.into_owned())),
        DeValue::Boolean(value) => Branch::Leaf(Raw::Boolean(value)),
        DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
            Ok(value) => Branch::Leaf(Raw::Integer(value)),
            Err(_) => Branch::Leaf(Raw::Other("number out of range")),
        },
        DeValue::Float(_) => Branch::Leaf(Raw::Other("number with a fraction")),
        DeValue::Datetime(_) => Branch::Leaf(Raw::Other("date")),
        DeValue::Table(table) => Branch::Table(from_toml(table, line)),
        DeValue::Array(array) => {
            let entries = array.into_iter().enumerate().map(|(index, value)| {
                let place = line(value.span().start);
                (
                    index.to_string(),
                    Entry {
                        place,
                        branch: branch(value.into_inner(), line),
                    },
                )
            });
            Branch::List(Table {
                entries: entries.collect(),
            })
        }
    }
}

/// Puts variables over the file.
pub(super) fn overlay(
    table: &mut Table,
    environment: impl Iterator<Item = (String, String)>,
    short_names: &[(&str, &[&str])],
    errors: &mut Vec<ConfigError>,
) {
    for (name, value) in environment {
        // Compose files pass on unset variables as empty ones.
        if value.is_empty() {
            continue;
        }
        let short = short_names.iter().find(|(short, _)| *short == name);
        let path: Vec<String> = match (short, name.strip_prefix(PREFIX)) {
            (Some((_, path)), _) => path.iter().map(|part| (*part).to_owned()).collect(),
            // Without a double underscore it is not ours: Kubernetes makes `BACKLINE_NODE_PORT`
            // for a service that is called `backline-node`.
            (None, Some(rest)) if rest.contains("__") => {
                rest.to_lowercase().split("__").map(str::to_owned).collect()
            }
            _ => continue,
        };
        let place = Place::Variable(name);
        if path.len() > DEEPEST {
            errors.push(ConfigError::new(
                &place,
                "no key lies that deep",
                "see the example file",
            ));
            continue;
        }
        if let Some(other) = put(table, &path, &place, Raw::Variable(value)) {
            let problem = format!("`{}` is set by {other}, too", path.join("."));
            errors.push(ConfigError::new(&place, problem, "set one of them"));
        }
    }
}

/// Puts a value at a path. Returns the variable that was there already.
fn put(table: &mut Table, path: &[String], place: &Place, raw: Raw) -> Option<Place> {
    let (name, rest) = path.split_first().expect("a path has a part");
    if rest.is_empty() {
        let entry = Entry {
            place: place.clone(),
            branch: Branch::Leaf(raw),
        };
        let old = table.entries.insert(name.clone(), entry);
        return old
            .map(|old| old.place)
            .filter(|place| matches!(place, Place::Variable(_)));
    }
    let entry = table.entries.entry(name.clone()).or_insert_with(|| Entry {
        place: place.clone(),
        branch: Branch::Table(Table::default()),
    });
    match &mut entry.branch {
        Branch::Table(inner) | Branch::List(inner) => put(inner, rest, place, raw),
        // Something is wrong with one of them; the reader says so about the variable.
        Branch::Leaf(_) => {
            let mut inner = Table::default();
            put(&mut inner, rest, place, raw);
            *entry = Entry {
                place: place.clone(),
                branch: Branch::Table(inner),
            };
            None
        }
    }
}

/// What our variables begin with.
pub(super) const PREFIX: &str = "BACKLINE_";

/// How many parts a path has at most; keeps a hostile variable from exhausting the stack.
const DEEPEST: usize = 8;

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;
