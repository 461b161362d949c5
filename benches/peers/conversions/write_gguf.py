"""A checkpoint → GGUF in bfloat16, by the `gguf` package, as llama.cpp's own converter lays it out.

Usage: write_gguf.py CHECKPOINT OUT.gguf
"""

import json
import sys
from pathlib import Path

import gguf
import numpy
from checkpoint import tensors

# Per model type: llama.cpp's architecture, its pre-tokenizer, and whether rotary attention pairs neighbours there.
FAMILIES = {
    "llama": (gguf.MODEL_ARCH.LLAMA, "smollm", True),
    "qwen2": (gguf.MODEL_ARCH.QWEN2, "qwen2", False),
}


def main(checkpoint, out):
    config = json.loads((checkpoint / "config.json").read_text())
    if config["model_type"] not in FAMILIES:
        sys.exit(f"error: model type: expected one of {', '.join(FAMILIES)}, found {config['model_type']}")
    architecture, pre_tokenizer, neighbours = FAMILIES[config["model_type"]]
    writer = gguf.GGUFWriter(out, gguf.MODEL_ARCH_NAMES[architecture])
    write_shape(writer, config)
    write_tokenizer(writer, checkpoint, config["vocab_size"], pre_tokenizer)
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    for name, values in tensors(checkpoint / "model.safetensors"):
        if neighbours and name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"]
            values = pair_neighbours(values, heads)
        # Norms and biases are vectors, and llama.cpp wants those in float32.
        kind = gguf.GGMLQuantizationType.F32 if values.ndim == 1 else gguf.GGMLQuantizationType.BF16
        writer.add_tensor(
            names.get_name(name, (".weight", ".bias")), gguf.quants.quantize(values, kind), raw_dtype=kind
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_shape(writer, config):
    heads = config["num_attention_heads"]
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_rope_freq_base(config.get("rope_theta") or config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)


def write_tokenizer(writer, checkpoint, vocab_size, pre_tokenizer):
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text())
    tokens = [f"[PAD{index}]" for index in range(vocab_size)]
    kinds = [gguf.TokenType.UNUSED] * vocab_size
    for token, index in tokenizer["model"]["vocab"].items():
        tokens[index], kinds[index] = token, gguf.TokenType.NORMAL
    for added in tokenizer["added_tokens"]:
        kind = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        tokens[added["id"]], kinds[added["id"]] = added["content"], kind
    merges = tokenizer["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(end_of_text(tokenizer))
    writer.add_add_bos_token(False)


def end_of_text(tokenizer):
    special = [added["id"] for added in tokenizer["added_tokens"] if added["special"]]
    return special[0] if special else 0


def pair_neighbours(values, heads):
    """Rows of each head from [first half, second half] to alternating: the order that llama.cpp rotates."""
    rows, columns = values.shape
    paired = values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2)
    return numpy.ascontiguousarray(paired).reshape(rows, columns)


main(Path(sys.argv[1]), Path(sys.argv[2]))
