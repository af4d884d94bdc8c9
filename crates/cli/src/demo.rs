//! `motet demo`: the whole thing on real history, in front of your eyes.
//!
//! Each peer is a process of its own with a database on disk, and knows the others only through the network. What is
//! shown is what they say. The acts:
//!
//! 1. A git history is imported, and dealt out to the peers by author ([`stage`]). Most entries wait.
//! 2. The peers start, find each other, and exchange what they lack; four live questions fill.
//! 3. The network is cut in two. Both sides write, in conflict too ([`scene`]); their answers differ.
//! 4. The network is mended. They agree again; where writers disagreed, all candidates are shown.
//! 5. The verdict: every peer has the same state hash and the same four answers, which are those of one replica that
//!    was given everything in order ([`verdict`]). If not, the exit code says so.
//!
//! | module | noun |
//! |---|---|
//! | [`stage`] | what is there before the peers start |
//! | [`fleet`] | the peer processes |
//! | [`proxy`] | the network between them |
//! | [`scene`] | what they write |
//! | [`verdict`] | the oracle |

mod fleet;
mod proxy;
mod scene;
mod stage;
mod verdict;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use motet_fact::Digest;

use crate::args::{DemoArgs, Format, Global};
use crate::demo::fleet::{Fleet, Kill};
use crate::demo::scene::{Tasks, concurrent_writes};
use crate::demo::stage::{Source, Stage};
use crate::demo::verdict::{Oracle, all_equal};
use crate::failure::Failure;
use crate::{output, progress};

/// If nothing moves for so long, nothing will.
const STILL: Duration = Duration::from_secs(60);
/// How often progress is told: every so often at first, and ever less as it takes longer.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Runs the demonstration.
///
/// # Errors
/// [`Failure::Faults`] if any two peers differ, or any answer differs from the oracle's.
pub(crate) fn run(global: &Global, args: &DemoArgs) -> Result<(), Failure> {
    let place = Place::new(args.keep.as_deref())?;
    let mut teller = Teller { begun: Instant::now() };
    let (source, whence) = Source::choose(args.repo.as_deref())?;
    teller.act("1. A history, dealt out")?;
    teller.say(&format!("the history: {whence}"))?;
    let bar = progress::counter(global, "commits");
    let peers = usize::from(args.peers);
    let stage = Stage::build(&source, peers, &place.path, &mut |done| bar.set_position(done.commits))?;
    bar.finish_and_clear();
    let directories: Vec<PathBuf> = stage.peers.iter().map(|peer| peer.directory.clone()).collect();
    let named = stage.peers.iter().map(|peer| (peer.name.clone(), peer.directory.clone()));
    let fleet = Fleet::new(stage.party, &stage.questions, named)?;
    let mut play =
        Play { stage: &stage, fleet, teller, dice: Dice(args.seed), kills: args.kills, full: Vec::new() };
    play.introduce()?;
    play.replicate()?;
    let tasks = play.tasks()?;
    play.cut(&tasks)?;
    play.heal(&tasks)?;
    play.verdict(&directories)
}

/// Where the databases are.
struct Place {
    path: PathBuf,
    keep: bool,
}

impl Place {
    fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let path = match keep {
            Some(path) => path.to_owned(),
            None => {
                let mut name = [0; 8];
                getrandom::fill(&mut name)
                    .map_err(|error| Failure::Failed(format!("no entropy: {error}")))?;
                let name = data_encoding::HEXLOWER.encode(&name);
                std::env::temp_dir().join(format!("motet-demo-{name}"))
            }
        };
        std::fs::create_dir_all(&path).map_err(|error| Failure::writing(&path, &error))?;
        let place = Place { path, keep: keep.is_some() };
        place.clear_when_interrupted()?;
        Ok(place)
    }
}

impl Place {
    /// On Ctrl-C nothing stays behind. The peers end by themselves when their standard input does.
    fn clear_when_interrupted(&self) -> Result<(), Failure> {
        let twin = Place { path: self.path.clone(), keep: self.keep };
        let clear = move || {
            twin.clear();
            std::process::exit(130);
        };
        ctrlc::set_handler(clear).map_err(|error| Failure::Failed(format!("no signal handler: {error}")))
    }

    fn clear(&self) {
        if !self.keep {
            // What can't be removed lies in the directory for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Tells the audience, with the time.
struct Teller {
    begun: Instant,
}

impl Teller {
    fn act(&mut self, title: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        Ok(writeln!(out, "\n{title}").and_then(|()| out.flush())?)
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let seconds = self.begun.elapsed().as_secs_f64();
        Ok(writeln!(out, "{seconds:6.1} s  {line}").and_then(|()| out.flush())?)
    }
}

/// Numbers that replay from a seed.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let digest = Digest::derive("motet demo dice v1", &[&self.0.to_le_bytes()]);
        u64::from_le_bytes(*digest.0.first_chunk().expect("a digest has 32 bytes")) % sides
    }
}

/// The demonstration under way.
struct Play<'a> {
    stage: &'a Stage,
    fleet: Fleet<'a>,
    teller: Teller,
    dice: Dice,
    /// Kills that are still to be planned.
    kills: u32,
    /// When each peer first had everything.
    full: Vec<Option<Duration>>,
}

impl Play<'_> {
    fn introduce(&mut self) -> Result<(), Failure> {
        let (stage, overview) = (self.stage, &self.stage.overview);
        let imported = stage.imported;
        self.teller.say(&format!(
            "{} commits ({} merges) of {} authors: {} facts in {} signed entries",
            overview.commits,
            overview.merges,
            overview.authors.len(),
            imported.facts,
            imported.entries,
        ))?;
        for peer in &stage.peers {
            let authors: Vec<&str> = peer.authors.iter().take(3).map(|(name, _)| name.as_str()).collect();
            let more = peer.authors.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let writes = if authors.is_empty() {
                String::new()
            } else {
                format!("; it writes for {}{more}", authors.join(", "))
            };
            self.teller.say(&format!("{} is dealt {} entries{writes}", peer.name, peer.entries))?;
        }
        for asked in &stage.questions {
            self.teller.say(&format!("all are asked: {} ({})", asked.words, asked.question.name))?;
        }
        Ok(())
    }

    fn replicate(&mut self) -> Result<(), Failure> {
        self.teller.act("2. The peers find each other")?;
        self.fleet.network.cut_all();
        self.fleet.start()?;
        self.fleet.refresh()?;
        self.tell_progress()?;
        self.teller.say("the network comes up")?;
        self.fleet.network.heal();
        self.full = vec![None; self.fleet.peers.len()];
        self.plan_kills(3, 1500);
        let since = Instant::now();
        self.converge(self.stage.entries as u64, since)
    }

    fn tasks(&mut self) -> Result<Tasks, Failure> {
        let tasks = Tasks::create(&mut self.fleet)?;
        self.converge(self.stage.entries as u64 + 3, Instant::now())?;
        self.teller.say("peer 1 has made three tasks; all peers have them")?;
        Ok(tasks)
    }

    fn cut(&mut self, tasks: &Tasks) -> Result<(), Failure> {
        let peers = self.fleet.peers.len();
        let half = peers / 2;
        self.teller.act("3. The network is cut")?;
        self.fleet.network.cut(|peer| peer < half);
        self.teller
            .say(&format!("peers 1 to {half} | peers {} to {peers}: nothing gets through", half + 1))?;
        self.plan_kills(2, 400);
        for write in concurrent_writes(self.stage, tasks, 0, half, peers - 1)? {
            self.fleet.ask(write.peer, &write.request)?;
            let line = format!("{} {}", self.stage.peers[write.peer].name, write.words);
            self.teller.say(&line)?;
        }
        self.settle_sides(half)?;
        self.show_sides(half)
    }

    /// Waits until each side agrees with itself.
    fn settle_sides(&mut self, half: usize) -> Result<(), Failure> {
        let since = Instant::now();
        loop {
            self.finish_kills()?;
            self.fleet.refresh()?;
            let hashes = self.fleet.hashes()?;
            let (near, far) = hashes.split_at(half);
            if all_equal(near) && all_equal(far) {
                return match near[0] == far[0] {
                    true => Err(Failure::Faults("the sides agree although nothing got through".to_owned())),
                    false => Ok(()),
                };
            }
            self.check_still(since)?;
        }
    }

    fn show_sides(&mut self, half: usize) -> Result<(), Failure> {
        let mut differing = 0;
        for asked in &self.stage.questions {
            let digests = self.fleet.digests(asked)?;
            let differs = digests[0] != digests[half];
            differing += usize::from(differs);
            let word = if differs { "differs" } else { "is the same" };
            let answers = [0, half].map(|peer| self.answer(peer, asked.question.name));
            let line = format!("{} {word}: {} | {}", asked.question.name, answers[0], answers[1]);
            self.teller.say(&line)?;
        }
        self.teller
            .say(&format!("the sides disagree about {differing} of {} answers", self.stage.questions.len()))
    }

    fn heal(&mut self, tasks: &Tasks) -> Result<(), Failure> {
        self.teller.act("4. The network is mended")?;
        self.fleet.network.heal();
        self.plan_kills(1, 1500);
        self.agree()?;
        let conflicts = tasks.conflicts(&mut self.fleet, 0)?;
        for conflict in &conflicts {
            self.teller.say(&format!(
                "conflict: {} of «{}» has the candidates {}; all show {}",
                conflict.property,
                conflict.task,
                conflict.candidates.join(", "),
                conflict.winner,
            ))?;
        }
        for peer in 1..self.fleet.peers.len() {
            if tasks.conflicts(&mut self.fleet, peer)? != conflicts {
                let name = &self.fleet.peers[peer].name;
                return Err(Failure::Faults(format!("{name} sees other conflicts than peer 1")));
            }
        }
        if conflicts.is_empty() {
            return Err(Failure::Faults("nobody sees the conflicts that were written".to_owned()));
        }
        Ok(())
    }

    // -------------------------------------------------------------- waiting

    /// Waits until every peer has linked so many entries at least, and all are equal. The number alone says little: a
    /// peer that has begun a new feed has an entry of its own in place of one that it lacks.
    fn converge(&mut self, entries: u64, since: Instant) -> Result<(), Failure> {
        let mut news = News { told: Instant::now(), moved: Instant::now(), last: Vec::new(), untold: false };
        loop {
            self.fleet.pump()?;
            let now: Vec<(u64, u64)> =
                self.fleet.peers.iter().map(|peer| (peer.linked, peer.waiting)).collect();
            for (full, (linked, waiting)) in self.full.iter_mut().zip(&now) {
                if full.is_none() && *linked >= entries && *waiting == 0 {
                    *full = Some(since.elapsed());
                }
            }
            let done = now.iter().all(|(linked, waiting)| *linked >= entries && *waiting == 0);
            let done = done && !self.fleet.kills_planned() && self.are_equal()?;
            if now != news.last {
                (news.moved, news.last, news.untold) = (Instant::now(), now, true);
            }
            if news.untold && (done || news.is_due(since)) {
                self.tell_progress()?;
                (news.told, news.untold) = (Instant::now(), false);
            }
            if done {
                return Ok(());
            }
            if !self.fleet.kills_planned() {
                self.check_still(news.moved)?;
            }
        }
    }

    /// Waits until all are equal.
    fn agree(&mut self) -> Result<(), Failure> {
        let since = Instant::now();
        loop {
            self.finish_kills()?;
            if self.are_equal()? {
                self.tell_progress()?;
                let took = since.elapsed().as_secs_f64();
                return self.teller.say(&format!("all agree, {took:.1} s after the network was mended"));
            }
            self.check_still(since)?;
        }
    }

    /// Whether nothing waits, and all state hashes are equal.
    fn are_equal(&mut self) -> Result<bool, Failure> {
        self.fleet.refresh()?;
        let linked: Vec<u64> = self.fleet.peers.iter().map(|peer| peer.linked).collect();
        let waiting: u64 = self.fleet.peers.iter().map(|peer| peer.waiting).sum();
        Ok(all_equal(&linked) && waiting == 0 && all_equal(&self.fleet.hashes()?))
    }

    fn check_still(&self, since: Instant) -> Result<(), Failure> {
        if since.elapsed() < STILL {
            return Ok(());
        }
        let counts =
            |peer: &fleet::Peer| format!("{}: {} linked, {} waiting", peer.name, peer.linked, peer.waiting);
        let counts: Vec<String> = self.fleet.peers.iter().map(counts).collect();
        let what = format!("the peers do not come to agree; nothing moved for {} s", STILL.as_secs());
        Err(Failure::Faults(format!("{what}\n  {}", counts.join("\n  "))))
    }

    fn tell_progress(&mut self) -> Result<(), Failure> {
        for at in 0..self.fleet.peers.len() {
            let peer = &self.fleet.peers[at];
            let questions = self.stage.questions.iter().map(|asked| asked.question.name);
            let answers: Vec<String> =
                questions.map(|name| format!("{name} {}", self.answer(at, name))).collect();
            let line = format!(
                "{}: {:5} linked {:5} waiting · {}",
                peer.name,
                peer.linked,
                peer.waiting,
                answers.join(" · ")
            );
            self.teller.say(&line)?;
        }
        Ok(())
    }

    /// A peer's answer in a word or two.
    fn answer(&self, peer: usize, question: &str) -> String {
        let answer = self.fleet.peers[peer].answers.get(question);
        answer.map_or_else(|| "–".to_owned(), |answer| answer.in_short(question))
    }

    // -------------------------------------------------------------- kills

    /// Plans this act's share of the kills, when so many acts are left: each at some moment of the next milliseconds.
    fn plan_kills(&mut self, acts_left: u32, within: u64) {
        let share = self.kills.div_ceil(acts_left);
        self.kills -= share;
        let kills: Vec<Kill> = (0..share)
            .map(|_| Kill {
                peer: self.dice.throw(self.fleet.peers.len() as u64) as usize,
                at: Instant::now() + Duration::from_millis(self.dice.throw(within)),
            })
            .collect();
        self.fleet.plan(kills);
    }

    fn finish_kills(&mut self) -> Result<(), Failure> {
        while self.fleet.kills_planned() {
            self.fleet.pump()?;
        }
        self.fleet.pump()
    }

    // -------------------------------------------------------------- the end

    fn verdict(mut self, directories: &[PathBuf]) -> Result<(), Failure> {
        self.teller.act("5. The verdict")?;
        self.fleet.refresh()?;
        let hashes = self.fleet.hashes()?;
        let digests: Vec<Vec<String>> =
            self.stage.questions.iter().map(|asked| self.fleet.digests(asked)).collect::<Result<_, _>>()?;
        self.fleet.refresh()?;
        self.fleet.quit()?;
        let oracle = Oracle::ask(self.stage, directories)?;
        self.print_table(&hashes, &digests, &oracle)?;
        let faults = self.faults(&hashes, &digests, &oracle);
        if !faults.is_empty() {
            return Err(Failure::Faults(faults.join("\n  ")));
        }
        let runtime = oracle.runtime.name();
        self.teller.say(&format!(
            "all {} peers are equal, and equal to one replica that was given all {} entries in order and asked on the \
             {runtime} runtime",
            self.fleet.peers.len(),
            oracle.entries,
        ))
    }

    fn faults(&self, hashes: &[String], digests: &[Vec<String>], oracle: &Oracle) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, peer) in self.fleet.peers.iter().enumerate() {
            if hashes[at] != oracle.hash {
                faults.push(format!(
                    "{}: its state hash is {}, the oracle's {}",
                    peer.name, hashes[at], oracle.hash
                ));
            }
            if peer.linked != oracle.entries as u64 || peer.waiting > 0 {
                let (linked, waiting, all) = (peer.linked, peer.waiting, oracle.entries);
                faults.push(format!("{}: {linked} of {all} entries are linked, {waiting} wait", peer.name));
            }
            for (asked, (of_peers, right)) in
                self.stage.questions.iter().zip(digests.iter().zip(&oracle.digests))
            {
                if of_peers[at] != *right {
                    faults.push(format!(
                        "{}: its answer to {} is not the oracle's",
                        peer.name, asked.question.name
                    ));
                }
            }
        }
        faults
    }

    fn print_table(
        &self,
        hashes: &[String],
        digests: &[Vec<String>],
        oracle: &Oracle,
    ) -> Result<(), Failure> {
        let columns = [
            "peer",
            "state hash",
            "entries",
            "answers",
            "came in",
            "entries/s",
            "killed",
            "processor",
            "peak memory",
        ];
        let right =
            |at: usize| digests.iter().zip(&oracle.digests).filter(|(of, right)| of[at] == **right).count();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (at, peer) in self.fleet.peers.iter().enumerate() {
            let took = self.full[at].unwrap_or_default().as_secs_f64();
            let came = self.stage.entries.saturating_sub(self.stage.peers[at].entries);
            rows.push(vec![
                peer.name.clone(),
                hashes[at].chars().take(16).collect(),
                peer.linked.to_string(),
                format!("{} of {}", right(at), digests.len()),
                format!("{took:.1} s"),
                format!("{:.0}", came as f64 / took.max(0.001)),
                peer.kills.to_string(),
                format!("{:.1} s", peer.cpu_ms as f64 / 1000.0),
                format!("{} MB", peer.peak_memory / 1_000_000),
            ]);
        }
        let mut last =
            vec!["oracle".to_owned(), oracle.hash.chars().take(16).collect(), oracle.entries.to_string()];
        last.resize(columns.len(), String::new());
        rows.push(last);
        output::print_text(&mut std::io::stdout().lock(), Format::Table, &columns, rows)
    }
}

/// What was told of progress last.
struct News {
    told: Instant,
    moved: Instant,
    last: Vec<(u64, u64)>,
    untold: bool,
}

impl News {
    fn is_due(&self, since: Instant) -> bool {
        self.told.elapsed() >= TELL_EVERY.max(since.elapsed() / 10)
    }
}
