//! State shared between processes: store, bus, cache; one contract suite for every backend.
