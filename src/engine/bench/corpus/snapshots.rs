//! Snapshots: the state of the same aggregates again and again, a little changed each time.

use super::Kind;
use super::node::Node;
use super::node::id_text;
use super::schema::Field;
use super::story::Aggregate;
use super::story::World;
use super::story::random_id;
use super::story::render;
use super::wire::Stored;
use std::collections::HashMap;

const ENTRY: &[(&str, Field)] = &[
    ("entryId", Field::Random),
    ("at", Field::Moment(6)),
    ("product", Field::Product),
    ("amount", Field::Money(90_000)),
    ("status", Field::Choice(4)),
];
const STATE: &[(&str, Field)] = &[
    ("status", Field::Choice(5)),
    ("owner", Field::Person),
    ("email", Field::Mail),
    ("city", Field::City),
    ("balance", Field::Money(900_000)),
    ("counter", Field::Count(200)),
    ("note", Field::Text(10)),
    ("updatedAt", Field::Moment(6)),
    ("active", Field::Flag(0.9)),
];
const NAMES: [&str; 4] = ["Account", "Order", "Bike", "Ticket"];
const PER_TYPE: u64 = 600;

/// The next snapshot: some aggregate, after 10 to 60 more events, with some fields changed and perhaps an entry more.
pub fn snapshot(world: &mut World) -> Stored {
    world.now += world.draws.step("clock", 300.0) as i64;
    let kind = world.draws.below("choice of type", NAMES.len() as u64) as usize;
    let at = world.draws.skewed("aggregate", PER_TYPE) as usize;
    while world.alive[kind].len() <= at {
        let id = random_id(&mut world.draws);
        world.alive[kind].push(Aggregate { id, next: 0, fields: HashMap::new() });
    }
    change(world, kind, at);
    stored(world, kind, at)
}

fn change(world: &mut World, kind: usize, at: usize) {
    for (name, field) in STATE {
        let known = world.alive[kind][at].fields.contains_key(name);
        let moves = matches!(field, Field::Moment(_)) || !known || world.draws.chance("what changes", 0.25);
        if moves {
            world.alive[kind][at].fields.remove(name);
            let node = world.field((kind, 0, at), name, *field);
            world.alive[kind][at].fields.insert(name, node);
        }
    }
    let mut entries = match world.alive[kind][at].fields.remove("entries") {
        Some(Node::List(entries)) => entries,
        _ => Vec::new(),
    };
    if world.draws.chance("what changes", 0.6) {
        entries.push(world.field((kind, 0, at), "new", Field::Object(ENTRY)));
        world.alive[kind][at].fields.remove("new");
    }
    if entries.len() > 30 {
        entries.remove(0);
    }
    world.alive[kind][at].fields.insert("entries", Node::List(entries));
}

fn stored(world: &mut World, kind: usize, at: usize) -> Stored {
    let owner = &mut world.alive[kind][at];
    let steps = 10 + world.draws.below("sequence", 50);
    owner.next += steps;
    let mut fields = vec![("id", Node::Id(owner.id))];
    for name in STATE.iter().map(|(name, _)| *name).chain(["entries"]) {
        fields.push((name, owner.fields.get(name).cloned().unwrap_or(Node::Null)));
    }
    let (aggregate, sequence) = (id_text(owner.id), owner.next - 1);
    let message = id_text(random_id(&mut world.draws));
    Stored {
        message,
        aggregate,
        sequence,
        aggregate_type: NAMES[kind].to_owned(),
        timestamp: world.now,
        payload_type: format!("com.example.{}.{}State", NAMES[kind].to_lowercase(), NAMES[kind]),
        revision: "1".to_owned(),
        payload: render(Kind::Snapshots, 0, "", &Node::Object(fields)),
        metadata: Vec::new(),
    }
}
