//! A commit, as an import sees it.
//!
//! Commits come parents first. What a commit touched is its difference to its *first* parent (to nothing, if it has
//! none); a merge touches nothing: what it brings together was touched by the commits it merges.

use std::fmt;

use motet_fact::Entity;

/// The name of a commit: 20 bytes in SHA-1 repositories, 32 in SHA-256 ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommitId(Box<[u8]>);

impl CommitId {
    /// Takes 20 or 32 bytes; nothing else names a commit.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 20 | 32).then(|| CommitId(bytes.into()))
    }

    /// Reads 40 or 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &[u8]) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text).ok()?;
        Self::from_bytes(&bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The commit as an entity.
    pub(crate) fn entity(&self) -> Entity {
        Entity::new(&*self.0).expect("32 bytes are fewer than an entity may have")
    }

    /// The first digits, for people.
    pub(crate) fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..4])
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a commit did to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It was not there before.
    Added,
    /// Its content or mode is another.
    Modified,
    /// It is not there any more.
    Deleted,
    /// It was a file and is a link, or the like.
    TypeChanged,
}

impl Kind {
    /// The letter git has for it.
    pub(crate) fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'A' => Some(Kind::Added),
            b'M' => Some(Kind::Modified),
            b'D' => Some(Kind::Deleted),
            b'T' => Some(Kind::TypeChanged),
            _ => None,
        }
    }

    /// The attribute of the facts that state it.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Kind::Added => "git/added",
            Kind::Modified => "git/modified",
            Kind::Deleted => "git/deleted",
            Kind::TypeChanged => "git/type-changed",
        }
    }
}

/// One path that a commit touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) kind: Kind,
    /// Bytes: git knows no encoding of paths.
    pub(crate) path: Vec<u8>,
}

/// A commit. Names are those of the mailmap; times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) id: CommitId,
    pub(crate) parents: Vec<CommitId>,
    pub(crate) author: String,
    pub(crate) author_time: i64,
    pub(crate) committer: String,
    pub(crate) committer_time: i64,
    pub(crate) subject: String,
    pub(crate) touches: Vec<Touch>,
}

impl Commit {
    /// Whether it has more than one parent.
    pub(crate) fn is_merge(&self) -> bool {
        self.parents.len() > 1
    }
}
