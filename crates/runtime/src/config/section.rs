//! Sections that describe themselves: one walk over the fields, several visitors.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use secrecy::SecretString;

use super::setting::Setting;

/// What is known of a field beside its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Its doc comment, line by line, as rustc hands it over.
    pub(super) docs: &'static [&'static str],
    /// What the example shows where there is no default, in TOML.
    pub(super) example: Option<&'static str>,
}

/// A refusal says what would be right.
pub(super) type Check<T> = fn(&T) -> Result<(), String>;

/// A group of settings: a table of the file.
pub(super) trait Section: Sized {
    /// Shows every field to the visitor, in order, and returns what it makes of them.
    fn visit(visitor: &mut impl Visitor) -> Self;
}

/// Looks at the fields of a section: to read them, to describe them, or to take the defaults.
pub(super) trait Visitor {
    fn setting<T: Setting>(
        &mut self,
        field: Field,
        default: T,
        range: Option<RangeInclusive<u64>>,
        check: Option<Check<T>>,
    ) -> T;

    /// A setting without default, in a section of which there may be none.
    fn required<T: Setting>(&mut self, field: Field, check: Option<Check<T>>) -> T;

    /// A secret and the file it may be in. The secret is there in both cases.
    fn secret(&mut self, secret: Field, file: Field) -> (Option<SecretString>, Option<PathBuf>);

    fn section<S: Section>(&mut self, field: Field) -> S;

    fn list<S: Section>(&mut self, field: Field) -> Vec<S>;
}

/// Takes the defaults.
pub(super) struct Defaults;

impl Visitor for Defaults {
    fn setting<T: Setting>(
        &mut self,
        _: Field,
        default: T,
        _: Option<RangeInclusive<u64>>,
        _: Option<Check<T>>,
    ) -> T {
        default
    }

    fn required<T: Setting>(&mut self, _: Field, _: Option<Check<T>>) -> T {
        T::placeholder()
    }

    fn secret(&mut self, _: Field, _: Field) -> (Option<SecretString>, Option<PathBuf>) {
        (None, None)
    }

    fn section<S: Section>(&mut self, _: Field) -> S {
        S::visit(self)
    }

    fn list<S: Section>(&mut self, _: Field) -> Vec<S> {
        Vec::new()
    }
}

/// Defines a section: the struct, its defaults, and the walk over its fields.
///
/// The blocks may be left out but keep this order. `in` is the range of a number, `check` a
/// function that refuses bad values, `example` what is shown where there is no default.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])+
        pub struct $section:ident {
            $(required {$(
                $(#[doc = $required_doc:literal])+
                pub $required:ident: $required_type:ty
                    $(, check $required_check:path)?
                    , example $required_example:literal;
            )+})?
            $(secrets {$(
                $(#[doc = $secret_doc:literal])+
                pub $secret:ident;
                $(#[doc = $file_doc:literal])+
                pub $file:ident;
            )+})?
            $(settings {$(
                $(#[doc = $setting_doc:literal])+
                pub $setting:ident: $setting_type:ty = $default:expr
                    $(, in $range:expr)?
                    $(, check $check:path)?
                    $(, example $example:literal)?;
            )+})?
            $(sections {$(
                $(#[doc = $inner_doc:literal])+
                pub $inner:ident: $inner_type:ty;
            )+})?
            $(lists {$(
                $(#[doc = $list_doc:literal])+
                pub $list:ident: $item:ty;
            )+})?
        }
    ) => {
        $(#[doc = $section_doc])+
        #[derive(Debug, Clone)]
        pub struct $section {
            $($($(#[doc = $required_doc])+ pub $required: $required_type,)+)?
            $($(
                $(#[doc = $secret_doc])+
                pub $secret: Option<secrecy::SecretString>,
                $(#[doc = $file_doc])+
                pub $file: Option<std::path::PathBuf>,
            )+)?
            $($($(#[doc = $setting_doc])+ pub $setting: $setting_type,)+)?
            $($($(#[doc = $inner_doc])+ pub $inner: $inner_type,)+)?
            $($($(#[doc = $list_doc])+ pub $list: Vec<$item>,)+)?
        }

        impl $crate::config::section::Section for $section {
            fn visit(visitor: &mut impl $crate::config::section::Visitor) -> Self {
                $($(
                    let $required = visitor.required(
                        $crate::config::section::Field {
                            name: stringify!($required),
                            docs: &[$($required_doc),+],
                            example: Some($required_example),
                        },
                        $crate::config::section::optional!($($required_check)?),
                    );
                )+)?
                $($(
                    let ($secret, $file) = visitor.secret(
                        $crate::config::section::Field {
                            name: stringify!($secret),
                            docs: &[$($secret_doc),+],
                            example: Some("\"…\""),
                        },
                        $crate::config::section::Field {
                            name: stringify!($file),
                            docs: &[$($file_doc),+],
                            example: Some(concat!("\"/run/secrets/", stringify!($secret), "\"")),
                        },
                    );
                )+)?
                $($(
                    let $setting = visitor.setting(
                        $crate::config::section::Field {
                            name: stringify!($setting),
                            docs: &[$($setting_doc),+],
                            example: $crate::config::section::optional!($($example)?),
                        },
                        $default,
                        $crate::config::section::optional!($($range)?),
                        $crate::config::section::optional!($($check)?),
                    );
                )+)?
                $($(
                    let $inner = visitor.section($crate::config::section::Field {
                        name: stringify!($inner),
                        docs: &[$($inner_doc),+],
                        example: None,
                    });
                )+)?
                $($(
                    let $list = visitor.list($crate::config::section::Field {
                        name: stringify!($list),
                        docs: &[$($list_doc),+],
                        example: None,
                    });
                )+)?
                Self {
                    $($($required,)+)?
                    $($($secret, $file,)+)?
                    $($($setting,)+)?
                    $($($inner,)+)?
                    $($($list,)+)?
                }
            }
        }

        impl Default for $section {
            fn default() -> Self {
                <Self as $crate::config::section::Section>::visit(
                    &mut $crate::config::section::Defaults,
                )
            }
        }
    };
}

/// Turns something that may be left out into an `Option`.
macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(super) use {optional, section};
