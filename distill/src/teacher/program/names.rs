//! People's names: real ones, double ones, initials, and made-up ones of every shape.
//!
//! Half of the names are made up, so that a student learns to copy a name and find its end instead of learning names by
//! heart.

use std::sync::LazyLock;

use super::draw::Draw;

static FIRST_NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("names.txt").split_whitespace().collect());

const ACCENTED_NAMES: [&str; 24] = [
    "José", "María", "Ramón", "Andrés", "Sofía", "Raúl", "Inés", "Begoña", "Iñigo", "Zoé", "Chloé", "René", "Noé",
    "Íñigo", "Óscar", "Ángela", "Lucía", "Jesús", "Tomás", "Iván", "Martín", "Núria", "Toñi", "Peña",
];

const DOUBLE_FIRST: [&str; 12] =
    ["Jose", "José", "Juan", "Ana", "Maria", "María", "Miguel", "Jorge", "Luis", "Carlos", "Marco", "Rosa"];

const DOUBLE_SECOND: [&str; 16] = [
    "Antonio", "Luis", "Carlos", "Manuel", "Angel", "Maria", "María", "Pablo", "Jose", "Alberto", "Eduardo", "Isabel",
    "Elena", "Teresa", "A", "M",
];

/// The share of names that are real; the others are made up.
const REAL_SHARE: f64 = 0.7;

/// Beginnings, middles and ends of made-up names; an item that stands twice is chosen twice as often.
const ONSETS: &str = "B C D F G H J K L M N P Q R S T V W X Y Z Br Ch Cl Cr Dr Fr Gr Kr Ph Pr Sh St Th Tr Wh -";
const MIDDLES: &str = "b c d f g h j k l m n p r s t v w x y z ll nn rr ss tt ck ch sh th st nd rt lm";
const VOWELS: &str = "a a a e e e i i o o u y ai ee ia ie oa";
const CODAS: &str = "- - - - b c d f g h j k l m n p q r s t v w x y z n n l s r t h ck th sh nd rt";

/// `count` different names; three in a hundred are double given names such as `Juan Carlos`.
pub(super) fn people(draw: &mut Draw, count: usize) -> Vec<String> {
    let mut people: Vec<String> = Vec::with_capacity(count);
    while people.len() < count {
        let candidate = if draw.chance(0.03) { double_name(draw) } else { name(draw) };
        let reads_as_double = people.last().is_some_and(|before| is_double(before, &candidate));
        if !reads_as_double && !people.contains(&candidate) {
            people.push(candidate);
        }
    }
    people
}

fn is_double(first: &str, second: &str) -> bool {
    DOUBLE_FIRST.contains(&first) && DOUBLE_SECOND.contains(&second)
}

fn double_name(draw: &mut Draw) -> String {
    loop {
        let (first, second) = (draw.pick(&DOUBLE_FIRST), draw.pick(&DOUBLE_SECOND));
        if first != second {
            return format!("{first} {second}");
        }
    }
}

fn name(draw: &mut Draw) -> String {
    match draw.share() {
        share if share < 0.015 => (*draw.pick(&ACCENTED_NAMES)).to_owned(),
        share if share < 0.0175 => letter(draw).to_ascii_uppercase().to_string(),
        share if share < REAL_SHARE => (*draw.pick(&FIRST_NAMES)).to_owned(),
        _ => made_up_name(draw),
    }
}

/// Two to ten letters, the first a capital.
fn made_up_name(draw: &mut Draw) -> String {
    match draw.share() {
        share if share < 0.15 => letters(draw, 2),
        share if share < 0.4 => {
            let count = draw.between(2, 9);
            letters(draw, count)
        }
        _ => loop {
            let name = syllables(draw);
            if (2..=10).contains(&name.len()) {
                return capitalised(&name);
            }
        },
    }
}

fn letter(draw: &mut Draw) -> char {
    char::from(b'a' + draw.below(26) as u8)
}

fn letters(draw: &mut Draw, count: usize) -> String {
    let letters: String = (0..count).map(|_| letter(draw)).collect();
    capitalised(&letters)
}

fn syllables(draw: &mut Draw) -> String {
    let mut name = part(draw, ONSETS).to_owned();
    for syllable in 0..draw.between(1, 3) {
        if syllable > 0 {
            name += part(draw, MIDDLES);
        }
        name += part(draw, VOWELS);
    }
    name + part(draw, CODAS)
}

/// One of the blank-separated `parts`; `-` stands for none.
fn part(draw: &mut Draw, parts: &'static str) -> &'static str {
    let parts: Vec<_> = parts.split(' ').collect();
    match *draw.pick(&parts) {
        "-" => "",
        part => part,
    }
}

/// `letters`, which are ASCII, with a capital in front.
fn capitalised(letters: &str) -> String {
    let mut name = letters.to_ascii_lowercase();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_a_capital_and_differ() {
        for index in 0..2000 {
            let people = people(&mut Draw::new(&[index]), 4);
            for (position, person) in people.iter().enumerate() {
                assert!(!people[..position].contains(person), "{people:?}");
                for word in person.split(' ') {
                    assert!(word.chars().next().is_some_and(char::is_uppercase), "`{person}`");
                    assert!(word.chars().all(char::is_alphabetic), "`{person}`");
                }
            }
            assert!(people.windows(2).all(|pair| !is_double(&pair[0], &pair[1])), "{people:?}");
        }
    }
}
