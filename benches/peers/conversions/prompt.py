"""Words of a text that are exactly so many tokens, as text and ids: the prompt that every runtime must read with its
own tokenizer.

Usage: prompt.py CHECKPOINT OUT.json TOKENS TEXT
"""

import json
import sys
from pathlib import Path

import tokenizers


def main(checkpoint, out, tokens, text):
    tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    for stretch in stretches(text):
        ids = tokenizer.encode(stretch, add_special_tokens=False).ids
        if len(ids) == tokens:
            out.write_text(json.dumps({"text": stretch, "ids": ids}))
            return
    sys.exit(f"error: no words of the text are exactly {tokens} tokens under `{checkpoint / 'tokenizer.json'}`")


def stretches(text):
    """All runs of whole words: those from the first word on, from the second on, ...

    Cut between words: within one, what is left would be encoded to other tokens than the whole was. The beginnings alone
    are not enough: a tokenizer of few merges reads several tokens a word and may step over the wanted number.
    """
    starts = [index for index in range(len(text)) if text[index].isalnum() and not text[index - 1 : index].isalnum()]
    ends = [index for index in range(1, len(text) + 1) if index == len(text) or not text[index].isalnum()]
    return (text[start:end] for start in starts for end in ends if end > start)


main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
