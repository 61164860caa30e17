//! Prints the example file, and lists all keys.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use secrecy::SecretString;

use super::section::{Check, Field, Section, Visitor};
use super::setting::Setting;
use super::tree::PREFIX;

/// Returns the example file of a configuration.
pub(super) fn example<S: Section>(short_names: &[(&str, &[&str])]) -> String {
    let mut describer = Describer {
        path: Vec::new(),
        keys: Vec::new(),
        text: INTRODUCTION.to_owned(),
        short_names,
    };
    S::visit(&mut describer);
    describer.text
}

/// Returns all keys of a configuration, with their paths.
pub(super) fn keys<S: Section>() -> Vec<String> {
    let mut describer = Describer {
        path: Vec::new(),
        keys: Vec::new(),
        text: String::new(),
        short_names: &[],
    };
    S::visit(&mut describer);
    describer.keys
}

struct Describer<'s> {
    path: Vec<&'static str>,
    keys: Vec<String>,
    text: String,
    short_names: &'s [(&'s str, &'s [&'s str])],
}

impl Describer<'_> {
    fn docs(&mut self, field: Field) {
        self.text.push('\n');
        for line in field.docs {
            let _ = writeln!(self.text, "#{}", line.trim_end());
        }
    }

    fn key(&mut self, field: Field, value: Option<String>) {
        let path: Vec<_> = self.path.iter().copied().chain([field.name]).collect();
        self.keys.push(path.join("."));
        self.docs(field);
        let short = self.short_names.iter().find(|(_, short)| *short == path);
        let name = short.map_or_else(
            || format!("{PREFIX}{}", path.join("__").to_uppercase()),
            |(name, _)| (*name).to_owned(),
        );
        let _ = writeln!(self.text, "# Variable: `{name}`.");
        let value = value
            .or_else(|| field.example.map(str::to_owned))
            .expect("a setting without default has an example");
        let _ = writeln!(self.text, "#{} = {value}", field.name);
    }
}

impl Visitor for Describer<'_> {
    fn setting<T: Setting>(
        &mut self,
        field: Field,
        default: T,
        _: Option<RangeInclusive<u64>>,
        _: Option<Check<T>>,
    ) -> T {
        self.key(field, default.toml());
        default
    }

    fn required<T: Setting>(&mut self, field: Field, _: Option<Check<T>>) -> T {
        self.key(field, None);
        T::placeholder()
    }

    fn secret(&mut self, secret: Field, file: Field) -> (Option<SecretString>, Option<PathBuf>) {
        self.key(secret, None);
        self.key(file, None);
        (None, None)
    }

    fn section<S: Section>(&mut self, field: Field) -> S {
        self.path.push(field.name);
        self.docs(field);
        let _ = writeln!(self.text, "[{}]", self.path.join("."));
        let section = S::visit(self);
        self.path.pop();
        section
    }

    fn list<S: Section>(&mut self, field: Field) -> Vec<S> {
        self.path.push(field.name);
        self.docs(field);
        let _ = writeln!(self.text, "#[[{}]]", self.path.join("."));
        self.path.push("0");
        S::visit(self);
        self.path.truncate(self.path.len() - 2);
        Vec::new()
    }
}

const INTRODUCTION: &str = "\
# Configuration of Backline. Printed by `backline config example`; do not edit by hand.
#
# Everything is optional. What is commented out shows the default, or an example where there is
# none. A variable of the environment stands over this file; an empty one counts as not set.
# `backline config check` finds all mistakes at once.
";
