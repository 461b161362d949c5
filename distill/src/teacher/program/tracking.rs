//! Objects that three people swap: who has what after each swap.

use super::Problem;
use super::draw::Draw;

const PEOPLE: [&str; 3] = ["Alice", "Bob", "Claire"];
const MARKS: [char; 3] = ['A', 'B', 'C'];

/// The words of one story. `Alice, Bob, and Claire {opening} Alice {gets} {thing}, … {middle} First, Alice and Bob {swap}. …
/// {ending} Alice {has}`.
struct Setting {
    opening: &'static str,
    gets: &'static str,
    middle: &'static str,
    swap: &'static str,
    ending: &'static str,
    has: &'static str,
    things: [&'static str; 10],
}

const SETTINGS: [Setting; 5] = [
    Setting {
        opening: "are playing a game. At the start of the game, they are each holding a ball:",
        gets: "has a",
        middle: "As the game progresses, pairs of players trade balls.",
        swap: "swap balls",
        ending: "At the end of the game,",
        has: "has the",
        things: [
            "orange ball",
            "white ball",
            "blue ball",
            "black ball",
            "brown ball",
            "red ball",
            "pink ball",
            "green ball",
            "purple ball",
            "yellow ball",
        ],
    },
    Setting {
        opening: "are friends and avid readers who occasionally trade books. At the start of the semester, they each buy \
                  one new book:",
        gets: "gets",
        middle: "As the semester proceeds, they start trading around the new books.",
        swap: "swap books",
        ending: "At the end of the semester,",
        has: "has",
        things: [
            "The Odyssey",
            "Frankenstein",
            "Ulysses",
            "The Great Gatsby",
            "Lolita",
            "Hound of the Baskervilles",
            "The Fellowship of the Ring",
            "Moby Dick",
            "Catch-22",
            "The Pearl",
        ],
    },
    Setting {
        opening: "are dancers at a square dance. At the start of a song, they each have a partner:",
        gets: "is dancing with",
        middle: "Throughout the song, the dancers often trade partners.",
        swap: "switch partners",
        ending: "At the end of the dance,",
        has: "is dancing with",
        things: ["Jamie", "Melissa", "Patrick", "Rodrigo", "Sam", "Ophelia", "Karl", "Lola", "Izzi", "Helga"],
    },
    Setting {
        opening: "are holding a white elephant gift exchange. At the start of the event, they are each holding a present of \
                  a different color:",
        gets: "has a",
        middle: "As the event progresses, pairs of people swap gifts.",
        swap: "swap their gifts",
        ending: "At the end of the event,",
        has: "has the",
        // Three of the published presents are called balls.
        things: [
            "orange ball",
            "white present",
            "blue present",
            "black ball",
            "brown present",
            "red present",
            "pink ball",
            "green present",
            "purple present",
            "yellow present",
        ],
    },
    Setting {
        opening: "are on the same team in a soccer match. At the start of the match, they are each assigned to a position:",
        gets: "is playing",
        middle: "As the game progresses, pairs of players occasionally swap positions.",
        swap: "trade positions",
        ending: "At the end of the match,",
        has: "is playing",
        things: [
            "goalkeeper",
            "center midfielder",
            "fullback",
            "striker",
            "right winger",
            "left midfielder",
            "right midfielder",
            "left winger",
            "benchwarmer",
            "cheerleader",
        ],
    },
];

pub(super) fn problem(draw: &mut Draw, count: usize) -> Problem {
    let setting = draw.pick(&SETTINGS);
    let things: [&str; 3] = draw.sample(&setting.things);
    let swaps: Vec<[usize; 2]> = (0..count).map(|_| draw.sample(&[0, 1, 2])).collect();
    let asked = draw.below(PEOPLE.len());
    let (steps, held) = rationale(&swaps, asked);
    Problem { question: question(setting, things, &swaps, asked), steps, gold: MARKS[held].to_string() }
}

/// The steps, and which of the three things the asked person ends with.
///
/// A step names what people hold by the option's letter, the two who swap first and before and after the swap: each letter
/// then follows from words that stand close by, which is what a small student can attend to.
fn rationale(swaps: &[[usize; 2]], asked: usize) -> (Vec<String>, usize) {
    let mut held = [0, 1, 2];
    let holds = |held: [usize; 3], person: usize| format!("{} {}", PEOPLE[person], MARKS[held[person]]);
    let mut steps = vec![format!("Start: {}, {}, {}.", holds(held, 0), holds(held, 1), holds(held, 2))];
    for &[one, two] in swaps {
        let before = held;
        held.swap(one, two);
        let third = 3 - one - two;
        let (had_one, had_two) = (MARKS[before[one]], MARKS[before[two]]);
        let after = [one, two, third].map(|person| holds(held, person)).join(", ");
        steps.push(format!("{} ({had_one}) and {} ({had_two}) swap: {after}.", PEOPLE[one], PEOPLE[two]));
    }
    let thing = held[asked];
    steps.push(format!("At the end: {} {}.", PEOPLE[asked], MARKS[thing]));
    (steps, thing)
}

/// The word that introduces swap `index` of `count`.
fn when(index: usize, count: usize) -> &'static str {
    match index {
        0 => "First",
        _ if index + 1 == count => "Finally",
        _ => "Then",
    }
}

/// The options stand in the order in which the people are named, as in the published questions.
fn question(setting: &Setting, things: [&str; 3], swaps: &[[usize; 2]], asked: usize) -> String {
    let Setting { opening, gets, middle, swap, ending, has, .. } = setting;
    let [alice, bob, claire] = PEOPLE;
    let [first, second, third] = things;
    let tell = |(index, [one, two]): (usize, &[usize; 2])| {
        format!("{}, {} and {} {swap}.", when(index, swaps.len()), PEOPLE[*one], PEOPLE[*two])
    };
    let moves: Vec<String> = swaps.iter().enumerate().map(tell).collect();
    let options: Vec<_> = MARKS.iter().zip(things).map(|(mark, thing)| format!("({mark}) {thing}")).collect();
    format!(
        "{alice}, {bob}, and {claire} {opening} {alice} {gets} {first}, {bob} {gets} {second}, and {claire} {gets} {third}. \
         \n\n{middle} {} {ending} {} {has}\nWhich choice is true? Answer choices: {}.",
        moves.join(" "),
        PEOPLE[asked],
        options.join(", ")
    )
}
