//! JSON in the one spelling in which this program writes it, proven without being taken apart: years leave thousands of manifests, of which each is
//! read by each backup.
//!
//! Only what is surely spelled so is known here. All else (other spellings, escapes, numbers of 19 digits, a newer version, damage) is for the
//! reader that takes any spelling.

use std::ops::Range;

/// Deeper is not looked into.
const DEPTH_MAX: usize = 32;
/// Numbers with fewer digits fit any type of 64 bits.
const DIGITS_MAX: usize = 18;

/// An object in canonical spelling, with what stands in its own members.
pub(super) struct Spelled<'b> {
    bytes: &'b [u8],
    members: Vec<(&'b [u8], Range<usize>)>,
}

impl<'b> Spelled<'b> {
    /// The object that these bytes are, if they are surely canonical: no white space but the newline at the end, keys rising, whole numbers.
    pub fn of(bytes: &'b [u8]) -> Option<Self> {
        let mut speller = Speller { bytes, at: 0, members: Vec::new() };
        let is_whole = std::str::from_utf8(bytes).is_ok() && speller.object(0) && speller.rest() == b"\n";
        is_whole.then_some(Self { bytes, members: speller.members })
    }

    /// The spelling of one of its own members.
    pub fn member(&self, name: &str) -> Option<&'b [u8]> {
        let (_, value) = self.members.iter().find(|(key, _)| *key == name.as_bytes())?;
        self.bytes.get(value.clone())
    }

    /// All bytes but those of a member, as if it were not there: what stands before it, and behind it.
    pub fn without(&self, name: &str) -> Option<[&'b [u8]; 2]> {
        let (key, value) = self.members.iter().find(|(key, _)| *key == name.as_bytes())?;
        // Two quotation marks and a colon are about the key.
        let begin = value.start.checked_sub(key.len().checked_add(3)?)?;
        let before = self.bytes.get(..begin)?;
        let behind = self.bytes.get(value.end..)?;
        match (before.strip_suffix(b","), behind.strip_prefix(b",")) {
            (_, Some(behind)) => Some([before, behind]),
            (Some(before), None) => Some([before, behind]),
            (None, None) => Some([before, behind]),
        }
    }
}

/// Reads on, byte by byte. Each step is false where it is not what it should be.
struct Speller<'b> {
    bytes: &'b [u8],
    at: usize,
    /// The members of the outermost object.
    members: Vec<(&'b [u8], Range<usize>)>,
}

impl<'b> Speller<'b> {
    fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over `word` if it comes next.
    fn takes(&mut self, word: &[u8]) -> bool {
        let is_next = self.rest().starts_with(word);
        self.at = self.at.saturating_add(if is_next { word.len() } else { 0 });
        is_next
    }

    fn value(&mut self, depth: usize) -> bool {
        match self.next() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().is_some(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => [&b"true"[..], b"false", b"null"].into_iter().any(|word| self.takes(word)),
        }
    }

    fn object(&mut self, depth: usize) -> bool {
        if depth > DEPTH_MAX || !self.takes(b"{") {
            return false;
        }
        if self.takes(b"}") {
            return true;
        }
        let mut before: Option<&[u8]> = None;
        loop {
            let Some(key) = self.string().filter(|key| before.is_none_or(|before| before < *key)) else {
                return false;
            };
            let is_well = self.takes(b":");
            let begin = self.at;
            if !is_well || !self.value(depth.saturating_add(1)) {
                return false;
            }
            if depth == 0 {
                self.members.push((key, begin..self.at));
            }
            before = Some(key);
            if !self.takes(b",") {
                return self.takes(b"}");
            }
        }
    }

    fn array(&mut self, depth: usize) -> bool {
        if depth > DEPTH_MAX || !self.takes(b"[") {
            return false;
        }
        if self.takes(b"]") {
            return true;
        }
        loop {
            if !self.value(depth.saturating_add(1)) {
                return false;
            }
            if !self.takes(b",") {
                return self.takes(b"]");
            }
        }
    }

    /// What stands between quotation marks, without anything that has to be escaped.
    fn string(&mut self) -> Option<&'b [u8]> {
        if !self.takes(b"\"") {
            return None;
        }
        let rest = self.rest();
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        self.at = self.at.saturating_add(length);
        self.takes(b"\"").then_some(())?;
        rest.get(..length)
    }

    fn number(&mut self) -> bool {
        let is_negative = self.takes(b"-");
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let begins_with_zero = self.next() == Some(b'0');
        self.at = self.at.saturating_add(digits);
        (1..=DIGITS_MAX).contains(&digits) && (!begins_with_zero || (digits == 1 && !is_negative))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Whether the bytes are canonical by the reader's own word: those that it would write.
    fn is_canonical(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_ok_and(|value| format!("{value}\n") == text)
    }

    #[test]
    fn members_are_told_and_taken_away() {
        let spelled = Spelled::of(b"{\"a\":[1,{\"b\":-2}],\"check\":\"x\",\"z\":null}\n").unwrap();
        assert_eq!(spelled.member("a"), Some(&b"[1,{\"b\":-2}]"[..]));
        assert_eq!(spelled.member("b"), None, "it is another object's");
        let without = |text: &'static str| {
            Spelled::of(text.as_bytes()).unwrap().without("check").map(|parts| parts.concat())
        };
        assert_eq!(without("{\"a\":1,\"check\":\"x\",\"z\":null}\n").unwrap(), b"{\"a\":1,\"z\":null}\n");
        assert_eq!(without("{\"a\":1,\"check\":\"x\"}\n").unwrap(), b"{\"a\":1}\n");
        assert_eq!(without("{\"check\":\"x\",\"z\":2}\n").unwrap(), b"{\"z\":2}\n");
        assert_eq!(without("{\"check\":\"x\"}\n").unwrap(), b"{}\n");
        assert_eq!(without("{\"a\":{\"check\":1}}\n"), None);
    }

    #[test]
    fn what_is_spelled_otherwise_is_not_known() {
        for text in [
            "",
            "\n",
            "[]\n",
            "1\n",
            "{}",
            "{}\n\n",
            " {}\n",
            "{ }\n",
            "{\"a\":1 }\n",
            "{\"a\": 1}\n",
            "{\"a\":1,}\n",
            "{\"a\"}\n",
            "{\"a\":}\n",
            "{\"b\":1,\"a\":1}\n",
            "{\"a\":1,\"a\":1}\n",
            "{\"a\":[{\"b\":1,\"b\":2}]}\n",
            "{\"a\":[1,]}\n",
            "{\"a\":[1 ]}\n",
            "{\"a\":1.0}\n",
            "{\"a\":1e2}\n",
            "{\"a\":-0}\n",
            "{\"a\":01}\n",
            "{\"a\":-}\n",
            "{\"a\":+1}\n",
            "{\"a\":1234567890123456789}\n",
            "{\"a\":\"\\n\"}\n",
            "{\"\\u0061\":1}\n",
            "{\"a\":\"\n\"}\n",
            "{\"a\":\"x}\n",
            "{\"a\":nul}\n",
            "{\"a\":truefalse}\n",
            "{\"a\":1}\n1",
            "{\"a\":[}\n",
        ] {
            assert!(Spelled::of(text.as_bytes()).is_none(), "{text}");
        }
        let deep = format!("{{\"a\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Spelled::of(deep.as_bytes()).is_none());
    }

    /// Whatever is known here is what the other reader would write: no byte is another one.
    #[test]
    fn what_is_known_is_canonical() {
        let text = "{\"a\":[1,-20,{\"b\":\"\u{e4} x\",\"c\":{}}],\"check\":\"ab\",\"e\":[],\"f\":[true,false,null],\"g\":0,\"h\":123456789012345678}\n";
        assert!(Spelled::of(text.as_bytes()).is_some() && is_canonical(text));
        let mut random = fastrand::Rng::with_seed(1);
        let mut known = 0;
        for _ in 0..200_000 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..random.usize(1..4) {
                let (at, from) = (random.usize(..bytes.len()), random.usize(..bytes.len()));
                match random.u8(..3) {
                    0 => bytes[at] = bytes[from],
                    1 => bytes.insert(at, bytes[from]),
                    _ => drop(bytes.remove(at)),
                }
            }
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if Spelled::of(text.as_bytes()).is_some() {
                known += 1;
                assert!(is_canonical(&text), "{text}");
            }
        }
        assert!(known > 1000, "{known}");
    }
}
