"""Writes the golden checkpoints of `golden/`: tiny random students, and the logits that Hugging Face transformers computes.

Run it in this folder, only to change what is compared; the files it writes are committed and read by `golden.rs`:

    python3 -m venv venv
    venv/bin/pip install torch==2.11.0 transformers==4.57.1 safetensors==0.8.0
    venv/bin/python golden.py

Every number follows from the seeds below, so that the same versions write the same bytes. What could be confused is
different on purpose: more query than key heads, and more than one of each (which of them share?), heads that together are
wider than the model, a rotary base that is not the default, norms that are not one, biases that are not zero.
"""

import json
import os
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

VOCABULARY = 48
LENGTHS = (1, 7, 33)
LLAMA, QWEN2 = (LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM)
VARIANTS = {"tied": (LLAMA, {"tie_word_embeddings": True, "rope_theta": 500.0, "rms_norm_eps": 1e-5}),
            "untied": (LLAMA, {"tie_word_embeddings": False, "rope_theta": 250000.0, "rms_norm_eps": 1e-6}),
            "qwen2": (QWEN2, {"tie_word_embeddings": True, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6})}


def model(seed: int, family: tuple[type, type], variant: dict) -> PreTrainedModel:
    config_class, model_class = family
    config = config_class(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=64, eos_token_id=0, bos_token_id=None,
        attn_implementation="eager", **variant)
    model = model_class(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(1.0 + 0.3 * noise if "norm" in name else 0.4 * noise)
    return model


def tokenizer() -> dict:
    """One word per id, because a checkpoint has a tokenizer; the comparison feeds ids."""
    vocabulary = {f"w{index}": index for index in range(VOCABULARY)}
    return {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w0"}}


def logits(model: PreTrainedModel, ids: list[int]) -> list[float]:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits.flatten().tolist()


def main() -> None:
    torch.set_num_threads(1)
    for seed, (name, (family, variant)) in enumerate(VARIANTS.items()):
        folder = Path(__file__).parent / "golden" / name
        student = model(seed, family, variant)
        student.save_pretrained(folder)
        # Written on the side, and of no use here.
        os.remove(folder / "generation_config.json")
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer()) + "\n")
        generator = torch.Generator().manual_seed(100 + seed)
        sequences = [torch.randint(VOCABULARY, (length,), generator=generator).tolist() for length in LENGTHS]
        # Nine digits are enough to tell two float32 apart.
        rows = [{"ids": ids, "logits": [float(f"{value:.9g}") for value in logits(student, ids)]} for ids in sequences]
        (folder / "logits.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
