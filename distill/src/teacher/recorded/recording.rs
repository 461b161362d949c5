//! One completion of a file, and which example it is about.

use std::collections::HashMap;

use crate::dataset::{Example, example_id};
use crate::teacher::Completion;

/// One completion, with what its file says about the example.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    /// Where in the file, for people.
    pub(super) place: String,
    /// The example's id, with or without its task.
    pub(super) id: Option<String>,
    /// Which of the example's completions it is; by the order in the file if absent.
    pub(super) index: Option<u32>,
    /// The question, word for word.
    pub(super) question: Option<String>,
    /// A text that holds the question among other words.
    pub(super) prompt: Option<String>,
    pub(super) gold: Option<String>,
    pub(super) completion: Completion,
}

/// The example that a recording is about.
pub(super) enum Subject {
    Example(String),
    /// None that is known.
    Unknown,
    /// Several examples ask this question.
    Ambiguous,
}

/// Finds examples by id and by question.
pub(super) struct Subjects<'a> {
    task: Option<&'a str>,
    ids: HashMap<&'a str, &'a Example>,
    /// Ids by question without white space; none where several examples ask it.
    questions: HashMap<String, Option<&'a str>>,
}

impl<'a> Subjects<'a> {
    /// Over all examples of a dataset. Without any, every id is believed.
    pub(super) fn of(examples: &'a [Example]) -> Self {
        let mut questions: HashMap<String, Option<&str>> = HashMap::with_capacity(examples.len());
        for example in examples {
            let again = |known: &mut Option<&'a str>| *known = None;
            questions.entry(marks(&example.question)).and_modify(again).or_insert(Some(&example.id));
        }
        let ids = examples.iter().map(|example| (example.id.as_str(), example)).collect();
        Self { task: examples.first().map(|example| example.task.as_str()), ids, questions }
    }

    pub(super) fn find(&self, recording: &Recording) -> Subject {
        if let Some(id) = &recording.id {
            return self.by_id(id);
        }
        let text = recording.question.as_ref().or(recording.prompt.as_ref());
        let found = text.and_then(|text| bare(&marks(text)).into_iter().find_map(|key| self.questions.get(key)));
        match found {
            Some(Some(id)) => Subject::Example((*id).to_owned()),
            Some(None) => Subject::Ambiguous,
            None => Subject::Unknown,
        }
    }

    fn by_id(&self, id: &str) -> Subject {
        let within = self.task.map(|task| example_id(task, id));
        let known = [Some(id.to_owned()), within].into_iter().flatten().find(|id| self.ids.contains_key(id.as_str()));
        match known {
            Some(id) => Subject::Example(id),
            None if self.ids.is_empty() => Subject::Example(id.to_owned()),
            None => Subject::Unknown,
        }
    }
}

/// A text without white space: what two writings of one question have in common.
pub(super) fn marks(text: &str) -> String {
    text.chars().filter(|mark| !mark.is_whitespace()).collect()
}

/// What may be the question within a prompt, both without white space: the prompt itself, or what is left of it without the
/// words of a published template.
fn bare(prompt: &str) -> Vec<&str> {
    const BEFORE: [&str; 2] = ["Q:", "question:"];
    const AFTER: [&str; 4] = ["###", "A:Let'sthinkstepbystep.", "A:Theansweris", "A:"];
    let mut found = vec![prompt];
    let without_end = AFTER.iter().find_map(|after| prompt.strip_suffix(after));
    found.extend(without_end);
    for text in [Some(prompt), without_end].into_iter().flatten() {
        // The last question, because exemplars may stand before it.
        found.extend(BEFORE.iter().filter_map(|before| text.rsplit_once(before)).map(|(_, question)| question));
    }
    found
}
