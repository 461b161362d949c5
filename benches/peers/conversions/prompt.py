"""The first tokens of a text, as text and ids: the prompt that every runtime must read with its own tokenizer.

Usage: prompt.py CHECKPOINT OUT.json TOKENS TEXT
"""

import json
import sys
from pathlib import Path

import tokenizers


def main(checkpoint, out, tokens, text):
    tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    # Cut between words: within one, what is left would be encoded to other tokens than the whole was.
    for end in word_ends(text):
        ids = tokenizer.encode(text[:end], add_special_tokens=False).ids
        if len(ids) == tokens:
            out.write_text(json.dumps({"text": text[:end], "ids": ids}))
            return
    sys.exit(f"error: no beginning of the text has exactly {tokens} tokens under `{checkpoint / 'tokenizer.json'}`")


def word_ends(text):
    return [index for index in range(1, len(text) + 1) if index == len(text) or not text[index].isalnum()]


main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
