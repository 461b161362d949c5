"""The students that the peers are compared on: published shapes, random weights, one prompt for all.

A checkpoint is a Hugging Face folder (`config.json`, `model.safetensors`, `tokenizer.json`). What the peers load is
made from it, so that every runtime holds the same weights up to its own rounding.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

from work import CONVERSIONS, Fault

NAMES = ("smollm2-135m", "qwen2.5-0.5b")
FILES = ("config.json", "model.safetensors", "tokenizer.json")

# Tokenizer classes under which other runtimes know the byte-level tokenizers of these families.
TOKENIZER_CLASSES = {"llama": "GPT2Tokenizer", "qwen2": "Qwen2Tokenizer"}

# Plain prose, long enough for any prompt: words of it with the wanted number of tokens are read.
TEXT = (
    "A farmer has three fields. The first is twice as wide as the second, and the second gives 40 sacks of wheat more"
    " than the third. In a dry year each field gives half of what it gave before, but the price of a sack rises from "
    "12 to 18 coins. The farmer sells everything, pays 95 coins for seed, and shares the rest with two sisters. How "
    "much does each of them receive if the third field gave 60 sacks in a good year? Think step by step, write down "
    "what each field gives, and end with the sum. Remember that the sisters receive equal parts, that the seed is "
    "paid first, and that nothing is kept for the next year."
)


class Student:
    """A checkpoint on disk and what the runners need to know of it."""

    def __init__(self, name, checkpoint):
        self.name = name
        self.checkpoint = Path(checkpoint).resolve()
        for file in FILES:
            if not (self.checkpoint / file).is_file():
                raise Fault(f"student `{name}`: expected `{self.checkpoint / file}`, found nothing")
        self.config = json.loads((self.checkpoint / "config.json").read_text())
        self.vocab_size = self.config["vocab_size"]
        self.digest = digest(self.checkpoint)

    def prompt(self, work, python, tokens):
        """Words of the text that are so many tokens, as text and ids."""
        made = work.made(
            self,
            f"prompt-{tokens}.json",
            lambda out: [python, CONVERSIONS / "prompt.py", self.checkpoint, out, tokens, TEXT],
        )
        return json.loads(made.read_text())

    def for_transformers(self, work):
        """The checkpoint as `transformers` wants it: the files, and which tokenizer class they are."""
        python = sys.executable
        kind = TOKENIZER_CLASSES.get(self.config["model_type"], "PreTrainedTokenizerFast")
        return work.made(
            self, "checkpoint", lambda out: [python, CONVERSIONS / "describe_tokenizer.py", self.checkpoint, out, kind]
        )


def find(name, work, distill, tokenizers):
    """A student by name, written by `distill random-student`; or NAME=FOLDER, a checkpoint that exists."""
    name, _, folder = name.partition("=")
    if folder:
        return Student(name, folder)
    folder = work.folder / name / "random-student"
    if not folder.exists():
        if shutil.which(distill) is None:
            raise Fault(
                f"student `{name}`: expected the program `{distill}`, found nothing; give --distill PROGRAM, "
                f"or --students {name}=FOLDER of a checkpoint"
            )
        command = [distill, "random-student", "--shape", name, "--element", "bfloat16", "--out", folder]
        work.run(f"{name} random-student", command + (["--tokenizer", tokenizers[name]] if name in tokenizers else []))
    return Student(name, folder)


def digest(checkpoint):
    """What conversions are keyed by: config and tokenizer whole, weights by size and both ends of the file."""
    found = hashlib.sha256()
    for file in ("config.json", "tokenizer.json"):
        found.update((checkpoint / file).read_bytes())
    with (checkpoint / "model.safetensors").open("rb") as file:
        found.update(file.read(1 << 20))
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 20)))
        found.update(file.read() + str(size).encode())
    return found.hexdigest()
