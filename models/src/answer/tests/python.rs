//! Python's semantics; the expected values are what Python 3.11 printed.

use super::super::python::{digit, float, is_space, numbers};

#[test]
fn numbers_are_the_matches_of_the_pattern() {
    let cases: [(&str, &[&str]); 14] = [
        ("٣٤.٥", &["٣٤.٥"]),
        ("--5", &["-5"]),
        ("1.2.3", &["1.2", "3"]),
        ("5.", &["5"]),
        ("-.5", &["5"]),
        ("९9", &["९9"]),
        ("𝟙𝟚", &["𝟙𝟚"]),
        ("²½", &[]),
        ("1_000", &["1", "000"]),
        ("-٣", &["-٣"]),
        ("10-5", &["10", "-5"]),
        ("1e3", &["1", "3"]),
        ("5 -", &["5"]),
        ("−5", &["5"]),
    ];
    for (text, expected) in cases {
        assert_eq!(numbers(text), expected, "{text}");
    }
}

#[test]
fn float_reads_what_python_reads() {
    let read = [
        (" 5 ", 5.0),
        ("1_0", 10.0),
        ("٣", 3.0),
        ("-Infinity", f64::NEG_INFINITY),
        ("1e5", 1e5),
        ("+5", 5.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e400", f64::INFINITY),
        ("\u{a0}5\u{3000}", 5.0),
    ];
    for (text, expected) in read {
        assert_eq!(float(text), Some(expected), "{text:?}");
    }
    for text in ["_1", "1__0", "1_", "", ".", "1_.5", "0x10", "\x1c5\x1f", "infinit", "- 5"] {
        assert_eq!(float(text), None, "{text:?}");
    }
}

#[test]
fn digits_are_those_of_every_script() {
    let digits: Vec<_> = (char::MIN..=char::MAX).filter(|character| digit(*character).is_some()).collect();
    assert_eq!(digits.len(), 660);
    // The standard library knows digits as part of a wider class.
    assert!(digits.iter().all(|character| character.is_numeric()));
    assert!(digits.chunks(10).all(|run| run.iter().filter_map(|character| digit(*character)).eq(0..10)));
}

#[test]
fn spaces_are_those_of_python() {
    let spaces = (char::MIN..=char::MAX).filter(|character| is_space(*character)).count();
    assert_eq!(spaces, 29);
    assert!(['\x1c', '\x1f', '\u{85}', '\u{a0}', '\u{3000}'].into_iter().all(is_space));
    assert!(!['\u{200b}', '\u{feff}', '\u{180e}'].into_iter().any(is_space));
}
