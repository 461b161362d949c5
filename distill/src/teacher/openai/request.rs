//! What an endpoint is sent: prompts and the bodies of requests.

use serde_json::{Map, Value, json};

use super::{Api, OpenaiError, OpenaiSource, Prompting};
use crate::dataset::Example;
use crate::teacher::prompting::{self, ExemplarFile};

/// Which of an example's requests this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The only one, or the one that asks for the rationale.
    Rationale,
    /// The one that asks for the answer to a rationale.
    Answer,
}

/// Words requests for one source.
pub(super) struct Wording {
    source: OpenaiSource,
    exemplars: Option<ExemplarFile>,
    parameters: String,
}

impl Wording {
    /// # Errors
    /// The exemplars cannot be read.
    pub(super) fn new(source: &OpenaiSource) -> Result<Self, OpenaiError> {
        let exemplars = match source.prompting {
            Prompting::FewShotCot => source.exemplars.as_deref().map(ExemplarFile::read).transpose()?,
            _ => None,
        };
        let mut wording = Self { source: source.clone(), exemplars, parameters: String::new() };
        let mut parameters = Map::new();
        parameters.insert("api".to_owned(), json!(source.endpoint.api));
        parameters.insert("prompting".to_owned(), json!(source.prompting));
        if let Some(system) = &source.endpoint.system {
            parameters.insert("system".to_owned(), json!(system));
        }
        wording.sampling(&mut parameters, Step::Rationale, None);
        wording.parameters = Value::Object(parameters).to_string();
        Ok(wording)
    }

    /// Everything that decides the sampling but the seed, as a JSON object.
    pub(super) fn parameters(&self) -> &str {
        &self.parameters
    }

    /// Whether answers are asked for in a second step.
    pub(super) fn has_answer_step(&self) -> bool {
        self.source.prompting == Prompting::ZeroShotCot
    }

    /// Whether replies are read as those of a reasoning model.
    pub(super) fn takes_reasoning(&self) -> bool {
        self.source.prompting == Prompting::Reasoning
    }

    /// The text that announces the answer in a completion.
    pub(super) fn marker(&self) -> Option<&str> {
        match self.source.prompting {
            Prompting::OneStep => Some(&self.source.generation.marker),
            Prompting::FewShotCot => Some(prompting::FEW_SHOT_MARKER),
            Prompting::ZeroShotCot | Prompting::Reasoning => None,
        }
    }

    /// Most tokens of the reply to `step`.
    pub(super) fn max_tokens(&self, step: Step) -> u32 {
        match step {
            Step::Rationale => self.source.generation.max_tokens.get(),
            Step::Answer => self.source.generation.answer_max_tokens.get(),
        }
    }

    /// The seed of completion `index`.
    pub(super) fn seed(&self, index: u32) -> Option<u64> {
        self.source.generation.seed.map(|seed| seed.wrapping_add(u64::from(index)))
    }

    /// Whether the answer to `example` stands in its own prompt, as one of the exemplars.
    pub(super) fn is_exemplar(&self, example: &Example) -> bool {
        let exemplars = self.exemplars.as_ref().and_then(|file| file.task(&example.task).ok());
        exemplars.is_some_and(|exemplars| exemplars.contains(&example.question))
    }

    /// The first prompt about `example`.
    ///
    /// # Errors
    /// There are no exemplars for its task.
    pub(super) fn prompt(&self, example: &Example) -> Result<String, OpenaiError> {
        let question = &example.question;
        Ok(match (self.source.prompting, self.source.endpoint.api) {
            (Prompting::ZeroShotCot, _) => prompting::zero_shot_cot(question),
            (Prompting::OneStep, Api::Chat) => prompting::one_step(question, &self.source.generation.marker),
            (Prompting::OneStep, Api::Completions) => {
                prompting::one_step_continued(question, &self.source.generation.marker)
            }
            (Prompting::FewShotCot, _) => {
                let block = match &self.exemplars {
                    Some(file) => file.task(&example.task)?.block.as_str(),
                    None => "",
                };
                prompting::few_shot_cot(block, question)
            }
            (Prompting::Reasoning, _) => question.clone(),
        })
    }

    /// The body of a request. `rationale` is the raw completion of the first step, for the second one.
    ///
    /// Plain completions get the published texts to the byte. In a chat, the first prompt is the user's message; in the
    /// second step the rationale is the assistant's reply to it, word for word, and the answer trigger the user's next
    /// message: the same three texts in the same order, each in the role that wrote it.
    pub(super) fn body(&self, prompt: &str, rationale: Option<&str>, index: u32) -> Vec<u8> {
        let endpoint = &self.source.endpoint;
        let mut body = Map::new();
        match endpoint.api {
            Api::Completions => {
                let text = rationale.map(|text| format!("{prompt}{text}\n{}", prompting::ANSWER_TRIGGER));
                body.insert("prompt".to_owned(), Value::String(text.unwrap_or_else(|| prompt.to_owned())));
            }
            Api::Chat => {
                let mut messages = Vec::with_capacity(4);
                let mut say = |role: &str, content: &str| messages.push(json!({"role": role, "content": content}));
                if let Some(system) = &endpoint.system {
                    say("system", system);
                }
                say("user", prompt);
                if let Some(rationale) = rationale {
                    say("assistant", rationale);
                    say("user", prompting::ANSWER_TRIGGER);
                }
                body.insert("messages".to_owned(), Value::Array(messages));
            }
        }
        let step = if rationale.is_some() { Step::Answer } else { Step::Rationale };
        self.sampling(&mut body, step, self.seed(index));
        if endpoint.stream {
            body.insert("stream".to_owned(), Value::Bool(true));
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        // A map of texts and numbers always serialises.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn sampling(&self, body: &mut Map<String, Value>, step: Step, seed: Option<u64>) {
        let generation = &self.source.generation;
        body.insert("model".to_owned(), json!(self.source.endpoint.model));
        body.insert(generation.max_tokens_key.clone(), json!(self.max_tokens(step)));
        let is_answer = step == Step::Answer;
        body.insert("temperature".to_owned(), json!(if is_answer { 0.0 } else { generation.temperature }));
        if let (Some(top_p), false) = (generation.top_p, is_answer) {
            body.insert("top_p".to_owned(), json!(top_p));
        }
        if let Some(seed) = seed {
            body.insert("seed".to_owned(), json!(seed));
        }
        let is_few_shot = self.source.prompting == Prompting::FewShotCot;
        let own = is_few_shot.then_some(prompting::FEW_SHOT_STOP);
        let stops: Vec<&str> = own.into_iter().chain(generation.stop.iter().map(String::as_str)).collect();
        if !stops.is_empty() {
            body.insert("stop".to_owned(), json!(stops));
        }
        if generation.logprobs {
            // Chats want a switch, plain completions the number of alternatives.
            let value = if self.source.endpoint.api == Api::Chat { json!(true) } else { json!(0) };
            body.insert("logprobs".to_owned(), value);
        }
        for (key, value) in &generation.extra {
            body.insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    fn body(wording: &Wording, rationale: Option<&str>) -> Value {
        let prompt = wording.prompt(&Example::new("coin_flip", "0", "Heads?", "yes")).unwrap();
        serde_json::from_slice(&wording.body(&prompt, rationale, 2)).unwrap()
    }

    #[test]
    fn plain_completions_get_the_published_texts() {
        let mut source = source("http://127.0.0.1:1/v1");
        source.endpoint.api = Api::Completions;
        source.generation.temperature = 0.7;
        source.generation.seed = Some(40);
        let wording = Wording::new(&source).unwrap();
        let first = body(&wording, None);
        assert_eq!(first["prompt"], "Q: Heads?\nA: Let's think step by step.");
        assert_eq!(
            (&first["temperature"], &first["max_tokens"], &first["seed"]),
            (&json!(0.7), &json!(128), &json!(42))
        );
        let second = body(&wording, Some(" So yes."));
        assert_eq!(second["prompt"], prompting::zero_shot_cot_answer("Heads?", " So yes."));
        assert_eq!(second["temperature"], 0.0);
    }

    #[test]
    fn a_chat_says_the_same_in_turns() {
        let wording = Wording::new(&source("http://127.0.0.1:1/v1")).unwrap();
        let messages = body(&wording, Some("So yes."))["messages"].clone();
        let said: Vec<(&str, &str)> = messages
            .as_array()
            .unwrap()
            .iter()
            .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
            .collect();
        let first = "Q: Heads?\nA: Let's think step by step.";
        assert_eq!(said, [("user", first), ("assistant", "So yes."), ("user", "Therefore, the answer is")]);
    }

    #[test]
    fn extra_keys_reach_the_endpoint() {
        let mut source = source("http://127.0.0.1:1/v1");
        source.generation.extra.insert("top_k".to_owned(), json!(5));
        source.generation.max_tokens_key = "max_completion_tokens".to_owned();
        let body = body(&Wording::new(&source).unwrap(), None);
        assert_eq!((&body["top_k"], &body["max_completion_tokens"]), (&json!(5), &json!(128)));
        assert!(body.get("max_tokens").is_none());
    }
}
