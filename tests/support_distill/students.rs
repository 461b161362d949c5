//! Students that nobody trained: checkpoints of random weights with a byte-level tokenizer.

use std::fs;
use std::path::Path;

use pupil_distill::checkpoint::write_weights;
use pupil_distill::train::initial_values;
use pupil_distill::vocabulary::{self, VocabularyPlan};
use pupil_models::bundle::{CONFIG, TOKENIZER, WEIGHTS};
use pupil_models::config::StudentConfig;
use pupil_models::family;

/// Every byte and the end token, whose id is 0.
pub(crate) const VOCABULARY: usize = 257;

/// The smallest student whose shape hides no mistake: grouped heads, wider together than the model.
pub(crate) fn tiny() -> StudentConfig {
    StudentConfig {
        family: family::Family::Llama,
        vocab_size: VOCABULARY,
        hidden_size: 32,
        intermediate_size: 64,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        context_tokens: 192,
        rms_norm_epsilon: 1e-5,
        rope_theta: 10_000.0,
        tied_head: true,
        eos_ids: vec![0],
    }
}

/// A tokenizer without a single merge.
pub(crate) fn write_byte_tokenizer(path: &Path) {
    vocabulary::train(VocabularyPlan::FrequentWords(1.0), &[], path).unwrap();
}

/// Writes a checkpoint of random weights. Their deviation is large, so that logits differ by more than rounding does.
pub(crate) fn write_checkpoint(folder: &Path, config: &StudentConfig, seed: u64) {
    fs::create_dir_all(folder).unwrap();
    let values = initial_values(config, seed, 0.3);
    write_weights(&folder.join(WEIGHTS), &family::weights(config), &values).unwrap();
    fs::write(folder.join(CONFIG), config.to_json()).unwrap();
    write_byte_tokenizer(&folder.join(TOKENIZER));
}
