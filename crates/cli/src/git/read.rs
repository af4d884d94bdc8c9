//! The history of a git repository, read by running `git log` and taking its output apart as it comes.
//!
//! One process prints all: `--topo-order --reverse` puts parents first, and with `-z` every field ends in a NUL, which
//! no name, subject or path contains. A commit is seven fields, the first of which begins with the byte 1, and then
//! pairs of a letter and a path. Whatever the user has configured (diffs of merges, renames, signatures, relative
//! paths) is overridden, because an import must give the same facts for everybody.
//!
//! Nothing is held but the commit at hand, so a history may be of any size. A shallow clone is refused: its oldest
//! commits say that they touched everything, and its counts would be wrong.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::thread::JoinHandle;

use crate::failure::Failure;
use crate::git::{Commit, CommitId, Kind, Touch};

/// Environment variables by which git would look at another repository than the one asked for.
const MISLEADING: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_EXTERNAL_DIFF",
];

const FORMAT: &str = "--format=tformat:%x01%H%x00%P%x00%aN%x00%at%x00%cN%x00%ct%x00%s";

/// Why a history can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error(
        "`git` can't be run: {0}\nhelp: install git, or leave `--repo` out of `motet demo` to use the history that ships with it"
    )]
    NotInstalled(std::io::Error),
    #[error("{path} is not a git repository: {why}")]
    NotARepository { path: String, why: String },
    #[error(
        "{0} is a shallow clone: the beginning of its history is missing\nhelp: `git -C {0} fetch --unshallow` brings the rest"
    )]
    Shallow(String),
    #[error("{0} has no commits yet\nhelp: commit something first")]
    Empty(String),
    #[error("{path} has no commit `{revision}`\nhelp: `git -C {path} branch --all` lists branches")]
    NoSuchRevision { path: String, revision: String },
    #[error("`git log` of {path} failed after {commits} commits: {why}")]
    Failed { path: String, commits: u64, why: String },
    #[error("`git log` of {path} printed something unexpected after {commits} commits: {what}")]
    Unexpected { path: String, commits: u64, what: String },
}

/// A repository that can be read.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    path: PathBuf,
}

impl Repository {
    /// Looks whether there is a repository with a whole history.
    pub(crate) fn open(path: &Path) -> Result<Self, GitError> {
        let repository = Repository { path: path.to_owned() };
        let answer = repository.run(&["rev-parse", "--is-shallow-repository"])?;
        if !answer.status.success() {
            return Err(GitError::NotARepository { path: repository.name(), why: complaint(&answer.stderr) });
        }
        if answer.stdout.starts_with(b"true") {
            return Err(GitError::Shallow(repository.name()));
        }
        Ok(repository)
    }

    /// The path it was opened by, for messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// What people call it: the name of its directory.
    pub(crate) fn title(&self) -> String {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        path.file_name().map_or_else(|| self.name(), |name| name.to_string_lossy().into_owned())
    }

    /// The commit that a name such as `HEAD`, a branch or the beginning of an id stands for.
    pub(crate) fn resolve(&self, revision: &str) -> Result<CommitId, GitError> {
        let wanted = format!("{revision}^{{commit}}");
        let answer = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])?;
        let digits = answer.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        match CommitId::from_hex(digits) {
            Some(id) if answer.status.success() => Ok(id),
            _ if self.is_empty()? => Err(GitError::Empty(self.name())),
            _ => Err(GitError::NoSuchRevision { path: self.name(), revision: revision.to_owned() }),
        }
    }

    fn is_empty(&self) -> Result<bool, GitError> {
        Ok(self.run(&["rev-list", "--all", "--max-count=1"])?.stdout.is_empty())
    }

    /// How many commits the history of a commit has.
    pub(crate) fn count(&self, of: &CommitId) -> Result<u64, GitError> {
        let answer = self.run(&["rev-list", "--count", &of.to_string()])?;
        let count = String::from_utf8_lossy(&answer.stdout).trim().parse();
        count.map_err(|_| GitError::Failed { path: self.name(), commits: 0, why: complaint(&answer.stderr) })
    }

    /// The first commits of a history: those without parents.
    pub(crate) fn roots(&self, of: &CommitId) -> Result<Vec<CommitId>, GitError> {
        let answer = self.run(&["rev-list", "--max-parents=0", &of.to_string()])?;
        Ok(answer.stdout.split(|byte| *byte == b'\n').filter_map(CommitId::from_hex).collect())
    }

    /// The history of a commit, parents first.
    pub(crate) fn history(&self, of: &CommitId) -> Result<Commits, GitError> {
        let mut command = self.command();
        command.args([
            "-c",
            "log.showRoot=true",
            "-c",
            "log.showSignature=false",
            "-c",
            "diff.noprefix=false",
        ]);
        command.args([
            "log",
            "--topo-order",
            "--reverse",
            "--full-history",
            "-z",
            "--name-status",
            "--no-renames",
        ]);
        command.args(["--no-color", "--no-ext-diff", "--no-relative", "--ignore-submodules=none"]);
        command.args(["--no-notes", "--encoding=UTF-8", FORMAT]).arg(of.to_string()).arg("--");
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(GitError::NotInstalled)?;
        let output = child.stdout.take().expect("its output is a pipe");
        let output = BufReader::with_capacity(1 << 16, output);
        let complaints = child.stderr.take().map(|stderr| std::thread::spawn(move || drain(stderr)));
        Ok(Commits { path: self.name(), child, complaints, fields: Fields { output, ahead: None }, read: 0 })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        MISLEADING.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_PAGER", "cat");
        command.arg("-C").arg(&self.path).stdin(Stdio::null());
        command
    }

    /// Runs git to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output, GitError> {
        self.command().args(arguments).output().map_err(GitError::NotInstalled)
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Failure::Failed(error.to_string())
    }
}

/// Reads while the process writes, so that it never waits for us to listen.
fn drain(mut stderr: ChildStderr) -> Vec<u8> {
    let mut text = Vec::new();
    // What can't be read is not told; the exit status says that something went wrong.
    let _ = stderr.read_to_end(&mut text);
    text
}

fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim().trim_start_matches("fatal: ");
    if text.is_empty() { "git does not say why".to_owned() } else { text.to_owned() }
}

/// A running `git log`, commit by commit.
pub(crate) struct Commits {
    path: String,
    child: Child,
    complaints: Option<JoinHandle<Vec<u8>>>,
    fields: Fields,
    read: u64,
}

impl Iterator for Commits {
    type Item = Result<Commit, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fields.commit() {
            Ok(Some(commit)) => {
                self.read += 1;
                Some(Ok(commit))
            }
            Ok(None) => self.end().err().map(Err),
            Err(what) => Some(Err(self.broken(what))),
        }
    }
}

impl Commits {
    /// The output has ended: was that all?
    fn end(&mut self) -> Result<(), GitError> {
        let why = self.complaint();
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(GitError::Failed { path: self.path.clone(), commits: self.read, why }),
        }
    }

    fn broken(&mut self, what: String) -> GitError {
        GitError::Unexpected { path: self.path.clone(), commits: self.read, what }
    }

    fn complaint(&mut self) -> String {
        let text = self.complaints.take().and_then(|reader| reader.join().ok());
        complaint(&text.unwrap_or_default())
    }
}

/// Who stops reading needs no more: the process ends with its reader.
impl Drop for Commits {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of `git log`, field by field.
struct Fields<R = BufReader<ChildStdout>> {
    output: R,
    /// The first field of the next commit, which ended the one before.
    ahead: Option<Vec<u8>>,
}

impl<R: BufRead> Fields<R> {
    /// The next commit; none at the end.
    fn commit(&mut self) -> Result<Option<Commit>, String> {
        let Some(first) = self.first()? else { return Ok(None) };
        let id = first.strip_prefix(b"\x01").and_then(CommitId::from_hex);
        let id = id.ok_or_else(|| format!("{:?} where a commit begins", String::from_utf8_lossy(&first)))?;
        let parents = self.want()?;
        let parents = parents.split(|byte| *byte == b' ').filter(|digits| !digits.is_empty());
        let parents: Option<Vec<CommitId>> = parents.map(CommitId::from_hex).collect();
        let mut commit = Commit {
            parents: parents.ok_or_else(|| format!("the parents of {id}"))?,
            id,
            author: self.name()?,
            author_time: self.time()?,
            committer: self.name()?,
            committer_time: self.time()?,
            subject: text(self.want()?),
            touches: Vec::new(),
        };
        self.touches(&mut commit)?;
        Ok(Some(commit))
    }

    fn first(&mut self) -> Result<Option<Vec<u8>>, String> {
        if let Some(field) = self.ahead.take() {
            return Ok(Some(field));
        }
        loop {
            match self.field()? {
                Some(field) if field.is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    /// Everything up to the next commit is what this one touched.
    fn touches(&mut self, commit: &mut Commit) -> Result<(), String> {
        while let Some(field) = self.first()? {
            if field.first() == Some(&1) {
                self.ahead = Some(field);
                break;
            }
            let kind = match field.trim_ascii_start() {
                [letter] => Kind::from_letter(*letter),
                _ => None,
            };
            let kind = kind.ok_or_else(|| {
                format!("{:?} as a kind of change in {}", String::from_utf8_lossy(&field), commit.id)
            })?;
            let path = self.want()?;
            if !commit.is_merge() {
                commit.touches.push(Touch { kind, path });
            }
        }
        Ok(())
    }

    fn name(&mut self) -> Result<String, String> {
        let name = text(self.want()?);
        Ok(if name.trim().is_empty() { "(no name)".to_owned() } else { name })
    }

    /// Commits with a date that git itself can't read say nothing, or nonsense: they get 0.
    fn time(&mut self) -> Result<i64, String> {
        Ok(text(self.want()?).parse().unwrap_or(0))
    }

    fn want(&mut self) -> Result<Vec<u8>, String> {
        self.field()?.ok_or_else(|| "its output stops in the middle of a commit".to_owned())
    }

    fn field(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut field = Vec::new();
        self.output.read_until(0, &mut field).map_err(|error| error.to_string())?;
        if field.is_empty() {
            return Ok(None);
        }
        if field.pop_if(|byte| *byte == 0).is_none() && !field.trim_ascii().is_empty() {
            return Err("its output stops in the middle of a field".to_owned());
        }
        Ok(Some(field))
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commits(output: &[u8]) -> Result<Vec<Commit>, String> {
        let mut fields = Fields { output, ahead: None };
        std::iter::from_fn(|| fields.commit().transpose()).collect()
    }

    fn header(id: &str, parents: &str) -> Vec<u8> {
        format!("\x01{id}\0{parents}\0Ada\01\0Bob\02\0subject\0").into_bytes()
    }

    #[test]
    fn commits_are_told_apart_with_and_without_changes() {
        let (one, two) = ("11".repeat(20), "22".repeat(20));
        let mut output = header(&one, "");
        output.extend(b"\nA\0a\nb\0D\0\xff\0");
        output.extend(header(&two, &one));
        let commits = commits(&output).unwrap();
        assert_eq!(commits.len(), 2);
        let touches = [(Kind::Added, b"a\nb".to_vec()), (Kind::Deleted, vec![0xff])];
        assert_eq!(commits[0].touches, touches.map(|(kind, path)| Touch { kind, path }));
        assert_eq!(commits[1].parents, [commits[0].id.clone()]);
        assert_eq!(commits[1].committer_time, 2);
    }

    #[test]
    fn sha256_and_merges_are_read() {
        let id = |digit: &str| digit.repeat(64);
        let mut output = header(&id("3"), &format!("{} {}", id("1"), id("2")));
        output.extend(b"\nM\0x\0");
        let commits = commits(&output).unwrap();
        assert!(commits[0].is_merge() && commits[0].touches.is_empty());
        assert_eq!(commits[0].id.as_bytes().len(), 32);
    }

    #[test]
    fn output_that_stops_or_differs_is_an_error() {
        let whole = header(&"11".repeat(20), "");
        assert!(commits(&whole[..whole.len() - 3]).is_err());
        assert!(commits(&whole[..50]).is_err());
        assert!(commits(b"commit\0").is_err());
        assert!(commits(&[whole, b"\nQ\0x\0".to_vec()].concat()).is_err());
    }
}
