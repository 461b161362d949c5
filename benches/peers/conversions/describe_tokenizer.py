"""A checkpoint with the description of its tokenizer that `transformers` needs; the large files are links.

Usage: describe_tokenizer.py CHECKPOINT OUT CLASS
"""

import json
import sys
from pathlib import Path


def main(checkpoint, out, kind):
    out.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        (out / file).symlink_to(checkpoint / file)
    special = [
        added for added in json.loads((checkpoint / "tokenizer.json").read_text())["added_tokens"] if added["special"]
    ]
    end = special[0]["content"] if special else None
    description = {
        "tokenizer_class": kind,
        "eos_token": end,
        "pad_token": end,
        "bos_token": None,
        "unk_token": None,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(description, indent=2))


main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
