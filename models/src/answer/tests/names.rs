//! Names and written forms.

use std::error::Error;

use super::super::{AnswerKind, Grader, PublishedTemplate, TASKS, task};

#[test]
fn answer_kinds_survive_their_written_form() -> Result<(), Box<dyn Error>> {
    let written = [
        (r#"{"kind":"number"}"#, AnswerKind::Number),
        (r#"{"kind":"integer"}"#, AnswerKind::Integer),
        (r#"{"kind":"choice","last":"E"}"#, AnswerKind::Choice { last: 'E' }),
        (r#"{"kind":"yes_no"}"#, AnswerKind::YesNo),
        (r#"{"kind":"letters"}"#, AnswerKind::Letters),
        (r#"{"kind":"text"}"#, AnswerKind::Text),
    ];
    for (text, kind) in written {
        assert_eq!(serde_json::from_str::<AnswerKind>(text)?, kind);
        assert_eq!(serde_json::to_string(&kind)?, text);
    }
    Ok(())
}

#[test]
fn wrong_answer_kinds_are_refused_by_what_is_wrong() {
    let refused = [
        (r#"{"kind":"number","tolerance":1}"#, "tolerance"),
        (r#"{"kind":"number","last":"E"}"#, "expected no key `last`, found `E`"),
        (r#"{"kind":"choice"}"#, "expected a key `last`"),
        (r#"{"kind":"choice","last":"e"}"#, "from `A` to `Z`, found `e`"),
        (r#"{"kind":"colour"}"#, "colour"),
        (r#"{"last":"E"}"#, "kind"),
    ];
    for (text, part) in refused {
        let message = serde_json::from_str::<AnswerKind>(text).map_err(|error| error.to_string());
        assert!(message.as_ref().is_err_and(|message| message.contains(part)), "{text}: {message:?}");
    }
}

#[test]
fn graders_and_templates_go_by_name() -> Result<(), Box<dyn Error>> {
    for grader in [Grader::Published, Grader::Robust] {
        assert_eq!(grader.to_string().parse::<Grader>()?, grader);
        assert_eq!(serde_json::to_string(&grader)?, format!("\"{grader}\""));
    }
    for name in ["none", "zs", "zs_cot", "fs_cot", "ft_token", "ft_cot_token", "ft_cot_natural"] {
        let template: PublishedTemplate = name.parse()?;
        assert_eq!(template.to_string(), name);
        assert_eq!(serde_json::to_string(&template)?, format!("\"{name}\""));
    }
    let message = "strict".parse::<Grader>().map_err(|error| error.to_string());
    assert_eq!(message, Err("unknown grader `strict`: expected `published` or `robust`, found `strict`".to_owned()));
    Ok(())
}

#[test]
fn answers_are_written_as_numbers_or_strings() -> Result<(), Box<dyn Error>> {
    let written = |kind, text| serde_json::to_string(&Grader::Published.predict(kind, text, None));
    assert_eq!(written(AnswerKind::Number, "51")?, "51.0");
    assert_eq!(written(AnswerKind::Integer, "51")?, "\"51\"");
    assert_eq!(written(AnswerKind::Number, "none")?, "null");
    // Python's float overflows to infinity, which JSON cannot say.
    assert_eq!(written(AnswerKind::Number, &"9".repeat(400))?, "\"inf\"");
    Ok(())
}

#[test]
fn tasks_are_found_by_key() {
    assert!(TASKS.iter().all(|listed| task(listed.key) == Some(listed)));
    assert_eq!(task("sums"), None);
}
