//! What a console does about parties, devices and people.

use motet::PartyStanding;
use motet::authority::Role;
use serde_json::{Map, Value as Json, json};

use crate::commands::invite::until;
use crate::console::request::{Answer, Console, text};

/// How long a code works, unless the request says otherwise.
const EXPIRES: &str = "1h";

impl Console<'_> {
    pub(super) fn found(&self, request: &Json) -> Answer {
        let party = self.database.create_party(text(request, "name")?).map_err(|error| error.to_string())?;
        Ok(json!({"party": party.key().to_string(), "root": party.root().to_string()}))
    }

    pub(super) fn parties(&self) -> Answer {
        let list = self.database.party_list().map_err(|error| error.to_string())?;
        let party = |info: motet::PartyInfo| {
            let role = self.database.party(&info.key).ok().and_then(|party| party.own_role());
            json!({
                "party": info.key.to_string(),
                "title": info.title,
                "open": info.open,
                "paused": info.paused,
                "standing": info.standing.name(),
                "everywhere": info.everywhere.name(),
                "role": role.map(Role::name),
            })
        };
        Ok(list.into_iter().map(party).collect())
    }

    pub(super) fn stand(&self, request: &Json, standing: PartyStanding) -> Answer {
        let list = self.database.party_list().map_err(|error| error.to_string())?;
        let wanted = text(request, "party")?;
        let mut fitting = list.iter().filter(|info| info.key.to_string().starts_with(wanted));
        let (Some(info), None) = (fitting.next(), fitting.next()) else {
            return Err(format!("`party`: not one party's key begins with `{wanted}`"));
        };
        let everywhere = request.get("everywhere").and_then(Json::as_bool).unwrap_or(false);
        let done = match standing {
            PartyStanding::Active => self.database.activate_party(&info.key, everywhere),
            PartyStanding::Inactive | PartyStanding::Left => {
                self.database.deactivate_party(&info.key, everywhere)
            }
        };
        done.map(|()| json!({})).map_err(|error| error.to_string())
    }

    /// Words that let one person into a party.
    pub(super) fn invite(&self, request: &Json) -> Answer {
        let party = self.party(request)?;
        let role = match request.get("role").and_then(Json::as_str) {
            None | Some("writer") => Role::Writer,
            Some("reader") => Role::Reader,
            Some("admin") => Role::Admin,
            Some(other) => return Err(format!("there is no role `{other}`: reader, writer or admin")),
        };
        let words = party.invite_by_words(role, expires(request)?).map_err(|error| error.to_string())?;
        Ok(json!({"code": words.to_string()}))
    }

    /// Words that make a device the owner's.
    pub(super) fn link(&self, request: &Json) -> Answer {
        let words =
            self.database.link_device_by_words(expires(request)?).map_err(|error| error.to_string())?;
        Ok(json!({"code": words.to_string()}))
    }

    pub(super) fn contacts(&self) -> Answer {
        let contacts = self.database.contacts().map_err(|error| error.to_string())?;
        let contact = |(key, name): (motet::fact::PublicKey, String)| (key.to_string(), json!(name));
        Ok(Json::Object(contacts.into_iter().map(contact).collect::<Map<_, _>>()))
    }

    pub(super) fn devices(&self) -> Answer {
        let devices = self.database.own_devices().map_err(|error| error.to_string())?;
        let device = |(key, device): (motet::fact::PublicKey, motet::OwnDevice)| {
            (key.to_string(), json!({"name": device.name, "counts": device.counted}))
        };
        Ok(Json::Object(devices.into_iter().map(device).collect::<Map<_, _>>()))
    }
}

fn expires(request: &Json) -> Result<i64, String> {
    let time = request.get("expires").and_then(Json::as_str).unwrap_or(EXPIRES);
    until(time).map_err(|_| format!("`expires`: `{time}` is no time; for example 30m, 12h or 7d"))
}
