//! The four questions that `motet demo` keeps answered, and that tests hold against `git` itself.
//!
//! | question | parameter | equals |
//! |---|---|---|
//! | the ancestors of a commit | `$commit`, the id's bytes | `git rev-list COMMIT` |
//! | who touched a path first | `$path` | the least (committer time, id) of `git log --full-history --no-merges -- PATH` |
//! | which paths an author never touched | `$author` | |
//! | commits per author | | `git shortlog -sn COMMIT` |
//!
//! Each is a program of its own in `queries/`, to be read and to be asked with `motet query -f`.

/// A question: its name, its program, and the output that answers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    pub(crate) output: &'static str,
}

/// The commit itself, its parents, theirs, and so on.
pub(crate) const ANCESTORS: Question =
    Question { name: "ancestors", program: include_str!("queries/ancestors.pomo"), output: "ancestor" };
/// Who touched a path first.
pub(crate) const FIRST_TOUCH: Question = Question {
    name: "first-touch",
    program: include_str!("queries/first-touch.pomo"),
    output: "first_touch",
};
/// Which paths an author never touched.
pub(crate) const NEVER_TOUCHED: Question = Question {
    name: "never-touched",
    program: include_str!("queries/never-touched.pomo"),
    output: "never_touched",
};
/// How many commits each author has.
pub(crate) const COMMITS_PER_AUTHOR: Question = Question {
    name: "commits-per-author",
    program: include_str!("queries/commits-per-author.pomo"),
    output: "commits_per_author",
};
