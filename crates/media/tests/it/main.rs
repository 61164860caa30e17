//! Real files through real decoders, hostile bytes, and a count of allocations.

mod allocation;
mod deck;
mod decoding;
mod demuxing;
mod filters;
mod hostile;
mod pipeline;
mod signal;
mod timescale;
