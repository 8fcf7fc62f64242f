//! What happens: chains of transactions on aggregates, by applications that run side by side, with clocks that are not perfect.

use super::Kind;
use super::draws::Draws;
use super::node::Node;
use super::node::id_text;
use super::schema::AggregateType;
use super::schema::Field;
use super::schema::schema;
use super::wire::Stored;
use super::wire::Value;
use super::words::Words;
use std::collections::HashMap;

/// An aggregate that lives.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Its identifier.
    pub id: u128,
    /// The sequence number of its next event.
    pub next: u64,
    /// What its fields were last.
    pub fields: HashMap<&'static str, Node>,
}

/// A chain of transactions that follow from one request.
#[derive(Clone, Debug)]
struct Chain {
    trace: u128,
    cause: u128,
    user: u64,
    left: u64,
}

/// The world that a corpus tells of.
#[derive(Clone, Debug)]
pub struct World {
    /// Where everything that is random comes from.
    pub draws: Draws,
    /// The vocabularies.
    pub words: Words,
    /// The schema.
    pub schema: Vec<AggregateType>,
    /// Aggregates by type.
    pub alive: Vec<Vec<Aggregate>>,
    /// The clock, in milliseconds.
    pub now: i64,
    chains: Vec<Chain>,
    users: Vec<u128>,
    kind: Kind,
}

const STICKY: f64 = 0.7;
const DOMAINS: [&str; 8] = [
    "example.com",
    "example.org",
    "mail.example.net",
    "post.example.com",
    "example.eu",
    "corp.example",
    "example.io",
    "web.example",
];

impl World {
    /// A world at its beginning.
    pub fn new(kind: Kind, seed: u64) -> Self {
        let mut draws = Draws::new(seed);
        let schema = schema();
        let alive = vec![Vec::new(); schema.len()];
        let users = (0..200).map(|_| random_id(&mut draws)).collect();
        let (words, chains) = (Words::new(), Vec::new());
        Self { draws, words, schema, alive, now: 1_735_689_600_000, chains, users, kind }
    }

    /// The next transaction; `progress` is the share of the corpus that is told.
    pub fn transaction(&mut self, progress: f64) -> Vec<Stored> {
        self.tick();
        let at = self.pick_chain();
        let kind = self.draws.skewed("choice of type", self.schema.len() as u64) as usize;
        let mut event = self.pick_event(kind);
        let aggregate = self.pick_aggregate(kind, event == 0);
        if self.alive[kind][aggregate].next == 0 {
            event = 0;
        }
        let count = 1 + u64::from(self.draws.chance("events of a transaction", 0.2));
        let mut stored = Vec::new();
        for _ in 0..count {
            stored.push(self.event(at, (kind, event, aggregate), progress));
            event =
                1 + self.draws.skewed("choice of type", self.schema[kind].events.len() as u64 - 1) as usize;
        }
        self.end(at);
        stored
    }

    /// Clocks step on, mostly a little; some run behind, and one in 20,000 jumps.
    fn tick(&mut self) {
        self.now += self.draws.step("clock", 4.0) as i64;
        if self.draws.chance("clock", 0.01) {
            self.now -= self.draws.below("clock", 12) as i64;
        }
        if self.draws.chance("clock", 0.000_05) {
            self.now += self.draws.below("clock", 36_000_000) as i64;
        }
    }

    fn pick_chain(&mut self) -> usize {
        if self.chains.is_empty() || self.draws.chance("chain", 0.45) {
            let trace = random_id(&mut self.draws);
            let user = self.draws.skewed("user", self.users.len() as u64);
            let left = self.draws.below("chain", 4);
            self.chains.push(Chain { trace, cause: trace, user, left });
            return self.chains.len() - 1;
        }
        let newest = self.chains.len() - 1;
        newest - self.draws.skewed("chain", self.chains.len() as u64) as usize
    }

    fn end(&mut self, at: usize) {
        if self.chains[at].left == 0 || self.chains.len() > 24 {
            self.chains.remove(at);
        } else {
            self.chains[at].left -= 1;
        }
    }

    fn pick_event(&mut self, kind: usize) -> usize {
        self.draws.skewed("choice of type", self.schema[kind].events.len() as u64) as usize
    }

    fn pick_aggregate(&mut self, kind: usize, creates: bool) -> usize {
        let count = self.alive[kind].len();
        if count == 0 || (creates && self.draws.chance("aggregate", 0.3)) {
            let id = random_id(&mut self.draws);
            self.alive[kind].push(Aggregate { id, next: 0, fields: HashMap::new() });
            return count;
        }
        // Newer ones are a little more popular: the ranks turn slowly.
        let rank = self.draws.skewed("aggregate", count as u64) as usize;
        (rank + count * 7 / 8) % count
    }

    fn event(&mut self, chain: usize, at: (usize, usize, usize), progress: f64) -> Stored {
        let (kind, event, aggregate) = at;
        let message = random_id(&mut self.draws);
        let event_type = self.schema[kind].events[event].clone();
        let changed = progress > event_type.changes_at;
        let mut fields = Vec::new();
        for (name, field, present) in &event_type.fields {
            let there = *present >= 1.0 || self.draws.chance("optional", *present);
            fields.push((*name, if there { self.field(at, name, *field) } else { Node::Null }));
        }
        if changed {
            fields.push(("source", self.field(at, "source", Field::Choice(3))));
        }
        let node = Node::Object(fields);
        let owner = &mut self.alive[kind][aggregate];
        owner.next += 1;
        let stored = Stored {
            message: id_text(message),
            aggregate: id_text(owner.id),
            sequence: owner.next - 1,
            aggregate_type: self.schema[kind].name.to_owned(),
            timestamp: self.now,
            revision: if changed { "2".to_owned() } else { String::new() },
            payload: render(self.kind, event_type.application, &event_type.name, &node),
            payload_type: event_type.name,
            metadata: self.metadata(chain, event_type.application),
        };
        self.chains[chain].cause = message;
        stored
    }

    fn metadata(&self, chain: usize, application: usize) -> Vec<(&'static str, Value)> {
        let chain = &self.chains[chain];
        let trace = ("traceId", Value::Text(id_text(chain.trace)));
        let cause = ("correlationId", Value::Text(id_text(chain.cause)));
        let user = self.users.get(chain.user as usize).copied().unwrap_or_default();
        match application {
            0 => vec![trace, cause, ("userId", Value::Text(id_text(user)))],
            1 => vec![cause, trace],
            2 => vec![("tenant", Value::Number(chain.user as i64 % 7)), trace, cause],
            _ => vec![trace, ("user", Value::Text(format!("user{:04}", chain.user))), cause],
        }
    }

    /// The value of a field; that of an aggregate's own attribute often stays as it was.
    pub fn field(&mut self, at: (usize, usize, usize), name: &'static str, field: Field) -> Node {
        let sticky = !matches!(field, Field::Own | Field::Random | Field::Ordered | Field::Moment(_));
        if let Some(kept) = self.alive[at.0][at.2].fields.get(name).filter(|_| sticky).cloned()
            && self.draws.chance("stays as it was", STICKY)
        {
            return kept;
        }
        let node = self.draw(at, field);
        if sticky {
            self.alive[at.0][at.2].fields.insert(name, node.clone());
        }
        node
    }

    fn draw(&mut self, at: (usize, usize, usize), field: Field) -> Node {
        match field {
            Field::Own => Node::Id(self.alive[at.0][at.2].id),
            Field::Reference(kind) => self.reference(kind),
            Field::Random => Node::Id(random_id(&mut self.draws)),
            Field::Ordered => Node::Id(ordered_id(&mut self.draws, self.now)),
            Field::Choice(n) => Node::Text(format!("CHOICE_{}", self.draws.skewed("enum", n))),
            Field::Flag(p) => Node::Bool(self.draws.chance("flag", p)),
            Field::Count(n) => Node::Int(self.draws.skewed("number", n) as i64 + 1),
            Field::Money(n) => Node::Decimal(self.draws.below("money", n) as f64 / 100.0),
            Field::Place(around) => {
                Node::Decimal(around + self.draws.bits("coordinate", 44) as f64 / (1_u64 << 46) as f64)
            }
            Field::Number(prefix, n) => {
                Node::Text(format!("{prefix}{:06}", self.draws.below("reference number", n)))
            }
            Field::Moment(digits) => self.moment(digits),
            Field::Object(fields) => self.object(at, fields),
            Field::Objects(most, fields) => {
                let count = self.draws.skewed("elements", most) + 1;
                Node::List((0..count).map(|_| self.object(at, fields)).collect())
            }
            text => Node::Text(self.text(text)),
        }
    }

    fn object(&mut self, at: (usize, usize, usize), fields: &[(&'static str, Field)]) -> Node {
        Node::Object(fields.iter().map(|(name, field)| (*name, self.draw(at, *field))).collect())
    }

    fn reference(&mut self, kind: usize) -> Node {
        let count = self.alive[kind].len() as u64;
        let at = self.draws.skewed("reference", count.max(1)) as usize;
        Node::Id(self.alive[kind].get(at).map_or(0, |aggregate| aggregate.id))
    }

    fn moment(&mut self, digits: u32) -> Node {
        let before = i128::from(self.draws.step("moment", 20.0));
        let base = (i128::from(self.now) - before) * 1_000_000;
        let below = match digits {
            9 => self.draws.below("moment", 1_000_000),
            6 => self.draws.below("moment", 1000) * 1000,
            _ => 0,
        };
        Node::Instant(base + i128::from(below))
    }

    fn text(&mut self, field: Field) -> String {
        let (draws, words) = (&mut self.draws, &self.words);
        let pick = |draws: &mut Draws, kind, list: &[String]| {
            list[draws.skewed(kind, list.len() as u64) as usize].clone()
        };
        match field {
            Field::Person => pick(draws, "name", &words.first) + " " + &pick(draws, "name", &words.last),
            Field::Mail => {
                let name = pick(draws, "name", &words.first) + "." + &pick(draws, "name", &words.last);
                name.to_lowercase() + "@" + DOMAINS[draws.skewed("name", 8) as usize]
            }
            Field::City => pick(draws, "place", &words.city),
            Field::Street => {
                let house = draws.below("place", 180) + 1;
                format!("{} {house}", pick(draws, "place", &words.street))
            }
            Field::Product => pick(draws, "product", &words.product),
            Field::Text(most) => {
                let count = 2 + draws.below("free text", most);
                let text: Vec<_> = (0..count).map(|_| pick(draws, "free text", &words.common)).collect();
                text.join(" ") + "."
            }
            _ => String::new(),
        }
    }
}

/// A version 4 identifier: 122 random bits.
pub fn random_id(draws: &mut Draws) -> u128 {
    let high = draws.bits("random identifier", 60);
    let low = draws.bits("random identifier", 62);
    let high = (high >> 12) << 16 | 4 << 12 | (high & 0xfff);
    u128::from(high) << 64 | 2 << 62 | u128::from(low)
}

/// A version 7 identifier: the milliseconds, then 74 random bits.
fn ordered_id(draws: &mut Draws, now: i64) -> u128 {
    let middle = draws.bits("ordered identifier", 12);
    let low = draws.bits("ordered identifier", 62);
    u128::from(now as u64) << 80 | 7 << 76 | u128::from(middle) << 64 | 2 << 62 | u128::from(low)
}

/// The payload as this application's serializer writes it.
pub fn render(kind: Kind, application: usize, name: &str, node: &Node) -> Vec<u8> {
    match kind {
        Kind::Json | Kind::Snapshots => {
            let mut text = String::new();
            node.json(application.is_multiple_of(2), &mut text);
            text.into_bytes()
        }
        Kind::Xml => {
            let mut text = String::new();
            node.xml(name, 0, &mut text);
            text.into_bytes()
        }
        Kind::Binary => {
            let mut bytes = Vec::new();
            node.binary(&mut bytes);
            bytes
        }
    }
}
