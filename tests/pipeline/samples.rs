//! What the student learns from: the mask covers the completion and its end, nothing else, and can be looked at.

use pupil_distill::rationale::jsonl::{self, KeptRow};
use pupil_distill::sample;
use pupil_distill::vocabulary::END_OF_TEXT;
use pupil_models::tokenizer::Tokenizer;

use crate::micro::{Micro, succeeded};

#[test]
fn the_mask_covers_exactly_rationale_marker_answer_and_end() {
    let micro = Micro::new();
    let output = micro.stage("samples").args(["--show", "240"]).output().unwrap();
    succeeded(&output);
    let shown = String::from_utf8(output.stdout).unwrap();
    let folder = micro.run_folder();
    let tokenizer = Tokenizer::read(&folder.join("tokenizer.json")).unwrap();
    let end = tokenizer.token_id(END_OF_TEXT).unwrap();
    let samples = sample::read(&folder.join("samples.jsonl")).unwrap();
    let kept = jsonl::read(&folder.join("kept.jsonl")).unwrap();
    assert_eq!((samples.len(), kept.len()), (240, 240));
    for (sample, KeptRow { row, weight }) in samples.iter().zip(&kept) {
        let (given, learned) = sample.ids.split_at(sample.prompt_tokens);
        let (last, completion) = learned.split_last().unwrap();
        let prompt = format!("Q: {}\nA:", row.example.question);
        let written = format!(" {}\nThe answer is {}", row.completion.rationale, row.example.gold);
        assert_eq!(sample.id, row.id());
        assert!(weight.is_full() && sample.weight.is_full());
        assert_eq!(given, tokenizer.encode(&prompt).unwrap(), "as the runtime will encode it");
        assert_eq!(tokenizer.decode(completion).unwrap(), written);
        assert_eq!(*last, end);
        assert!(!sample.ids[..sample.ids.len() - 1].contains(&end));
        assert!(shown.contains(&format!("{prompt}⟦{written}⏎⟧\n")), "{written}");
    }
    assert_eq!(shown.matches('⟦').count(), 240);
}
