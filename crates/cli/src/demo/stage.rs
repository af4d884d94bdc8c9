//! What is there before the peers start: their databases, each with a part of the history.
//!
//! 1. Peer 1 founds the party. A copy of its database is the *stage*: the one place where the whole history is
//!    imported, and where the other peers redeem invitations. It is never connected to anybody, and never written to
//!    again once the peers start.
//! 2. The authors are dealt out: who gets an author gets the key of that author's feed, and the entries on it. Most of
//!    them wait, for they come after entries of others.
//! 3. Every peer gets all control entries: they say who is in the party.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use motet::authority::{InvitationCode, Role};
use motet::item::ItemId;
use motet::{Database, Parameters, Party, Protection};
use motet_fact::{Cid, PublicKey, Value};
use motet_feed::{Entry, EntryKind};
use motet_sync::{Bundle, Replica as _};

use crate::failure::Failure;
use crate::git::import::{Imported, Importer, import, path_value};
use crate::git::{Commit, CommitId, GitError, Repository, shipped};
use crate::queries::{ANCESTORS, COMMITS_PER_AUTHOR, FIRST_TOUCH, NEVER_TOUCHED, Question};

/// Entries that are dealt at once.
const DEAL: usize = 500;
/// A history is made of so many entries at least, if it has as many commits: so that there is something to exchange.
const ENTRIES_MIN: usize = 300;

/// Where the history comes from.
pub(crate) enum Source {
    /// A repository, and its tip.
    Repository(Repository, CommitId),
    /// The history that ships with the program.
    Shipped,
}

impl Source {
    /// The repository that was asked for; else the one this directory is in, if it is whole; else the shipped one.
    /// Also says why.
    pub(crate) fn choose(asked: Option<&Path>) -> Result<(Self, String), Failure> {
        if let Some(path) = asked {
            return Ok(Self::of(path).map(|source| (source, path.display().to_string()))?);
        }
        let shipped = |why: &str| Ok((Source::Shipped, format!("{}; {why}", shipped::NAME)));
        match Self::of(Path::new(".")) {
            Ok(source) => Ok((source, "the repository that this directory is in".to_owned())),
            Err(GitError::NotInstalled(_)) => shipped("git is not installed here"),
            Err(GitError::NotARepository { .. }) => shipped("this directory is in no git repository"),
            Err(GitError::Shallow(_)) => shipped("the repository here is a shallow clone"),
            Err(GitError::Empty(_) | GitError::NoSuchRevision { .. }) => {
                shipped("the repository here is empty")
            }
            Err(error) => Err(error.into()),
        }
    }

    fn of(path: &Path) -> Result<Self, GitError> {
        let repository = Repository::open(path)?;
        let tip = repository.resolve("HEAD")?;
        Ok(Source::Repository(repository, tip))
    }

    fn import(&self, party: &Party, tell: &mut dyn FnMut(&Commit, Imported)) -> Result<Importer, Failure> {
        match self {
            Source::Repository(repository, tip) => {
                let commits = usize::try_from(repository.count(tip)?).unwrap_or(usize::MAX);
                let importer = Importer::new(party, &repository.title(), &repository.roots(tip)?)?;
                import(importer.with_commits_max(commits / ENTRIES_MIN), repository.history(tip)?, tell)
            }
            Source::Shipped => {
                let first = shipped::commits().next().map(|commit| commit.id);
                let importer = Importer::new(party, "garden", first.as_slice())?;
                import(importer.with_commits_max(1), shipped::commits().map(Ok), tell)
            }
        }
    }
}

/// Who touched a path, how often, and who first.
struct Touched {
    authors: BTreeSet<String>,
    touches: u64,
    first: (i64, CommitId, String),
}

/// What the import saw: enough to choose what to ask.
#[derive(Default)]
pub(crate) struct Overview {
    pub(crate) commits: u64,
    pub(crate) merges: u64,
    /// Commits by author.
    pub(crate) authors: BTreeMap<String, u64>,
    paths: BTreeMap<Vec<u8>, Touched>,
    pub(crate) root: Option<CommitId>,
    pub(crate) tip: Option<CommitId>,
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
}

impl Overview {
    fn see(&mut self, commit: &Commit) {
        self.commits += 1;
        self.merges += u64::from(commit.is_merge());
        *self.authors.entry(commit.author.clone()).or_default() += 1;
        for touch in &commit.touches {
            let this = (commit.committer_time, commit.id.clone(), commit.author.clone());
            let touched = self.paths.entry(touch.path.clone()).or_insert_with(|| Touched {
                authors: BTreeSet::new(),
                touches: 0,
                first: this.clone(),
            });
            touched.authors.insert(commit.author.clone());
            touched.touches += 1;
            touched.first = this.min(touched.first.clone());
        }
        if self.root.is_none() {
            self.root = Some(commit.id.clone());
            self.earliest = commit.committer_time;
        }
        self.earliest = self.earliest.min(commit.committer_time);
        self.latest = self.latest.max(commit.committer_time);
        self.tip = Some(commit.id.clone());
    }

    /// The path that most authors touched, and who touched it first.
    fn path(&self) -> (Vec<u8>, String) {
        let most = self.paths.iter().max_by_key(|(_, touched)| (touched.authors.len(), touched.touches));
        let found = most.map(|(path, touched)| (path.clone(), touched.first.2.clone()));
        found.unwrap_or_else(|| (b"README.md".to_vec(), String::new()))
    }

    /// Authors, those with most commits first.
    fn by_diligence(&self) -> Vec<&String> {
        let mut authors: Vec<(&String, &u64)> = self.authors.iter().collect();
        authors.sort_by_key(|(name, commits)| (std::cmp::Reverse(**commits), *name));
        authors.into_iter().map(|(name, _)| name).collect()
    }

    /// An author with many commits but not the most.
    fn author(&self) -> String {
        let authors = self.by_diligence();
        authors.get(1).or(authors.first()).map_or_else(String::new, |name| (*name).clone())
    }
}

/// A question with its parameters.
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) parameters: Parameters,
    /// The question in words.
    pub(crate) words: String,
}

/// What one peer was dealt.
pub(crate) struct Dealt {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    /// The authors whose feeds it writes, with the feeds.
    pub(crate) authors: Vec<(String, PublicKey)>,
    /// How many data entries it begins with.
    pub(crate) entries: usize,
}

/// Everything that the peers begin with.
pub(crate) struct Stage {
    pub(crate) party: PublicKey,
    pub(crate) item: ItemId,
    pub(crate) overview: Overview,
    pub(crate) imported: Imported,
    /// The first commit and the last, with the facts that stand for them.
    pub(crate) root: (CommitId, Cid),
    pub(crate) tip: (CommitId, Cid),
    /// All entries of the party.
    pub(crate) entries: usize,
    pub(crate) peers: Vec<Dealt>,
    pub(crate) questions: Vec<Asked>,
}

impl Stage {
    /// Sets everything up under a directory.
    pub(crate) fn build(
        source: &Source,
        peers: usize,
        directory: &Path,
        tell: &mut dyn FnMut(Imported),
    ) -> Result<Self, Failure> {
        let place = |peer: usize| directory.join(format!("peer-{}", peer + 1));
        let stage = directory.join("stage");
        let key = found(&place(0))?;
        copy(&place(0), &stage)?;
        let database = Database::open(&stage)?;
        let party = database.party(&key)?;
        let mut homes = vec![None];
        for peer in 1..peers {
            homes.push(Some(invite(&party, &place(peer), &name(peer))?));
        }
        let mut overview = Overview::default();
        let importer = source.import(&party, &mut |commit, done| {
            overview.see(commit);
            tell(done);
        })?;
        let mut dealer = Dealer::new(&party, &overview, peers)?;
        for (peer, home) in homes.into_iter().enumerate() {
            let home = match home {
                Some(home) => home,
                None => Database::open(&place(peer))?,
            };
            dealer.deal(peer, &home, place(peer))?;
        }
        let known = |commit: &Option<CommitId>| {
            let commit =
                commit.clone().ok_or_else(|| Failure::Failed("the history has no commits".to_owned()))?;
            let fact = importer.fact_of(&commit).expect("what was seen was imported");
            Ok::<_, Failure>((commit, fact))
        };
        Ok(Stage {
            party: key,
            item: importer.item(),
            imported: importer.done(),
            root: known(&overview.root)?,
            tip: known(&overview.tip)?,
            questions: questions(&overview)?,
            overview,
            entries: party.entries(),
            peers: dealer.dealt,
        })
    }
}

impl Stage {
    /// Authors that are part of a question's answer: who touched the path first, and who never touched which paths.
    pub(crate) fn asked_authors(&self) -> [String; 2] {
        [self.overview.path().1, self.overview.author()]
    }

    /// The path that is asked about.
    pub(crate) fn path(&self) -> Value {
        path_value(&self.overview.path().0)
    }
}

fn name(peer: usize) -> String {
    format!("peer {}", peer + 1)
}

fn found(directory: &Path) -> Result<PublicKey, Failure> {
    let database = Database::create(directory, &name(0), &Protection::KeyFile)?;
    Ok(database.create_party("demo")?.key())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(|error| Failure::writing(to, &error))?;
    for file in std::fs::read_dir(from).map_err(|error| Failure::reading(from, &error))? {
        let file = file.map_err(|error| Failure::reading(from, &error))?;
        let copy = to.join(file.file_name());
        std::fs::copy(file.path(), &copy).map_err(|error| Failure::writing(&copy, &error))?;
    }
    Ok(())
}

/// Makes a database that joins by an invitation, as over the network, but without one.
fn invite(party: &Party, directory: &Path, name: &str) -> Result<Database, Failure> {
    let home = Database::create(directory, name, &Protection::KeyFile)?;
    let link = party.invite(Role::Writer, i64::MAX, Vec::new())?;
    home.join(&InvitationCode::Link(link)).meet(party.database())?;
    Ok(home)
}

/// Deals the entries out.
struct Dealer<'a> {
    party: &'a Party,
    /// Control entries and data entries, each in causal order, with the feed.
    entries: Vec<(Cid, PublicKey, EntryKind)>,
    /// Which peer gets which author's feed.
    owners: BTreeMap<PublicKey, usize>,
    hands: Vec<Vec<(String, PublicKey)>>,
    peers: usize,
    dealt: Vec<Dealt>,
}

impl<'a> Dealer<'a> {
    fn new(party: &'a Party, overview: &Overview, peers: usize) -> Result<Self, Failure> {
        let (mut hands, mut owners) = (vec![Vec::new(); peers], BTreeMap::new());
        for (place, author) in overview.by_diligence().into_iter().enumerate() {
            if let Some(enrolled) = party.author(author)? {
                hands[place % peers].push((author.clone(), enrolled.feed));
                owners.insert(enrolled.feed, place % peers);
            }
        }
        let mut entries = Vec::new();
        for id in all_entries(party) {
            let entry = entry_of(&load(party, &id)?)?;
            entries.push((id, entry.header().feed, entry.header().kind));
        }
        Ok(Dealer { party, entries, owners, hands, peers, dealt: Vec::new() })
    }

    /// Gives a peer all control entries, and the entries and keys of its feeds. Where there are fewer authors than
    /// peers, the entries are dealt out one by one. What is on no author's feed goes to the first.
    fn deal(&mut self, peer: usize, home: &Database, directory: PathBuf) -> Result<(), Failure> {
        let authors = std::mem::take(&mut self.hands[peer]);
        for (_, feed) in &authors {
            self.party.hand_over_feed(feed, home)?;
        }
        let is_mine = |place: usize, feed: &PublicKey| match self.owners.get(feed) {
            Some(_) if self.owners.len() < self.peers => place % self.peers == peer,
            Some(owner) => *owner == peer,
            None => peer == 0,
        };
        let data = self.entries.iter().filter(|(.., kind)| *kind == EntryKind::Data).enumerate();
        let data: Vec<Cid> =
            data.filter(|(place, (_, feed, _))| is_mine(*place, feed)).map(|(_, (id, ..))| *id).collect();
        let control =
            self.entries.iter().filter(|(.., kind)| *kind == EntryKind::Control).map(|(id, ..)| *id);
        hand_over(self.party, &control.collect::<Vec<_>>(), home)?;
        hand_over(self.party, &data, home)?;
        self.dealt.push(Dealt { name: name(peer), directory, authors, entries: data.len() });
        Ok(())
    }
}

/// Gives entries to another database, as a peer would.
fn hand_over(from: &Party, ids: &[Cid], to: &Database) -> Result<(), Failure> {
    for some in ids.chunks(DEAL) {
        let bundles = some.iter().map(|id| load(from, id)).collect::<Result<_, _>>()?;
        for answer in to.deliver(&from.key(), bundles)? {
            answer.map_err(|why| Failure::Failed(format!("an entry could not be dealt: {why}")))?;
        }
    }
    Ok(())
}

/// All linked entries of a party, in causal order.
pub(crate) fn all_entries(party: &Party) -> Vec<Cid> {
    let heads = party.database().heads(&party.key());
    let heads: Vec<Cid> = heads.control.into_iter().chain(heads.data).collect();
    party.database().difference(&party.key(), &heads, &[], false)
}

/// An entry that is linked.
pub(crate) fn load(party: &Party, id: &Cid) -> Result<Bundle, Failure> {
    let bundle =
        party.database().load(&party.key(), id).map_err(|error| Failure::Failed(error.to_string()))?;
    bundle.ok_or_else(|| Failure::Failed(format!("entry {id} is linked, but can't be found")))
}

/// The entry in a bundle of ours.
pub(crate) fn entry_of(bundle: &Bundle) -> Result<Entry, Failure> {
    Entry::decode_stored(&bundle.entry).map_err(|error| Failure::Failed(error.to_string()))
}

fn questions(overview: &Overview) -> Result<Vec<Asked>, Failure> {
    let tip =
        overview.tip.as_ref().ok_or_else(|| Failure::Failed("the history has no commits".to_owned()))?;
    let (path, author) = (path_value(&overview.path().0), overview.author());
    let with = |name: &str, value: Value| Parameters::from([(name.to_owned(), value)]);
    Ok(vec![
        Asked {
            question: ANCESTORS,
            parameters: with("commit", tip.entity().into()),
            words: format!("What are the ancestors of commit {}?", tip.short()),
        },
        Asked {
            question: FIRST_TOUCH,
            words: format!("Who touched {path} first?"),
            parameters: with("path", path),
        },
        Asked {
            question: NEVER_TOUCHED,
            words: format!("Which paths did {author} never touch?"),
            parameters: with("author", author.into()),
        },
        Asked {
            question: COMMITS_PER_AUTHOR,
            parameters: Parameters::new(),
            words: "How many commits has each author?".to_owned(),
        },
    ])
}
