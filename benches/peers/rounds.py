"""Who takes part, and the rounds: everyone measured once, one after the other, each in a process of its own."""

import hashlib
import itertools
import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import machine
from peers import Missing
from work import RUNNERS, Fault, files_of, last_line, read_whole

PROMPT_TOKENS = 64
# A runtime that hangs must not take the whole run with it.
LIMIT_SECONDS = 600


@dataclass(frozen=True)
class Settings:
    threads: list
    depths: list
    rounds: int
    tokens: int
    memory_rounds: int
    memory_tokens: int
    reference_rounds: int

    def results(self, students):
        return {
            "machine": machine.describe(),
            "started": time.strftime("%Y-%m-%d %H:%M"),
            "prompt_tokens": PROMPT_TOKENS,
            "memory_tokens": self.memory_tokens,
            "tokens": self.tokens,
            "depths": self.depths,
            "threads": self.threads,
            "students": students,
            "rounds": 0,
            "rows": [],
        }


@dataclass
class Entry:
    """One form of one student in one runtime: a row for each thread count."""

    student: object
    peer: object
    form: object
    model: Path | None = None
    fault: str | None = None
    prompt: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)

    def row(self, threads):
        if threads not in self.rows:
            self.rows[threads] = {
                "student": self.student.name,
                "threads": threads,
                "peer": self.peer.name,
                "form": self.form.name,
                "label": self.form.label,
                "bits": self.form.bits,
                "version": None,
                "fault": self.fault,
                "file_mb": megabytes(weights_of(self.model)) if self.model else None,
                "rounds": [],
            }
        return self.rows[threads]


def prepare(student, work, runtimes, forms, prompt):
    """An entry for each form of each runtime; one that cannot take part says why."""
    entries = []
    pairs = [(peer, form) for peer in runtimes for form in peer.forms]
    for peer, form in pairs:
        if forms and form.name not in forms:
            continue
        entry = Entry(student, peer, form, prompt=prompt)
        try:
            peer.check()
            entry.model = peer.model(work, student, form)
        except Missing as missing:
            entry.fault = f"not installed: {missing}"
        except Fault as fault:
            entry.fault = str(fault)
        entries.append(entry)
    return entries


def measure(entries, settings, work, say):
    """Runs all rounds; yields after each group of measurements that belong together how many rounds are whole."""
    able = [entry for entry in entries if entry.model]
    for entry in able:
        read_whole(entry.model)
    for finished in range(settings.rounds):
        for student, threads in itertools.product(unique(entry.student.name for entry in able), settings.threads):
            group = [entry for entry in able if entry.student.name == student]
            # Every other round backwards, so that a machine that warms up or slows down favours nobody.
            for entry in group if finished % 2 == 0 else reversed(group):
                if finished < (settings.reference_rounds if entry.peer.reference else settings.rounds):
                    measure_once(entry, threads, finished, settings, work, say)
            yield finished
    yield settings.rounds


def measure_once(entry, threads, finished, settings, work, say):
    row = entry.row(threads)
    if row["fault"]:
        return
    task = {
        "model": str(entry.model),
        "form": entry.form.name,
        "program": entry.peer.program,
        "threads": threads,
        "text": entry.prompt["text"],
        "prompt_tokens": PROMPT_TOKENS,
        "vocab_size": entry.student.vocab_size,
        "depths": settings.depths,
        "tokens": settings.tokens,
        "memory_tokens": settings.memory_tokens if finished < settings.memory_rounds else 0,
    }
    what = f"{entry.student.name} {entry.peer.name} {entry.form.name} {threads} threads"
    try:
        figures = run(entry.peer, task, work.log(what))
        require_equal_work(figures["digests"], entry.prompt["ids"])
    except Fault as fault:
        row["fault"] = str(fault)
        say(f"{what}: {fault}")
        return
    row["version"] = figures.pop("version")
    row["rounds"].append(figures)
    shown = [f"{key} {value:.4g}" for key, value in figures.items() if key != "digests"]
    say(f"round {finished + 1}: {what}: {', '.join(shown)}")


def run(peer, task, log):
    command = [peer.python, RUNNERS / peer.runner, json.dumps(task)]
    with log.open("a") as errors:
        started_at = time.monotonic()
        try:
            finished = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=LIMIT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise Fault(f"no result after {LIMIT_SECONDS} s; see `{log}`") from None
        seconds = time.monotonic() - started_at
    if finished.returncode != 0:
        said = last_line(log.read_text(errors="replace"))
        raise Fault(f"exit status {finished.returncode}: {said}; see `{log}`")
    raw = json.loads(last_line(finished.stdout))
    return tidy(raw, started_at) | {"seconds": seconds}


def require_equal_work(digests, ids):
    """Refuses a runtime whose tokenizer made other tokens of the prompt, where it tells."""
    expected = hashlib.sha256(b"".join(token.to_bytes(4, "little") for token in ids)).hexdigest()
    found = digests.get("prompt", expected)
    if found != expected:
        raise Fault(
            f"its tokenizer reads the prompt otherwise: expected ids with digest {expected[:8]}, found {found[:8]}"
        )


def tidy(raw, started_at):
    """Times since the start of the process: of the runner, unless it started a program to measure."""
    started_at = raw.pop("started_at", started_at)
    imported_at, first_token_at = raw.pop("imported_at"), raw.pop("first_token_at")
    anonymous, imported = raw.pop("anonymous_bytes", None), raw.pop("imported_anonymous_bytes", 0)
    raw["first_ms"] = (first_token_at - started_at) * 1e3
    raw["own_first_ms"] = (first_token_at - imported_at) * 1e3
    if anonymous is not None:
        raw["anonymous_mb"] = anonymous / 1e6
        raw["own_anonymous_mb"] = (anonymous - imported) / 1e6
    return raw


def weights_of(model):
    """The files of a model but for its tokenizers and configs: whatever is a hundredth of the largest or more."""
    files = files_of(model)
    largest = max(file.stat().st_size for file in files)
    return [file for file in files if file.stat().st_size * 100 >= largest and "tokenizer" not in file.name]


def megabytes(files):
    return sum(file.stat().st_size for file in files) / 1e6


def unique(names):
    return list(dict.fromkeys(names))
