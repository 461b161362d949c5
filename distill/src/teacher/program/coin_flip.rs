//! Coins that people flip or do not flip: the side after each person.

use super::Problem;
use super::draw::Draw;
use super::names::people;

pub(super) fn problem(draw: &mut Draw, count: usize) -> Problem {
    let mut heads = true;
    let mut story = Vec::with_capacity(count);
    let mut steps = Vec::with_capacity(count);
    for person in people(draw, count) {
        let flips = draw.chance(0.5);
        heads ^= flips;
        let deed = if flips { "flips" } else { "does not flip" };
        story.push(format!("{person} {deed} the coin."));
        steps.push(format!("{person} {deed}: {} up.", if heads { "heads" } else { "tails" }));
    }
    let question = format!(
        "A coin is heads up. {} Is the coin still heads up? Note that \"flip\" here means \"reverse\".",
        story.join(" ")
    );
    Problem { question, steps, gold: if heads { "yes" } else { "no" }.to_owned() }
}
