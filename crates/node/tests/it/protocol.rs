//! What the protocol asks for, line by line.
