"""The work folder: what was made from a student, kept until the student or the way it is made changes."""

import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNNERS = HERE / "runners"
CONVERSIONS = HERE / "conversions"


class Fault(Exception):
    """What went wrong, and what mends it, in one line."""


class Work:
    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.logs = self.folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    def made(self, student, name, command):
        """The artefact `name` of `student`; `command(out)` makes it, unless it lies there already.

        An artefact appears under its name complete or not at all.
        """
        target = self.folder / student.name / key(student, command("OUT")) / name
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            out = Path(scratch) / name
            self.run(f"{student.name} {name}", command(out))
            os.rename(out, target)
        return target

    def run(self, what, command):
        """Runs a conversion, its output in a log; it must not ask a model hub."""
        log = self.log(what)
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        with log.open("w") as output:
            words = [str(word) for word in command]
            status = subprocess.run(
                words, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
            ).returncode
        if status != 0:
            raise Fault(
                f"cannot make {what}: exit status {status}: {last_line(log.read_text(errors='replace'))}; see `{log}`"
            )

    def log(self, what):
        return self.logs / (what.replace(" ", "-").replace("/", "-") + ".log")


def key(student, command):
    """Of the student, the command and the scripts in it: a script that changes makes its artefacts anew."""
    found = hashlib.sha256(student.digest.encode())
    found.update(json.dumps([str(word) for word in command]).encode())
    for script in [Path(word) for word in map(str, command) if word.startswith(str(CONVERSIONS))]:
        found.update(script.read_bytes())
    return found.hexdigest()[:12]


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing was said"


def files_of(path):
    path = Path(path)
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def read_whole(path):
    """Reads every byte, so that the page cache is warm."""
    for file in files_of(path):
        with file.open("rb") as source:
            while source.read(1 << 24):
                pass
