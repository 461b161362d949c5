use super::*;
use proptest::prelude::*;

fn checked(text: &str) -> Vec<(String, bool)> {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    equations(text).into_iter().map(|equation| (squeezed(equation.text), equation.holds)).collect()
}

/// Every equation of each text must be right.
const RIGHT: &[&str] = &[
    "32 + 42 = 74",
    "They have a total of 32 + 42 = 74 pieces of candy.",
    "$76 - $25 = $51",
    "70 - 27 = \n\n43",
    "1,039 + 1 = 1,040.",
    "1000 × 1.5 = 1,500",
    "3x4=12",
    "3 x 4 = 12",
    "12 ÷ 4 = 3",
    "12 / 4 = 3.0",
    "10 / 3 = 3.33",
    "20 / 3 = 6.66, or 20 / 3 = 6.67",
    "10 / 3 ≈ 3",
    "10 / 3 = about 3",
    "17 / 5 = 3 remainder 2",
    "17 / 5 = 3 with 2 left",
    "33.33 * 3 = 100",
    "2 + 3 * 4 = 14",
    "(2 + 3) * 4 = 20",
    "2(3 + 4) = 14",
    "2^3^2 = 512",
    "5 + 3 = 8 + 2 = 10",
    "1 + 2 + 3 = 6 = 2 * 3",
    "5 apples + 3 apples = 8 apples",
    "5 boxes x 3 cookies/box = 15 cookies",
    "20% of 50 = 10",
    "50 * 20% = 10",
    "50 + 20% = 60",
    "5 / 20 = 25%",
    "5 / 20 * 100 = 25%",
    "100% - 20% = 80%",
    "1/2 of 10 = 5",
    "2 1/2 + 1 = 3 1/2",
    "-5 + 3 = -2",
    "3 - 5 = -2",
    "- 5 + 3 = 8",
    "* 5 + 3 = 8",
    "1. 5 + 3 = 8",
    "**5 + 3** = **8**",
    "48/2 = <<48/2=24>>24 clips",
    "\\(5 \\times 3 = 15\\)",
    "5 times 3 = 15",
    "10 divided by 2 = 5",
    "x = 10 - 3 = 7",
    "The cost is: 5+3\n= 8",
    "8 = 5 + 3",
    "0.1 + 0.2 = 0.3",
    "5 * 20 cents = 100 cents",
    "(5 + 3 = 8)",
    "1/4 = 0.25",
    "5/20 = 1/4",
    "5kg + 3kg = 8kg",
    "(9/13)*100 = 69%",
    "17 / 5 = 3 whole boxes, and 2 apples are left over.",
];

/// The last equation of each text must be wrong.
const WRONG: &[&str] = &[
    "32 + 42 = 75",
    "$76 - $25 = $52",
    "1,039 + 1 = 1,041",
    "3 x 4 = 13",
    "10 / 3 = 3",
    "10 / 3 = 3.34",
    "2.5 * 3 = 7.6",
    "2 + 3 * 4 = 20",
    "5 + 3 = 8 + 2 = 11",
    "5 + 3 = 9 + 2 = 10",
    "5 apples + 3 apples = 9 apples",
    "20% of 50 = 11",
    "17 / 5 = 4 remainder 2",
    "70 - 27 = \n\n42",
    "8 = 5 + 4",
    "(2 + 3) * 4 = 14",
    "10 / 3 ≈ 5",
    "100 - 99.5 = 0",
    "She has 4 - 6 = 2 left",
    "((((((1 + 1 = 3",
];

/// Nothing in these is judged.
const UNJUDGED: &[&str] = &[
    "",
    "5 + 3",
    "5 = 5",
    "x + 3 + 4 = 20",
    "2x = 10",
    "2x + 3 = 9",
    "10 - 2 x = 4",
    "5 + y - 2 = 8",
    "3 + 4 = 2x",
    "3 + 4 = 5 * n",
    "n - 5 + 3 = 9",
    "5 + 3 = ?",
    "70 - 27 = the rest",
    "2 * 30 minutes = 1 hour",
    "3 feet = 3 * 11 inches",
    "5 * 20 cents = $1",
    "10:30 - 2 = 8",
    "1 + 2 + ... + 10 = 56",
    "√16 + 1 = 6",
    "5 + 3 != 9",
    "5 + 3 >= 9",
    "5 + 3 => 9",
    "3rd + 4 = 8",
    "19xM + 18xT = 38",
    "3/5 of his land = 12.8 hectares.",
    "27 + 5 = 22 + 2(x).",
    "60 minutes (1 hour) + 40 minutes = 100 minutes.",
    "8.3 * 200 = $16",
    "4 - $8 (-$4 spent on candy) = -$4",
    "1 / 0 = 7",
    "2 shirts + 3 hats = $35",
    "Cost of 2 shirts + Cost of 3 hats = 2 * 10 + 3 * 5",
    "٣ + ٤ = ٨",
];

fn failing<'t>(texts: &[&'t str], passes: impl Fn(&str) -> bool) -> Vec<&'t str> {
    texts.iter().copied().filter(|text| !passes(text)).collect()
}

#[test]
fn right_equations_hold() {
    let holds = |text: &str| {
        let found = checked(text);
        !found.is_empty() && found.iter().all(|(_, holds)| *holds)
    };
    assert_eq!(failing(RIGHT, holds), [""; 0]);
}

#[test]
fn wrong_equations_do_not_hold() {
    // The last number of a text that ends without a full stop may have been cut.
    assert_eq!(failing(WRONG, |text| checked(&format!("{text}.")).iter().any(|(_, holds)| !holds)), [""; 0]);
    assert_eq!(checked("So 500 * 100 = $50"), []);
}

#[test]
fn what_is_not_understood_is_not_judged() {
    assert_eq!(failing(UNJUDGED, |text| checked(text).is_empty()), [""; 0]);
}

#[test]
fn equations_are_quoted_as_written() {
    assert_eq!(
        checked("First, 5 + 3 = 8. Then 8 apples - 2 apples\n= 7 apples."),
        [("5 + 3 = 8".to_owned(), true), ("8 apples - 2 apples = 7".to_owned(), false)]
    );
}

#[test]
fn time_grows_with_the_length_of_the_text() {
    for unit in
        ["1 + ", "(", "1 = ", "1 + 1 = ", "((1 = ", "-", "1/", "a = 1 ", "2(", "1) ", "\n1", "=", "$", "1,", "x 1"]
    {
        let started = std::time::Instant::now();
        let text = unit.repeat(400_000 / unit.len());
        checked(&text);
        assert!(started.elapsed().as_secs() < 10, "`{unit}` took {:?}", started.elapsed());
    }
}

/// Rationales of a recorded file with an equation, with a wrong one, and all equations.
fn counted(file: &str) -> Option<(usize, usize, usize)> {
    let path = crate::dataset::tests::shared_data()?.join("teacher").join(file);
    let (mut with, mut wrong, mut all) = (0, 0, 0);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let found = equations(row["rationale"].as_str().unwrap());
        all += found.len();
        with += usize::from(!found.is_empty());
        wrong += usize::from(found.iter().any(|equation| !equation.holds));
    }
    Some((with, wrong, all))
}

#[test]
fn real_teachers_calculate_well_and_not_perfectly() {
    // Of 25 flagged equations drawn at random (24 of svamp, one of multiarith) 24 were found wrong by hand; one rounds up to whole buses.
    for (file, least) in [("gpt-3.5-turbo-diverse.svamp.jsonl", 5000), ("text-davinci-002-kojima.gsm8k.jsonl", 400)] {
        let Some((with, wrong, all)) = counted(file) else { return };
        println!("{file}: {with} rationales with {all} equations, {wrong} wrong");
        assert!(with > least && all > with && wrong > 0 && wrong * 8 < with, "{file}: {with}, {all}, {wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "([0-9]{1,3}|[-+*/x=().,$% \n]|é|½|apples| of |\\PC){0,60}") {
        checked(&text);
    }

    #[test]
    fn sums_products_and_differences_are_checked(a in 0i64..10_000, b in 0i64..10_000, wrong in 1i64..50) {
        for (operator, value) in [("+", a + b), ("-", a - b), ("×", a * b)] {
            let right = format!("So {a} {operator} {b} = {value} in all.");
            prop_assert_eq!(equations(&right).iter().map(|found| found.holds).collect::<Vec<_>>(), [true]);
            let wrong = format!("So {a} {operator} {b} = {} in all.", value + wrong);
            prop_assert_eq!(equations(&wrong).iter().map(|found| found.holds).collect::<Vec<_>>(), [false]);
        }
    }
}
