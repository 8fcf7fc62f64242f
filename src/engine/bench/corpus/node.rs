//! A payload as a tree, and how the serializers write it: Jackson's JSON, `XStream`'s XML, and a protobuf-like binary.

use std::fmt::Write;

/// A value in a payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Nothing there: `null` in JSON, left out elsewhere.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A decimal number as Java writes it.
    Decimal(f64),
    /// A string.
    Text(String),
    /// An identifier: text in JSON and XML, 16 bytes in binary.
    Id(u128),
    /// A moment, nanoseconds since 1970: ISO text in JSON and XML, milliseconds in binary.
    Instant(i128),
    /// Elements.
    List(Vec<Node>),
    /// Fields in their order.
    Object(Vec<(&'static str, Node)>),
}

/// The text of an identifier.
pub fn id_text(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The ISO text of a moment as `java.time.Instant` writes it: no, three, six or nine digits of a second.
pub fn instant_text(nanos: i128) -> String {
    let (days, rest) = (nanos.div_euclid(86_400_000_000_000), nanos.rem_euclid(86_400_000_000_000));
    let (year, month, day) = civil(days as i64);
    let (seconds, fraction) = (rest / 1_000_000_000, rest % 1_000_000_000);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    match (fraction % 1_000_000, fraction % 1000) {
        _ if fraction == 0 => {}
        (0, _) => _ = write!(text, ".{:03}", fraction / 1_000_000),
        (_, 0) => _ = write!(text, ".{:06}", fraction / 1000),
        _ => _ = write!(text, ".{fraction:09}"),
    }
    text + "Z"
}

fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn decimal_text(number: f64) -> String {
    format!("{number:?}")
}

impl Node {
    /// As Jackson writes it; `nulls` says whether empty fields are written.
    pub fn json(&self, nulls: bool, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => _ = write!(out, "{value}"),
            Self::Int(value) => _ = write!(out, "{value}"),
            Self::Decimal(value) => out.push_str(&decimal_text(*value)),
            Self::Text(text) => _ = write!(out, "\"{}\"", text.replace('"', "\\\"")),
            Self::Id(id) => _ = write!(out, "\"{}\"", id_text(*id)),
            Self::Instant(nanos) => _ = write!(out, "\"{}\"", instant_text(*nanos)),
            Self::List(nodes) => {
                out.push('[');
                for (at, node) in nodes.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    node.json(nulls, out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                let written = fields.iter().filter(|(_, node)| nulls || *node != Self::Null);
                for (at, (key, node)) in written.enumerate() {
                    let _ = write!(out, "{}\"{key}\":", if at > 0 { "," } else { "" });
                    node.json(nulls, out);
                }
                out.push('}');
            }
        }
    }

    /// As `XStream` writes it: an element `tag`, indented.
    pub fn xml(&self, tag: &str, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        match self {
            Self::Null => {}
            Self::Object(fields) => {
                let _ = writeln!(out, "{indent}<{tag}>");
                for (key, node) in fields {
                    node.xml(key, depth + 1, out);
                }
                let _ = write!(out, "{indent}</{tag}>");
            }
            Self::List(nodes) => {
                let _ = writeln!(out, "{indent}<{tag}>");
                for node in nodes {
                    node.xml("item", depth + 1, out);
                }
                let _ = write!(out, "{indent}</{tag}>");
            }
            scalar => _ = write!(out, "{indent}<{tag}>{}</{tag}>", scalar.xml_text()),
        }
        if depth > 0 && *self != Self::Null {
            out.push('\n');
        }
    }

    fn xml_text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Decimal(value) => decimal_text(*value),
            Self::Text(text) => text.replace('&', "&amp;").replace('<', "&lt;"),
            Self::Id(id) => id_text(*id),
            Self::Instant(nanos) => instant_text(*nanos),
            _ => String::new(),
        }
    }

    /// As protobuf would: field numbers by position, varints, 8-byte doubles, lengths in front of the rest.
    pub fn binary(&self, out: &mut Vec<u8>) {
        if let Self::Object(fields) = self {
            for (at, (_, node)) in fields.iter().enumerate() {
                node.binary_field(at as u64 + 1, out);
            }
        }
    }

    fn binary_field(&self, number: u64, out: &mut Vec<u8>) {
        match self {
            Self::Null => {}
            Self::Bool(value) => tagged(number, u64::from(*value), out),
            Self::Int(value) => tagged(number, value.cast_unsigned(), out),
            Self::Instant(nanos) => tagged(number, (nanos / 1_000_000) as u64, out),
            Self::Decimal(value) => {
                varint(number << 3 | 1, out);
                out.extend(value.to_le_bytes());
            }
            Self::Text(text) => delimited(number, text.as_bytes(), out),
            Self::Id(id) => delimited(number, &id.to_be_bytes(), out),
            Self::List(nodes) => {
                for node in nodes {
                    node.binary_field(number, out);
                }
            }
            Self::Object(_) => {
                let mut inner = Vec::new();
                self.binary(&mut inner);
                delimited(number, &inner, out);
            }
        }
    }
}

fn tagged(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3, out);
    varint(value, out);
}

/// A protobuf field of bytes.
pub fn delimited(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend(bytes);
}

/// A protobuf number.
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
