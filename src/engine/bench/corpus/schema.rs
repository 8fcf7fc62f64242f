//! What the applications store: aggregate types, event types, and the fields of each.
//!
//! A schema is no draw: it stands once in a corpus, however large. It follows from fixed seeds.

use super::draws::Draws;

/// How a field gets its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field {
    /// The aggregate's own identifier.
    Own,
    /// The identifier of some aggregate of this type: the popular ones most often.
    Reference(usize),
    /// A new random (version 4) identifier.
    Random,
    /// A new time-ordered (version 7) identifier.
    Ordered,
    /// One of so many constants, the first ones most often.
    Choice(u64),
    /// A person.
    Person,
    /// A person's mail address.
    Mail,
    /// A city.
    City,
    /// A street with its number.
    Street,
    /// A product.
    Product,
    /// Free text of up to so many words.
    Text(u64),
    /// An amount of money below this, in cents.
    Money(u64),
    /// A small number.
    Count(u64),
    /// A coordinate: a double with all its digits, around this.
    Place(f64),
    /// A moment near the event's own: this many digits of a second.
    Moment(u32),
    /// Yes or no.
    Flag(f64),
    /// A reference number: prefix and digits.
    Number(&'static str, u64),
    /// A nested object.
    Object(&'static [(&'static str, Field)]),
    /// Up to so many objects.
    Objects(u64, &'static [(&'static str, Field)]),
}

const LINE: &[(&str, Field)] = &[
    ("lineId", Field::Count(40)),
    ("product", Field::Product),
    ("quantity", Field::Count(12)),
    ("unitPrice", Field::Money(20_000)),
];
const POSITION: &[(&str, Field)] = &[("latitude", Field::Place(50.2)), ("longitude", Field::Place(4.9))];
const ADDRESS: &[(&str, Field)] = &[
    ("street", Field::Street),
    ("city", Field::City),
    ("postalCode", Field::Number("", 90_000)),
    ("country", Field::Choice(18)),
];
const MONEY: &[(&str, Field)] = &[("value", Field::Money(500_000)), ("currency", Field::Choice(6))];

/// The fields there are; event types take some of each.
const FIELDS: &[(&str, Field)] = &[
    ("customerId", Field::Reference(1)),
    ("accountId", Field::Reference(4)),
    ("requestId", Field::Random),
    ("documentId", Field::Ordered),
    ("status", Field::Choice(6)),
    ("channel", Field::Choice(4)),
    ("category", Field::Choice(30)),
    ("customerName", Field::Person),
    ("email", Field::Mail),
    ("city", Field::City),
    ("description", Field::Text(14)),
    ("remark", Field::Text(6)),
    ("price", Field::Money(9_000)),
    ("amount", Field::Money(250_000)),
    ("quantity", Field::Count(20)),
    ("priority", Field::Count(4)),
    ("position", Field::Object(POSITION)),
    ("occurredAt", Field::Moment(9)),
    ("validUntil", Field::Moment(3)),
    ("requestedAt", Field::Moment(6)),
    ("confirmed", Field::Flag(0.9)),
    ("express", Field::Flag(0.2)),
    ("reference", Field::Number("REF-", 1_000_000)),
    ("invoiceNumber", Field::Number("INV-2025-", 100_000)),
    ("address", Field::Object(ADDRESS)),
    ("total", Field::Object(MONEY)),
    ("lines", Field::Objects(5, LINE)),
    ("version", Field::Count(3)),
];

/// One event type.
#[derive(Clone, Debug)]
pub struct EventType {
    /// The payload type.
    pub name: String,
    /// Fields in their order, with the probability that each is there.
    pub fields: Vec<(&'static str, Field, f64)>,
    /// From this share of the corpus on it has one field more, and revision 2.
    pub changes_at: f64,
    /// The application that stores it.
    pub application: usize,
}

/// One aggregate type.
#[derive(Clone, Debug)]
pub struct AggregateType {
    /// Its name.
    pub name: &'static str,
    /// Its events; the first one creates.
    pub events: Vec<EventType>,
}

const AGGREGATES: [(&str, &str, &str); 8] = [
    ("Order", "orderId", "com.example.shop.order.api."),
    ("Customer", "customerId", "com.example.shop.customer.events."),
    ("Bike", "bikeId", "io.rental.coreapi."),
    ("Payment", "paymentId", "com.example.billing.domain.payment.event."),
    ("Account", "accountId", "com.example.billing.domain.account.event."),
    ("Shipment", "shipmentId", "org.logistics.shipment."),
    ("Ticket", "ticketId", "com.example.support.ticket.messages."),
    ("Device", "deviceId", "net.things.device.v1."),
];
const VERBS: [&str; 6] = ["Created", "Changed", "Confirmed", "Assigned", "Released", "Closed"];

/// The schema of all corpora: 8 aggregate types of 5 or 6 event types each, in 4 applications.
pub fn schema() -> Vec<AggregateType> {
    let mut draws = Draws::new(77);
    AGGREGATES.iter().enumerate().map(|(at, aggregate)| aggregate_type(&mut draws, at, *aggregate)).collect()
}

fn aggregate_type(draws: &mut Draws, at: usize, names: (&'static str, &'static str, &str)) -> AggregateType {
    let (name, id, package) = names;
    let count = 5 + at % 2;
    let events = VERBS.iter().take(count).map(|verb| EventType {
        name: format!("{package}{name}{verb}{}", if at.is_multiple_of(3) { "Event" } else { "" }),
        fields: fields(draws, id),
        changes_at: 0.2 + draws.below("schema", 100) as f64 / 100.0,
        application: at % 4,
    });
    AggregateType { name, events: events.collect() }
}

fn fields(draws: &mut Draws, id: &'static str) -> Vec<(&'static str, Field, f64)> {
    let mut fields = vec![(id, Field::Own, 1.0)];
    for _ in 0..4 + draws.below("schema", 5) {
        let (name, field) = FIELDS[draws.below("schema", FIELDS.len() as u64) as usize];
        if fields.iter().all(|(taken, ..)| *taken != name) {
            let present = if draws.chance("schema", 0.25) { 0.6 } else { 1.0 };
            let at = draws.below("schema", fields.len() as u64 + 1) as usize;
            fields.insert(at, (name, field, present));
        }
    }
    fields
}
