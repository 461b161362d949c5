//! Last letters of names: one name a step.

use super::Problem;
use super::draw::Draw;
use super::names::people;

pub(super) fn problem(draw: &mut Draw, count: usize) -> Problem {
    let people = people(draw, count);
    let last_letters: Vec<char> = people.iter().filter_map(|person| person.chars().last()).collect();
    let steps = people.iter().zip(&last_letters).map(|(person, letter)| format!("{person} ends in {letter}."));
    Problem {
        question: format!("Take the last letters of each words in \"{}\" and concatenate them.", people.join(" ")),
        steps: steps.collect(),
        gold: last_letters.iter().collect(),
    }
}
