//! What a console does with a request.

use std::collections::BTreeMap;

use motet::item::ItemId;
use motet::{Database, Parameters, Party, PartyStanding, Query, RuntimeKind, Transaction};
use motet_algebra::Budget;
use motet_fact::{Attribute, Cid, Entity, Fact, PublicKey, Value};
use motet_node::Node;
use motet_stream::json::{from_json, to_json};
use serde_json::{Map, Value as Json, json};

use crate::console::Voice;
use crate::console::live::{Desk, Question, Wish};
use crate::output::peak_memory_bytes;

/// Changes of one epoch that an event lists, unless the request says otherwise.
const CHANGES_MAX: u64 = 100;
/// Rows of each output that an answer lists, unless the request says otherwise.
const ROWS_MAX: u64 = 10_000;

pub(super) type Answer = Result<Json, String>;

/// A console's state.
pub(crate) struct Console<'a> {
    pub(super) database: Database,
    node: &'a Node,
    voice: Voice,
    /// The desks, by the question of their views.
    desks: BTreeMap<Asked, Desk>,
    /// For each view its question.
    views: BTreeMap<String, Asked>,
}

/// A question without the values of its parameters: views that ask it share circuits.
type Asked = (Vec<PublicKey>, String, &'static str);

impl<'a> Console<'a> {
    pub(crate) fn new(database: Database, node: &'a Node, voice: Voice) -> Self {
        Console { database, node, voice, desks: BTreeMap::new(), views: BTreeMap::new() }
    }

    /// Answers a line; false if that was the last.
    pub(crate) fn hear(&mut self, line: &str) -> bool {
        let request: Json = match serde_json::from_str(line) {
            Ok(request) => request,
            Err(error) => return self.voice.say(&json!({"id": null, "error": format!("not JSON: {error}")})),
        };
        let id = request.get("id").cloned().unwrap_or(Json::Null);
        let quit = request["do"] == "quit";
        let answer = match self.perform(&request) {
            Ok(answer) => json!({"id": id, "ok": answer}),
            Err(error) => json!({"id": id, "error": error}),
        };
        self.voice.say(&answer) && !quit
    }

    fn perform(&mut self, request: &Json) -> Answer {
        match text(request, "do")? {
            "status" => self.status(request),
            "hash" => self.hash(request),
            "create" => self.create(request),
            "set" => self.set(request),
            "state" => self.state(request),
            "get" => self.get(request),
            "watch" => self.watch(request),
            "unwatch" => self.unwatch(request),
            "rows" => self.ask(request, Question::Rows(limit(request, "limit", ROWS_MAX)?)),
            "digest" => self.ask(request, Question::Digest),
            "resume" => self.ask(request, Question::Resume(budget(request)?)),
            "peer" => self.peer(request),
            "found" => self.found(request),
            "parties" => self.parties(),
            "activate" => self.stand(request, PartyStanding::Active),
            "deactivate" => self.stand(request, PartyStanding::Inactive),
            "invite" => self.invite(request),
            "link" => self.link(request),
            "contacts" => self.contacts(),
            "devices" => self.devices(),
            "quit" => Ok(json!({})),
            other => Err(format!(
                "there is no `{other}`; known are: status, hash, create, set, state, get, watch, unwatch, \
                 rows, digest, resume, peer, found, parties, activate, deactivate, invite, link, contacts, \
                 devices, quit"
            )),
        }
    }

    pub(super) fn party(&self, request: &Json) -> Result<Party, String> {
        let mut parties = self.database.parties();
        if let Some(wanted) = request.get("party") {
            let wanted = wanted.as_str().ok_or("`party` is a text: a key or the beginning of one")?;
            parties.retain(|party| party.key().to_string().starts_with(wanted));
        }
        match parties.as_slice() {
            [party] => Ok(party.clone()),
            [] => Err("this database holds no such party".to_owned()),
            _ => Err("this database holds several parties: say which with `party`".to_owned()),
        }
    }

    fn status(&self, request: &Json) -> Answer {
        let mut status = self.counts(&self.party(request)?);
        status["peers"] = self.node.peers().iter().map(peer_json).collect();
        status["address"] = json!(self.node.local_addr().map(|address| address.to_string()));
        status["views"] = self.views.keys().cloned().collect();
        status["peak_memory_bytes"] = json!(peak_memory_bytes());
        status["cpu_ms"] = json!(cpu_ms());
        Ok(status)
    }

    fn counts(&self, party: &Party) -> Json {
        json!({"party": party.key().to_string(), "linked": party.entries(), "waiting": party.waiting()})
    }

    /// The event that tells how far the parties are.
    pub(crate) fn progress(&self) -> Json {
        let parties: Vec<Json> = self.database.parties().iter().map(|party| self.counts(party)).collect();
        json!({"event": "progress", "parties": parties})
    }

    fn hash(&self, request: &Json) -> Answer {
        let party = self.party(request)?;
        let hash = party.state_hash().map_err(|error| error.to_string())?;
        Ok(json!({"hash": hash.to_string(), "linked": party.entries(), "waiting": party.waiting()}))
    }

    fn create(&self, request: &Json) -> Answer {
        let party = self.party(request)?;
        let model = request.get("model").and_then(Json::as_str).unwrap_or("object");
        let kind = request.get("type").and_then(Json::as_str);
        let parent = match request.get("parent") {
            Some(_) => Some(item_of(request, "parent")?),
            None => None,
        };
        let mut transaction = party.transaction();
        let item = transaction.create_item(model, kind, parent).map_err(|error| error.to_string())?;
        for (name, value) in fields(request, "set")? {
            transaction.set(item, name.as_str(), value);
        }
        Ok(json!({"item": item.to_string(), "entry": commit(transaction)?}))
    }

    fn set(&self, request: &Json) -> Answer {
        let party = self.party(request)?;
        let item = item_of(request, "item")?;
        party.item_summary(item).map_err(|error| error.to_string())?;
        let mut transaction = party.transaction();
        for (name, value) in fields(request, "set")? {
            transaction.set(item, name.as_str(), value);
        }
        if transaction.is_empty() {
            return Err("`set` is an object with at least one property".to_owned());
        }
        Ok(json!({"entry": commit(transaction)?}))
    }

    /// Bare facts, on a feed whose key is here.
    fn state(&self, request: &Json) -> Answer {
        let party = self.party(request)?;
        let item = item_of(request, "item")?;
        let mut transaction = party.transaction();
        if let Some(feed) = request.get("feed") {
            let feed = feed.as_str().and_then(|text| text.parse::<PublicKey>().ok());
            transaction = transaction.on_feed(feed.ok_or("`feed` is a key of 64 hexadecimal digits")?);
        }
        let facts = request.get("facts").and_then(Json::as_array).ok_or("`facts` is an array")?;
        let facts: Vec<Fact> = facts.iter().map(fact_of).collect::<Result<_, _>>()?;
        let cids: Vec<String> =
            facts.into_iter().map(|fact| transaction.state(item, fact).to_string()).collect();
        Ok(json!({"cids": cids, "entry": commit(transaction)?}))
    }

    fn get(&self, request: &Json) -> Answer {
        let party = self.party(request)?;
        let item = item_of(request, "item")?;
        let entity = item.entity();
        let read = party.item(item, |item| {
            let property = |(attribute, value): (Attribute, Value)| {
                let candidates = item.candidates(&entity, &attribute);
                let candidates = candidates
                    .iter()
                    .map(|(cid, value)| json!({"value": to_json(value), "cid": cid.to_string()}));
                let name = attribute.as_text().map_or_else(|| attribute.value().to_string(), str::to_owned);
                (name, json!({"value": to_json(&value), "candidates": candidates.collect::<Vec<_>>()}))
            };
            let properties: Map<String, Json> = item.attributes(&entity).into_iter().map(property).collect();
            json!({"model": item.model(), "type": item.kind().as_deref(), "properties": properties})
        });
        read.map_err(|error| error.to_string())
    }

    /// The parties of a question: one, or several by their keys, or all.
    fn scope(&self, request: &Json) -> Result<Vec<PublicKey>, String> {
        let all = || self.database.parties();
        let parties: Vec<Party> = match request.get("party") {
            Some(Json::String(word)) if word == "all" => all(),
            Some(Json::Array(wanted)) => {
                let one = |wanted: &Json| self.party(&json!({ "party": wanted }));
                wanted.iter().map(one).collect::<Result<_, _>>()?
            }
            _ => vec![self.party(request)?],
        };
        Ok(parties.iter().map(Party::key).collect())
    }

    fn watch(&mut self, request: &Json) -> Answer {
        let name = text(request, "name")?.to_owned();
        let runtime = match request.get("runtime").and_then(Json::as_str) {
            None => RuntimeKind::default(),
            Some(name) => RuntimeKind::named(name)
                .ok_or_else(|| format!("there is no runtime `{name}`: naive, native or cluster"))?,
        };
        let (parties, query) = (self.scope(request)?, text(request, "query")?.to_owned());
        let kept = request.get("kept").and_then(Json::as_bool).unwrap_or(false);
        if kept && parties.len() != 1 {
            return Err("a view that is kept is of one party".to_owned());
        }
        let asked: Asked = (parties.clone(), query.clone(), runtime.name());
        let parameters = Parameters::from_iter(fields(request, "params")?);
        let query = Query { name: name.clone(), text: query, parameters, runtime, budget: budget(request)? };
        let changes_max = limit(request, "changes_max", CHANGES_MAX)?;
        self.close(&name);
        if !self.desks.contains_key(&asked) {
            self.desks.insert(asked.clone(), Desk::open(&self.database, self.voice.clone())?);
        }
        let first = self.desks[&asked].watch(Wish { name: name.clone(), parties, query, kept, changes_max });
        if first.is_ok() {
            self.views.insert(name, asked);
        }
        self.end_desks();
        first
    }

    fn unwatch(&mut self, request: &Json) -> Answer {
        let name = text(request, "view")?;
        if !self.close(name) {
            return Err(format!("no view is called `{name}`"));
        }
        self.end_desks();
        Ok(json!({}))
    }

    /// Ends a view; whether there was one.
    fn close(&mut self, name: &str) -> bool {
        let asked = self.views.remove(name);
        if let Some(asked) = &asked {
            self.desks[asked].close(name);
        }
        asked.is_some()
    }

    /// Ends the desks that have no views.
    fn end_desks(&mut self) {
        self.desks.retain(|asked, _| self.views.values().any(|other| other == asked));
    }

    fn ask(&self, request: &Json, question: Question) -> Answer {
        let name = text(request, "view")?;
        let asked = self.views.get(name).ok_or_else(|| format!("no view is called `{name}`"))?;
        self.desks[asked].ask(name, question)
    }

    fn peer(&self, request: &Json) -> Answer {
        self.node.add_peer(text(request, "address")?.to_owned()).map_err(|error| error.to_string())?;
        Ok(json!({}))
    }
}

fn commit(transaction: Transaction) -> Result<String, String> {
    Ok(transaction.commit().map_err(|error| error.to_string())?.entry.to_string())
}

pub(super) fn text<'a>(request: &'a Json, field: &str) -> Result<&'a str, String> {
    request.get(field).and_then(Json::as_str).ok_or_else(|| format!("`{field}` is missing, or no text"))
}

fn limit(request: &Json, field: &str, default: u64) -> Result<usize, String> {
    let number = match request.get(field) {
        None => default,
        Some(number) => number.as_u64().ok_or_else(|| format!("`{field}` is no count"))?,
    };
    usize::try_from(number).map_err(|_| format!("`{field}` is too large"))
}

/// What one epoch of a view may cost.
fn budget(request: &Json) -> Result<Budget, String> {
    let usual = Budget::default();
    let number = |field: &str, usual: u64| match request.get(field) {
        None => Ok(usual),
        Some(number) => number.as_u64().ok_or_else(|| format!("`{field}` is no count")),
    };
    Ok(Budget {
        rows: number("max_rows", usual.rows)?,
        iterations: number("max_rounds", usual.iterations)?,
        ticks: number("max_ticks", usual.ticks)?,
        memory: number("max_memory", usual.memory)?,
        cancel: usual.cancel,
    })
}

fn item_of(request: &Json, field: &str) -> Result<ItemId, String> {
    text(request, field)?.parse().map_err(|error| format!("`{field}`: {error}"))
}

/// The values of an object's fields; none if it is left out.
fn fields(request: &Json, field: &str) -> Result<Vec<(String, Value)>, String> {
    let Some(object) = request.get(field) else { return Ok(Vec::new()) };
    let object = object.as_object().ok_or_else(|| format!("`{field}` is no object"))?;
    object.iter().map(|(name, json)| Ok((name.clone(), value_of(name, json)?))).collect()
}

fn value_of(name: &str, json: &Json) -> Result<Value, String> {
    match from_json(json) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(format!("`{name}` is null, which is no value")),
        Err(error) => Err(format!("`{name}`: {error}")),
    }
}

/// `{"entity": bytes, "attribute": …, "value": …, "causes": [cid, …]}`
fn fact_of(json: &Json) -> Result<Fact, String> {
    let part = |name: &str| value_of(name, json.get(name).unwrap_or(&Json::Null));
    let entity = part("entity")?;
    let entity = entity.as_bytes().ok_or("`entity` is no bytes")?;
    let entity = Entity::new(entity).map_err(|error| error.to_string())?;
    let attribute = Attribute::new(part("attribute")?).map_err(|error| error.to_string())?;
    let causes = match json.get("causes") {
        None => Vec::new(),
        Some(causes) => {
            causes.as_array().ok_or("`causes` is no array")?.iter().map(cause_of).collect::<Result<_, _>>()?
        }
    };
    Fact::new(entity, attribute, part("value")?, causes).map_err(|error| error.to_string())
}

fn cause_of(json: &Json) -> Result<Cid, String> {
    let text = json.as_str().ok_or("a cause is no text")?;
    text.parse().map_err(|error| format!("the cause {text}: {error}"))
}

fn peer_json(peer: &motet_node::PeerStatus) -> Json {
    json!({
        "address": peer.address,
        "device": peer.device.map(|device| device.to_string()),
        "connected": peer.connected,
        "in_sync": peer.progress.in_sync(),
        "last_error": peer.last_error,
    })
}

/// The processor time this process has used, where the system tells (Linux): in clock ticks of a hundredth of a second.
fn cpu_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?; // the name before it may hold anything
    let mut ticks = fields.split(' ').skip(11).map(str::parse::<u64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) * 10)
}
