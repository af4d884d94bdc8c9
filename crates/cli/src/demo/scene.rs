//! What the peers write: tasks that they all know, and then, while the network is cut, what they can't know of each
//! other.
//!
//! Both sides set the same properties of the same tasks, make new ones, and go on with the git history: one side adds
//! a commit on top; the other finds a commit older than the oldest and *grafts* it under it, as `git replace --graft`
//! does. So every one of the four answers differs between the sides: the graft gives the tip an ancestor more and a
//! path another first toucher, each commit touches a path that nobody else did, and both count for their authors.

use motet_fact::{Cid, Digest, Fact, Value};
use motet_stream::json::to_json;
use serde_json::{Value as Json, json};

use crate::demo::fleet::Fleet;
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::git::CommitId;
use crate::git::import::COMMIT;

const DAY: i64 = 86_400;

/// A write: who does it, what it is in words, and the request.
pub(crate) struct Write {
    pub(crate) peer: usize,
    pub(crate) words: String,
    pub(crate) request: Json,
}

/// The tasks everybody knows.
pub(crate) struct Tasks(Vec<(String, &'static str)>);

impl Tasks {
    /// Has the first peer make them.
    pub(crate) fn create(fleet: &mut Fleet<'_>) -> Result<Self, Failure> {
        let titles = ["Write the release notes", "Mend the fence", "Water the plums"];
        let mut tasks = Vec::new();
        for title in titles {
            let request = json!({"do": "create", "type": "task", "set": {"title": title, "state": "open"}});
            let answer = fleet.ask(0, &request)?;
            tasks.push((answer["item"].as_str().unwrap_or_default().to_owned(), title));
        }
        Ok(Tasks(tasks))
    }

    /// What each peer says about each property that was set on both sides: the task, the property, and all candidates.
    pub(crate) fn conflicts(&self, fleet: &mut Fleet<'_>, peer: usize) -> Result<Vec<Conflict>, Failure> {
        let mut conflicts = Vec::new();
        for (item, title) in &self.0 {
            let answer = fleet.ask(peer, &json!({"do": "get", "item": item}))?;
            for (property, value) in answer["properties"].as_object().into_iter().flatten() {
                let candidates: Vec<String> = value["candidates"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|candidate| candidate["value"].to_string())
                    .collect();
                if candidates.len() > 1 {
                    let (task, winner) = ((*title).to_owned(), value["value"].to_string());
                    conflicts.push(Conflict { task, property: property.clone(), winner, candidates });
                }
            }
        }
        Ok(conflicts)
    }
}

/// A property that writers disagree about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) task: String,
    pub(crate) property: String,
    pub(crate) winner: String,
    pub(crate) candidates: Vec<String>,
}

/// What is written while the network is cut: `near` is a peer of one side, `far` and `last` are of the other.
pub(crate) fn concurrent_writes(
    stage: &Stage,
    tasks: &Tasks,
    near: usize,
    far: usize,
    last: usize,
) -> Result<Vec<Write>, Failure> {
    let name = |peer: usize| stage.peers[peer].name.clone();
    let set = |peer: usize, task: usize, property: &str, value: &str| Write {
        peer,
        words: format!("sets {property} of «{}» to «{value}»", tasks.0[task].1),
        request: json!({"do": "set", "item": tasks.0[task].0, "set": {property: value}}),
    };
    let create = |peer: usize, title: &str| Write {
        peer,
        words: format!("makes a task «{title}»"),
        request: json!({"do": "create", "type": "task", "set": {"title": title, "by": name(peer)}}),
    };
    Ok(vec![
        set(near, 0, "title", "Write the release notes today"),
        set(far, 0, "title", "Write the release notes tomorrow"),
        set(last, 1, "state", "dropped"),
        set(near, 1, "state", "done"),
        create(near, "Buy nails"),
        create(far, "Borrow a ladder"),
        new_commit(stage, near)?,
        graft(stage, far)?,
        set(last, 2, "owner", "whoever is there first"),
        set(near, 2, "owner", "the early bird"),
    ])
}

/// Who writes for a peer: an author whose feed it was dealt, if possible one that no answer names yet; or itself.
fn author(stage: &Stage, peer: usize) -> (String, Option<String>) {
    let (dealt, asked) = (&stage.peers[peer], stage.asked_authors());
    let other = dealt.authors.iter().find(|(author, _)| !asked.contains(author));
    match other.or(dealt.authors.first()) {
        Some((author, feed)) => (author.clone(), Some(feed.to_string())),
        None => (dealt.name.clone(), None),
    }
}

/// A commit on top of the tip.
fn new_commit(stage: &Stage, peer: usize) -> Result<Write, Failure> {
    let (author, feed) = author(stage, peer);
    let id = invented(stage, "on top");
    let mut facts =
        commit_facts(&id, &author, stage.overview.latest + DAY, "Written while the network was cut");
    facts.push(fact(&id, "git/added", "written-while-the-network-was-cut.md", &[]));
    facts.push(fact(&id, "git/parent", stage.tip.1, &[]));
    facts.push(fact(&id, COMMIT, id.to_string(), &[stage.tip.1]));
    let words = format!("writes commit {} of {author}, on top of {}", id.short(), stage.tip.0.short());
    Ok(Write { peer, words, request: state(stage, feed, facts) })
}

/// A commit under the root.
fn graft(stage: &Stage, peer: usize) -> Result<Write, Failure> {
    let (author, feed) = author(stage, peer);
    let id = invented(stage, "under the root");
    let mut facts =
        commit_facts(&id, &author, stage.overview.earliest - DAY, "Found again: older than the oldest");
    facts.push(fact(&id, "git/added", stage.path(), &[]));
    facts.push(fact(&id, "git/added", "older-than-the-oldest.md", &[]));
    facts.push(fact(&id, COMMIT, id.to_string(), &[]));
    let found =
        Fact::new(id.entity(), COMMIT.into(), id.to_string(), Vec::new()).map_err(motet::Error::from)?;
    facts.push(fact(&stage.root.0, "git/parent", found.cid(), &[]));
    let words =
        format!("finds commit {} of {author}, and grafts it under {}", id.short(), stage.root.0.short());
    Ok(Write { peer, words, request: state(stage, feed, facts) })
}

fn invented(stage: &Stage, what: &str) -> CommitId {
    let parts: [&[u8]; 2] = [stage.party.as_bytes(), what.as_bytes()];
    let digest = Digest::derive("motet demo commit v1", &parts);
    let length = stage.tip.0.as_bytes().len();
    CommitId::from_bytes(&digest.0[..length]).expect("it is as long as another commit's id")
}

fn commit_facts(id: &CommitId, author: &str, time: i64, subject: &str) -> Vec<Json> {
    vec![
        fact(id, "git/author", author, &[]),
        fact(id, "git/committer", author, &[]),
        fact(id, "git/author-time", time, &[]),
        fact(id, "git/commit-time", time, &[]),
        fact(id, "git/subject", subject, &[]),
    ]
}

fn fact(id: &CommitId, attribute: &str, value: impl Into<Value>, causes: &[Cid]) -> Json {
    let causes: Vec<String> = causes.iter().map(Cid::to_string).collect();
    let entity = Value::bytes(id.as_bytes());
    json!({"entity": to_json(&entity), "attribute": attribute, "value": to_json(&value.into()), "causes": causes})
}

fn state(stage: &Stage, feed: Option<String>, facts: Vec<Json>) -> Json {
    let mut request = json!({"do": "state", "item": stage.item.to_string(), "facts": facts});
    if let Some(feed) = feed {
        request["feed"] = json!(feed);
    }
    request
}
