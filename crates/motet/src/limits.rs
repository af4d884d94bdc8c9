//! How much memory a database takes, and how long it may take to open.

/// Bounds that trade memory and the time of opening for speed. They change nothing that anybody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many facts the items of a party that are in memory have together, by and large.
    pub facts_in_memory: usize,
    /// From how many parts, besides what was saved, an item is folded before it is saved anew.
    pub parts_unsaved: usize,
    /// After how many entries a party makes a checkpoint: as many are taken in anew at most when it is opened.
    pub checkpoint_entries: u32,
    /// After how many pages of its graph that changed (20 KiB each) it makes one.
    pub checkpoint_pages: usize,
    /// After how many rows that came or went, and epochs, a kept view makes a checkpoint at the earliest: as many are
    /// run again at most when a small one is opened, and for a larger one in proportion to what it holds.
    pub view_changes: u64,
    /// After how many bytes of bodies it makes one: the facts of as many are in no index on disk.
    pub checkpoint_bytes: u64,
    /// Up to how many parts an item is folded whole when only some of its facts are asked for.
    pub parts_whole: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            facts_in_memory: 200_000,
            parts_unsaved: 256,
            checkpoint_entries: 2048,
            checkpoint_pages: 128,
            view_changes: 256,
            checkpoint_bytes: 8 << 20,
            parts_whole: 32,
        }
    }
}
