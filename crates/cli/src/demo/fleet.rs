//! The peers: real processes of this very program, each serving its database, driven over their consoles.
//!
//! One thread, the caller's, decides everything; a thread per process only reads its lines. [`Fleet::pump`] is where
//! time passes: it takes in events, and it kills the peers that are due to be killed, as with `kill -9`, and starts
//! them again. A request that was under way when its peer died is made again, so whoever writes must bear that a
//! write may have happened although nobody said so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use motet::Parameters;
use motet_fact::PublicKey;
use motet_stream::json::to_json;
use serde_json::{Map, Value as Json, json};

use crate::demo::proxy::Network;
use crate::demo::stage::Asked;
use crate::failure::Failure;
use crate::queries::{COMMITS_PER_AUTHOR, FIRST_TOUCH};

/// A peer that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one look for events lasts.
const LOOK: Duration = Duration::from_millis(10);

/// The answer to one question as a peer gives it now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// How many rows.
    rows: u64,
    /// The rows themselves, as JSON, where they say more than their number.
    kept: BTreeSet<String>,
}

/// Questions whose rows are kept and not only counted.
const KEPT: [&str; 2] = [FIRST_TOUCH.name, COMMITS_PER_AUTHOR.name];
/// Changes of these that one event lists: all there may be.
const KEPT_CHANGES: u64 = 1_000_000;

impl Answer {
    fn change(&mut self, line: &Json) {
        self.rows = line["rows"].as_u64().unwrap_or_default();
        for change in line["changes"].as_array().into_iter().flatten() {
            let row = change[0].to_string();
            match change[1].as_i64() {
                Some(weight) if weight > 0 => self.kept.insert(row),
                _ => self.kept.remove(&row),
            };
        }
    }

    /// The answer in a word or two.
    pub(crate) fn in_short(&self, question: &str) -> String {
        let mut rows = self.kept.iter().filter_map(|row| serde_json::from_str::<Json>(row).ok());
        if question == FIRST_TOUCH.name {
            let author = rows.next_back().and_then(|row| row[0].as_str().map(str::to_owned));
            return author.unwrap_or_else(|| "nobody".to_owned());
        }
        if question == COMMITS_PER_AUTHOR.name {
            let commits: i64 = rows.filter_map(|row| row[1].as_i64()).sum();
            return format!("{commits} by {}", self.rows);
        }
        self.rows.to_string()
    }
}

/// A line from a peer: which one, in which life of it.
struct Heard {
    peer: usize,
    life: u32,
    /// Nothing: its output has ended.
    line: Option<Json>,
}

/// One peer.
pub(crate) struct Peer {
    pub(crate) name: String,
    directory: PathBuf,
    process: Option<(Child, ChildStdin)>,
    life: u32,
    replies: BTreeMap<u64, Json>,
    listening: bool,
    leaving: bool,
    pub(crate) linked: u64,
    pub(crate) waiting: u64,
    pub(crate) answers: BTreeMap<&'static str, Answer>,
    pub(crate) kills: u32,
    pub(crate) peak_memory: u64,
    pub(crate) cpu_ms: u64,
}

/// When a peer is to be killed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    pub(crate) peer: usize,
    pub(crate) at: Instant,
}

/// All peers, and the network between them.
pub(crate) struct Fleet<'a> {
    party: PublicKey,
    questions: &'a [Asked],
    pub(crate) peers: Vec<Peer>,
    pub(crate) network: Network,
    events: Receiver<Heard>,
    teller: Sender<Heard>,
    next: u64,
    kills: Vec<Kill>,
}

impl<'a> Fleet<'a> {
    /// Peers that are not started yet, by name and directory.
    pub(crate) fn new(
        party: PublicKey,
        questions: &'a [Asked],
        peers: impl Iterator<Item = (String, PathBuf)>,
    ) -> Result<Self, Failure> {
        let (teller, events) = channel();
        let peers: Vec<Peer> = peers.map(|(name, directory)| Peer::new(name, directory)).collect();
        let network = Network::new(peers.len())
            .map_err(|error| Failure::Failed(format!("no proxies on the loopback network: {error}")))?;
        Ok(Fleet { party, questions, peers, network, events, teller, next: 1, kills: Vec::new() })
    }

    /// Starts every peer, and has every one watch every question.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        (0..self.peers.len()).try_for_each(|peer| self.spawn(peer))?;
        (0..self.peers.len()).try_for_each(|peer| self.greet(peer))
    }

    fn spawn(&mut self, at: usize) -> Result<(), Failure> {
        let dialled = self.network.dialled_by(at);
        let peer = &mut self.peers[at];
        peer.life += 1;
        peer.listening = false;
        peer.replies.clear();
        let program = std::env::current_exe()
            .map_err(|error| Failure::Failed(format!("this program can't find itself: {error}")))?;
        let log = peer.directory.join("stderr.log");
        let log = File::create(&log).map_err(|error| Failure::writing(&log, &error))?;
        let mut command = Command::new(program);
        command.arg("--dir").arg(&peer.directory).args(["serve", "--console", "--listen", "127.0.0.1:0"]);
        dialled.iter().for_each(|address| {
            command.args(["--peer", address]);
        });
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command
            .spawn()
            .map_err(|error| Failure::Failed(format!("{} could not be started: {error}", peer.name)))?;
        let output = child.stdout.take().expect("its output is a pipe");
        let input = child.stdin.take().expect("its input is a pipe");
        peer.process = Some((child, input));
        let (teller, life) = (self.teller.clone(), peer.life);
        std::thread::spawn(move || read(BufReader::new(output), at, life, &teller));
        Ok(())
    }

    /// Waits until a peer listens, and asks it everything.
    fn greet(&mut self, at: usize) -> Result<(), Failure> {
        let since = Instant::now();
        while !self.peers[at].listening {
            self.look(LOOK)?;
            self.check_patience(at, since, "to start")?;
        }
        for asked in self.questions {
            let question = asked.question;
            let kept = KEPT.contains(&question.name);
            let request = json!({
                "do": "watch",
                "name": question.name,
                "query": question.program,
                "params": parameters(&asked.parameters),
                "changes_max": if kept { KEPT_CHANGES } else { 0 },
            });
            self.peers[at].answers.insert(question.name, Answer::default());
            let Some(first) = self.ask_once(at, request)? else { return Ok(()) };
            let mut answer = Answer {
                rows: first["outputs"][question.output]["rows"].as_u64().unwrap_or_default(),
                kept: BTreeSet::new(),
            };
            if kept {
                let request = json!({"do": "rows", "view": question.name, "limit": KEPT_CHANGES});
                let Some(rows) = self.ask_once(at, request)? else { return Ok(()) };
                answer.kept = rows["rows"][question.output]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(Json::to_string)
                    .collect();
                answer.rows = answer.kept.len() as u64;
            }
            self.peers[at].answers.insert(question.name, answer);
        }
        Ok(())
    }

    fn check_patience(&self, at: usize, since: Instant, what: &str) -> Result<(), Failure> {
        if since.elapsed() < PATIENCE {
            return Ok(());
        }
        let peer = &self.peers[at];
        Err(Failure::Failed(format!(
            "{} took over {} s {what}{}",
            peer.name,
            PATIENCE.as_secs(),
            peer.last_words()
        )))
    }

    // -------------------------------------------------------------- time

    /// Lets time pass: takes in events for a moment, and kills who is due.
    pub(crate) fn pump(&mut self) -> Result<(), Failure> {
        self.look(LOOK)?;
        self.kill_due()
    }

    /// Plans kills.
    pub(crate) fn plan(&mut self, kills: Vec<Kill>) {
        self.kills.extend(kills);
    }

    /// Whether kills are still to come.
    pub(crate) fn kills_planned(&self) -> bool {
        !self.kills.is_empty()
    }

    fn kill_due(&mut self) -> Result<(), Failure> {
        while let Some(place) = self.kills.iter().position(|kill| kill.at <= Instant::now()) {
            let peer = self.kills.swap_remove(place).peer;
            self.kill(peer);
            self.spawn(peer)?;
            self.greet(peer)?;
        }
        Ok(())
    }

    /// Kills a peer as `kill -9` does.
    fn kill(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        if let Some((mut child, _)) = peer.process.take() {
            // It may have ended by itself; it is gone either way.
            let _ = child.kill();
            let _ = child.wait();
        }
        peer.kills += 1;
    }

    fn look(&mut self, how_long: Duration) -> Result<(), Failure> {
        let mut patience = how_long;
        loop {
            match self.events.recv_timeout(patience) {
                Ok(heard) => self.hear(heard)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
            patience = Duration::ZERO;
        }
    }

    fn hear(&mut self, heard: Heard) -> Result<(), Failure> {
        let peer = &mut self.peers[heard.peer];
        if heard.life != peer.life {
            return Ok(()); // from a life that was ended
        }
        let Some(line) = heard.line else { return peer.ended() };
        if let Some(id) = line.get("id").and_then(Json::as_u64) {
            peer.replies.insert(id, line);
            return Ok(());
        }
        match line["event"].as_str() {
            Some("listening") => {
                if let Some(address) =
                    line["address"].as_str().and_then(|text| text.parse::<SocketAddr>().ok())
                {
                    self.network.listens(heard.peer, address);
                }
                self.peers[heard.peer].listening = true;
            }
            Some("progress") => {
                for party in line["parties"].as_array().into_iter().flatten() {
                    peer.take_counts(party);
                }
            }
            Some("view") => peer.take_change(&line, self.questions),
            Some("stopped" | "fault") => {
                return Err(Failure::Failed(format!("{} says: {line}", peer.name)));
            }
            _ => {}
        }
        Ok(())
    }

    // -------------------------------------------------------------- asking

    /// Asks a peer, again if it is killed meanwhile.
    pub(crate) fn ask(&mut self, peer: usize, request: &Json) -> Result<Json, Failure> {
        loop {
            if let Some(answer) = self.ask_killable(peer, request.clone())? {
                return Ok(answer);
            }
        }
    }

    fn ask_killable(&mut self, peer: usize, request: Json) -> Result<Option<Json>, Failure> {
        let (id, life) = self.send(peer, request)?;
        let since = Instant::now();
        loop {
            self.pump()?;
            if self.peers[peer].life != life {
                return Ok(None);
            }
            if let Some(reply) = self.peers[peer].replies.remove(&id) {
                return self.unwrap(peer, reply).map(Some);
            }
            self.check_patience(peer, since, "to answer")?;
        }
    }

    /// Asks without anybody being killed meanwhile: for use while somebody is being started.
    fn ask_once(&mut self, peer: usize, request: Json) -> Result<Option<Json>, Failure> {
        let (id, life) = self.send(peer, request)?;
        let since = Instant::now();
        while self.peers[peer].life == life {
            self.look(LOOK)?;
            if let Some(reply) = self.peers[peer].replies.remove(&id) {
                return self.unwrap(peer, reply).map(Some);
            }
            self.check_patience(peer, since, "to answer")?;
        }
        Ok(None)
    }

    fn send(&mut self, at: usize, mut request: Json) -> Result<(u64, u32), Failure> {
        let id = self.next;
        self.next += 1;
        request["id"] = json!(id);
        request["party"] = json!(self.party.to_string());
        let peer = &mut self.peers[at];
        let Some((_, input)) = &mut peer.process else {
            return Err(Failure::Failed(format!("{} has ended", peer.name)));
        };
        let sent = writeln!(input, "{request}").and_then(|()| input.flush());
        sent.map_err(|error| {
            Failure::Failed(format!("{} does not listen: {error}{}", peer.name, peer.last_words()))
        })?;
        Ok((id, peer.life))
    }

    fn unwrap(&self, peer: usize, mut reply: Json) -> Result<Json, Failure> {
        match reply.get("error") {
            Some(error) => {
                let error = error.as_str().unwrap_or("no reason given");
                Err(Failure::Failed(format!("{} refused: {error}", self.peers[peer].name)))
            }
            None => Ok(reply["ok"].take()),
        }
    }

    /// Asks every peer how it stands, and what it has used.
    pub(crate) fn refresh(&mut self) -> Result<(), Failure> {
        for at in 0..self.peers.len() {
            let status = self.ask(at, &json!({"do": "status"}))?;
            let peer = &mut self.peers[at];
            peer.take_counts(&status);
            peer.peak_memory = peer.peak_memory.max(status["peak_memory_bytes"].as_u64().unwrap_or_default());
            peer.cpu_ms = status["cpu_ms"].as_u64().unwrap_or_default();
        }
        Ok(())
    }

    /// The state hash of each peer.
    pub(crate) fn hashes(&mut self) -> Result<Vec<String>, Failure> {
        (0..self.peers.len())
            .map(|peer| {
                let answer = self.ask(peer, &json!({"do": "hash"}))?;
                Ok(answer["hash"].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// The digest of a question's answer at each peer.
    pub(crate) fn digests(&mut self, asked: &Asked) -> Result<Vec<String>, Failure> {
        (0..self.peers.len())
            .map(|peer| {
                let answer = self.ask(peer, &json!({"do": "digest", "view": asked.question.name}))?;
                Ok(answer["outputs"][asked.question.output]["digest"].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// Ends every peer in good order.
    pub(crate) fn quit(&mut self) -> Result<(), Failure> {
        for at in 0..self.peers.len() {
            self.peers[at].leaving = true;
            self.ask(at, &json!({"do": "quit"}))?;
        }
        for peer in &mut self.peers {
            if let Some((mut child, input)) = peer.process.take() {
                drop(input);
                let status =
                    child.wait().map_err(|error| Failure::Failed(format!("{}: {error}", peer.name)))?;
                if !status.success() {
                    return Err(Failure::Failed(format!(
                        "{} ended with {status}{}",
                        peer.name,
                        peer.last_words()
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Whatever happens, no process stays behind.
impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for peer in &mut self.peers {
            if let Some((mut child, _)) = peer.process.take() {
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Peer {
    fn new(name: String, directory: PathBuf) -> Self {
        Peer {
            name,
            directory,
            process: None,
            life: 0,
            replies: BTreeMap::new(),
            listening: false,
            leaving: false,
            linked: 0,
            waiting: 0,
            answers: BTreeMap::new(),
            kills: 0,
            peak_memory: 0,
            cpu_ms: 0,
        }
    }

    fn take_counts(&mut self, counts: &Json) {
        self.linked = counts["linked"].as_u64().unwrap_or(self.linked);
        self.waiting = counts["waiting"].as_u64().unwrap_or(self.waiting);
    }

    fn take_change(&mut self, line: &Json, questions: &[Asked]) {
        let Some(asked) = questions.iter().find(|asked| line["view"] == asked.question.name) else { return };
        self.answers.entry(asked.question.name).or_default().change(line);
    }

    /// Its output has ended, and nobody killed it.
    fn ended(&self) -> Result<(), Failure> {
        if self.leaving {
            return Ok(());
        }
        Err(Failure::Failed(format!("{} ended by itself{}", self.name, self.last_words())))
    }

    /// What it complained of last.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.directory.join("stderr.log")).unwrap_or_default();
        let lines: Vec<&str> = log.trim().lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n");
        if last.is_empty() { String::new() } else { format!(":\n{last}") }
    }
}

fn read(output: impl BufRead, peer: usize, life: u32, teller: &Sender<Heard>) {
    for line in output.lines().map_while(Result::ok) {
        let line = serde_json::from_str(&line).unwrap_or(json!({"event": "garbled", "line": line}));
        if teller.send(Heard { peer, life, line: Some(line) }).is_err() {
            return;
        }
    }
    // The orchestrator may have ended first.
    let _ = teller.send(Heard { peer, life, line: None });
}

fn parameters(parameters: &Parameters) -> Json {
    Json::Object(parameters.iter().map(|(name, value)| (name.clone(), to_json(value))).collect::<Map<_, _>>())
}
