//! `genai_config.json`: what onnxruntime-genai wants to know about a graph.

use pupil_models::config::StudentConfig;
use pupil_models::{bundle, graph};
use serde_json::{Value, json};

/// Text of the file. Decoding is greedy and ends where the runtime's would.
///
/// `%d` stands for the layer in the names of the cache.
pub(super) fn config(config: &StudentConfig) -> String {
    let of_layer = |name: fn(usize) -> String| name(0).replacen('0', "%d", 1);
    let end = config.eos_ids.first().copied().unwrap_or(0);
    let decoder = json!({
        "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
        "filename": bundle::GRAPH,
        "head_size": config.head_dim,
        "hidden_size": config.hidden_size,
        "inputs": {
            "input_ids": graph::INPUT_IDS,
            "attention_mask": graph::ATTENTION_MASK,
            "past_key_names": of_layer(graph::past_key),
            "past_value_names": of_layer(graph::past_value),
        },
        "outputs": {
            "logits": graph::LOGITS,
            "present_key_names": of_layer(graph::present_key),
            "present_value_names": of_layer(graph::present_value),
        },
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
    });
    let text = json!({
        "model": {
            "type": config.family,
            "vocab_size": config.vocab_size,
            "context_length": config.context_tokens,
            "bos_token_id": end,
            "eos_token_id": one_or_many(&config.eos_ids),
            "pad_token_id": end,
            "decoder": decoder,
        },
        "search": {
            "do_sample": false,
            "num_beams": 1,
            "max_length": config.context_tokens,
            "min_length": 0,
            "past_present_share_buffer": true,
        },
    });
    format!("{text:#}\n")
}

fn one_or_many(ids: &[u32]) -> Value {
    match ids {
        [id] => json!(id),
        ids => json!(ids),
    }
}
