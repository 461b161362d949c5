"""What every runner does, whatever runtime it drives: one process, one task, one line of JSON.

The task is the only argument, as JSON:
    {"model": PATH, "form": NAME, "threads": N, "text": PROMPT, "vocab_size": N, "depths": [64, 512], "tokens": N,
     "memory_tokens": N}
A runner hands over a class with `version`, `load(task)`, `encode(text)` and `generate(ids, tokens)`; everything is
greedy, batch 1. Times are of the system's monotonic clock, which parent and child share.
"""

import hashlib
import json
import statistics
import sys
import time

# Prompts of at least this many tokens are timed once in a process, shorter ones as often as fills it.
PREFILL_TOKENS = 256


class Generation:
    """Tokens in the order in which they came, and when: the start, then the moment of each token."""

    def __init__(self):
        self.tokens = []
        self.moments = [time.monotonic()]

    def add(self, token):
        self.moments.append(time.monotonic())
        self.tokens.append(int(token))

    def prefill_seconds(self):
        return self.moments[1] - self.moments[0]

    def decode_tokens_per_second(self):
        return (len(self.tokens) - 1) / (self.moments[-1] - self.moments[1])


def run(runtime_class):
    imported_at, imported_bytes = time.monotonic(), anonymous_bytes()
    task = json.loads(sys.argv[1])
    runtime = runtime_class()
    runtime.load(task)
    prompt = [int(token) for token in runtime.encode(task["text"])]
    generation = runtime.generate(prompt, max(1, task["memory_tokens"]))
    figures = {
        "version": runtime_class.version,
        "imported_at": imported_at,
        "first_token_at": generation.moments[1],
        "digests": {"prompt": digest(prompt), "first": digest(generation.tokens[:1])},
    }
    if task["memory_tokens"]:
        figures["anonymous_bytes"], figures["imported_anonymous_bytes"] = anonymous_bytes(), imported_bytes
        figures["digests"]["text"] = digest(generation.tokens)
    for depth in task["depths"]:
        figures |= depth_figures(runtime, task, depth, figures["digests"])
    print(json.dumps(figures), flush=True)


def depth_figures(runtime, task, depth, digests):
    ids = synthetic_ids(depth, task["vocab_size"])
    generation = runtime.generate(ids, task["tokens"] + 1)
    prefills = [generation.prefill_seconds()]
    for again in range(1, PREFILL_TOKENS // depth):
        # Other ids each time, so that nobody finds the prompt in a cache.
        other = synthetic_ids(depth, task["vocab_size"], again * depth)
        prefills.append(runtime.generate(other, 1).prefill_seconds())
    digests[str(depth)] = digest(generation.tokens[:-1])
    return {
        f"pp{depth}": depth / statistics.median(prefills),
        f"tg{depth}": generation.decode_tokens_per_second(),
    }


def synthetic_ids(count, vocab_size, start=0):
    """The prompt of `pupil bench`: spread over the vocabulary, the same everywhere."""
    return [(index * 7919 + 13) % vocab_size for index in range(start, start + count)]


def digest(tokens):
    """SHA-256 of the ids as little-endian u32, as `pupil bench` writes it."""
    return hashlib.sha256(b"".join(token.to_bytes(4, "little") for token in tokens)).hexdigest()


def anonymous_bytes(process="self"):
    """Memory of a process alone, in bytes; `None` where the system does not tell."""
    with open(f"/proc/{process}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return None
