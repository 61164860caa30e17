//! Checks what clients send, field by field, as Discord words it.

pub(crate) mod command;
pub(crate) mod component;
pub(crate) mod embed;
pub(crate) mod message;
pub(crate) mod modal;

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::refusal::Errors;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Reads the fields of one object and notes what is wrong with them.
pub(crate) struct Form<'v, 'e> {
    pub(crate) object: &'v Object,
    place: String,
    pub(crate) errors: &'e mut Errors,
}

/// Whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

impl<'v, 'e> Form<'v, 'e> {
    pub(crate) fn new(
        object: &'v Object,
        place: impl Into<String>,
        errors: &'e mut Errors,
    ) -> Self {
        Self {
            object,
            place: place.into(),
            errors,
        }
    }

    /// Returns the place of a field, or of a field below it.
    pub(crate) fn place(&self, key: &str) -> String {
        join(&self.place, key)
    }

    /// Notes that a field is wrong.
    pub(crate) fn refuse(&mut self, key: &str, code: &str, message: impl Into<String>) {
        let place = self.place(key);
        self.errors.add(&place, code, message);
    }

    /// Returns a field unless it is absent or null.
    fn field(&mut self, key: &str, need: Need) -> Option<&'v Value> {
        match self.object.get(key) {
            None | Some(Value::Null) => {
                if need == Need::Required {
                    self.refuse(key, "BASE_TYPE_REQUIRED", "This field is required");
                }
                None
            }
            Some(value) => Some(value),
        }
    }

    /// Reads a text whose number of characters lies in `length`.
    pub(crate) fn text(
        &mut self,
        key: &str,
        need: Need,
        length: RangeInclusive<usize>,
    ) -> Option<&'v str> {
        let value = self.field(key, need)?;
        let Some(text) = value.as_str() else {
            self.refuse(
                key,
                "STRING_TYPE_CONVERT",
                format!("Could not interpret \"{value}\" as string."),
            );
            return None;
        };
        let count = text.chars().count();
        if !length.contains(&count) {
            if count == 0 && need == Need::Required {
                self.refuse(key, "BASE_TYPE_REQUIRED", "This field is required");
            } else if *length.start() == 0 {
                self.refuse(
                    key,
                    "BASE_TYPE_MAX_LENGTH",
                    format!("Must be {} or fewer in length.", length.end()),
                );
            } else {
                self.refuse(
                    key,
                    "BASE_TYPE_BAD_LENGTH",
                    format!(
                        "Must be between {} and {} in length.",
                        length.start(),
                        length.end()
                    ),
                );
            }
            return None;
        }
        Some(text)
    }

    /// Reads a whole number in `range`.
    pub(crate) fn integer(
        &mut self,
        key: &str,
        need: Need,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = self.field(key, need)?;
        let number = value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let Some(number) = number else {
            self.refuse(
                key,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{}\" is not int.", plain(value)),
            );
            return None;
        };
        if number < *range.start() {
            self.refuse(
                key,
                "NUMBER_TYPE_MIN",
                format!(
                    "int value should be greater than or equal to {}.",
                    range.start()
                ),
            );
            return None;
        }
        if number > *range.end() {
            self.refuse(
                key,
                "NUMBER_TYPE_MAX",
                format!("int value should be less than or equal to {}.", range.end()),
            );
            return None;
        }
        Some(number)
    }

    /// Reads a whole number that must be one of `choices`.
    pub(crate) fn choice(&mut self, key: &str, need: Need, choices: &[i64]) -> Option<i64> {
        let number = self.integer(key, need, i64::MIN..=i64::MAX)?;
        if !choices.contains(&number) {
            let names: Vec<String> = choices.iter().map(ToString::to_string).collect();
            self.refuse(
                key,
                "BASE_TYPE_CHOICES",
                format!("Value must be one of ({}).", names.join(", ")),
            );
            return None;
        }
        Some(number)
    }

    /// Reads a Boolean.
    pub(crate) fn boolean(&mut self, key: &str, need: Need) -> Option<bool> {
        let value = self.field(key, need)?;
        let Some(boolean) = value.as_bool() else {
            self.refuse(key, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
            return None;
        };
        Some(boolean)
    }

    /// Reads an id.
    pub(crate) fn snowflake(&mut self, key: &str, need: Need) -> Option<u64> {
        let value = self.field(key, need)?;
        let id = value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        if id.is_none() {
            self.refuse(
                key,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{}\" is not snowflake.", plain(value)),
            );
        }
        id
    }

    /// Reads a list with a number of entries in `length`.
    pub(crate) fn list(
        &mut self,
        key: &str,
        need: Need,
        length: RangeInclusive<usize>,
    ) -> Option<&'v [Value]> {
        let value = self.field(key, need)?;
        let Some(list) = value.as_array() else {
            self.refuse(
                key,
                "LIST_TYPE_CONVERT",
                "Only iterables may be used in a ListType",
            );
            return None;
        };
        if !length.contains(&list.len()) {
            if *length.start() == 0 {
                self.refuse(
                    key,
                    "BASE_TYPE_MAX_LENGTH",
                    format!("Must be {} or fewer in length.", length.end()),
                );
            } else {
                self.refuse(
                    key,
                    "BASE_TYPE_BAD_LENGTH",
                    format!(
                        "Must be between {} and {} in length.",
                        length.start(),
                        length.end()
                    ),
                );
            }
            return None;
        }
        Some(list)
    }

    /// Reads an object.
    pub(crate) fn object(&mut self, key: &str, need: Need) -> Option<&'v Object> {
        let value = self.field(key, need)?;
        let object = value.as_object();
        if object.is_none() {
            self.refuse(
                key,
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            );
        }
        object
    }
}

/// Joins a place and a key below it.
pub(crate) fn join(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}
