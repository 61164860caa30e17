//! Tests of the whole: the house rules, and the binary as its users run it.

mod tidy;
