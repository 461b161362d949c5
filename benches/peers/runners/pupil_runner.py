"""Ours: the `pupil` program. One process for the first token and memory, another for the speeds.

The first token is stamped here, when its line arrives, so the pipe counts against us.
"""

import json
import subprocess
import sys
import time

import measure


def main(task):
    engine = ["--threads", str(task["threads"]), "--untuned"]
    figures = first_token(task, engine)
    if task["depths"]:
        figures |= speeds(task, engine, figures["digests"])
    print(json.dumps(figures), flush=True)


def first_token(task, engine):
    command = [
        task["program"],
        "probe",
        task["model"],
        "--text",
        task["text"],
        "--prompt-tokens",
        str(task["prompt_tokens"]),
        "--tokens",
        str(max(1, task["memory_tokens"])),
        *engine,
    ]
    started_at = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        first_token_at = time.monotonic()
        rest = process.stdout.read()
    if process.returncode != 0:
        sys.exit(f"error: `pupil probe`: exit status {process.returncode}")
    done = json.loads(rest)["done"]
    figures = {
        "version": subprocess.run(
            [task["program"], "--version"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "started_at": started_at,
        "imported_at": started_at,
        "first_token_at": first_token_at,
        "digests": {"first": measure.digest([json.loads(first)["first_token"]])},
    }
    if task["memory_tokens"]:
        figures["anonymous_bytes"] = done["memory"]["anonymous_bytes"]
        figures["digests"]["text"] = plain(done["answer"])
    return figures


def speeds(task, engine, digests):
    depths = ",".join(map(str, task["depths"]))
    command = [
        task["program"],
        "bench",
        task["model"],
        "--json",
        "--runs",
        "1",
        "--prompts",
        depths,
        "--depths",
        depths,
        "--tokens",
        str(task["tokens"]),
        *engine,
    ]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    columns = {"prefill": "pp", "decode": "tg"}
    figures = {}
    for row in map(json.loads, lines):
        if row["measurement"] in columns:
            figures[f"{columns[row['measurement']]}{row['prompt_tokens']}"] = row["median"]
        if row["measurement"] == "decode":
            digests[str(row["prompt_tokens"])] = plain(row["answer"])
        if row["measurement"] == "ceiling-share":
            figures[f"ceiling{row['prompt_tokens']}"] = row["median"]
    return figures


def plain(digest):
    """Without the name of the algorithm, as the other runners write it."""
    return digest.removeprefix("sha256:")


main(json.loads(sys.argv[1]))
