//! Bytes that survive: ordered tables, blocks by CID and one atomic commit, over an embedded engine or memory.
