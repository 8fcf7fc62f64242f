//! Vocabularies: names, words, places. They are spelled once from syllables, by fixed seeds; a corpus then draws from them.

use super::draws::Draws;

const ONSETS: [&str; 20] =
    ["b", "br", "c", "d", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "w"];
const VOWELS: [&str; 9] = ["a", "e", "i", "o", "u", "ai", "ea", "ie", "ou"];
const CODAS: [&str; 10] = ["", "", "", "n", "r", "l", "s", "t", "nd", "ck"];

/// The lists that text is drawn from.
#[derive(Clone, Debug)]
pub struct Words {
    /// First names.
    pub first: Vec<String>,
    /// Family names.
    pub last: Vec<String>,
    /// Words of free text, the common ones first.
    pub common: Vec<String>,
    /// Cities.
    pub city: Vec<String>,
    /// Streets.
    pub street: Vec<String>,
    /// Names of products.
    pub product: Vec<String>,
}

impl Words {
    /// The vocabularies.
    pub fn new() -> Self {
        let mut draws = Draws::new(20_250_101);
        Self {
            first: capital(list(&mut draws, 1200, 2), ""),
            last: capital(list(&mut draws, 4000, 2), ""),
            common: list(&mut draws, 6000, 3),
            city: capital(list(&mut draws, 800, 2), "ville"),
            street: capital(list(&mut draws, 1500, 2), " Street"),
            product: capital(list(&mut draws, 2500, 3), ""),
        }
    }
}

fn list(draws: &mut Draws, count: usize, syllables: u64) -> Vec<String> {
    (0..count).map(|_| word(draws, syllables)).collect()
}

fn capital(words: Vec<String>, suffix: &str) -> Vec<String> {
    words.into_iter().map(|word| format!("{}{}{suffix}", word[..1].to_uppercase(), &word[1..])).collect()
}

fn word(draws: &mut Draws, syllables: u64) -> String {
    let mut word = String::new();
    for _ in 0..=draws.below("spelling", syllables) {
        for part in [&ONSETS[..], &VOWELS, &CODAS] {
            word.push_str(part[draws.below("spelling", part.len() as u64) as usize]);
        }
    }
    word
}
