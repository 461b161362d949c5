"""llama.cpp's own programs: `llama-bench` for the speeds, `llama-completion` for the first token and memory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import measure


def main(task):
    tools = Path(task["program"])
    figures = first_token(task, tools / "llama-completion")
    for depth in task["depths"]:
        rows = bench(task, tools / "llama-bench", ["-p", depth, "-n", 0])
        rows += bench(task, tools / "llama-bench", ["-p", 0, "-n", task["tokens"], "-d", depth])
        figures |= {f"pp{depth}": rows[0]["avg_ts"], f"tg{depth}": rows[-1]["avg_ts"]}
        figures["version"] = f"llama.cpp build {rows[0]['build_number']}"
    print(json.dumps(figures), flush=True)


def bench(task, program, arguments):
    command = [program, "-m", task["model"], "-t", task["threads"], "-r", 1, "-o", "json", *arguments]
    words = [str(word) for word in command]
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def first_token(task, program):
    """The program prints no prompt, so the first byte on its output is the first token."""
    command = [
        program,
        "-m",
        task["model"],
        "-t",
        task["threads"],
        "-n",
        max(1, task["memory_tokens"]),
        "-p",
        task["text"],
        "-c",
        task["prompt_tokens"] + max(1, task["memory_tokens"]) + 1,
        "--temp",
        0,
        "--ignore-eos",
        "-no-cnv",
        "--no-display-prompt",
        "--no-warmup",
        "--simple-io",
    ]
    started_at = time.monotonic()
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        os.read(process.stdout.fileno(), 1)
        first_token_at = time.monotonic()
        most = 0
        # It cannot tell its own memory, so that is looked at until it ends.
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(0.002)
            os.set_blocking(process.stdout.fileno(), False)
            process.stdout.read()
    if process.returncode != 0:
        sys.exit(f"error: `{program.name}`: exit status {process.returncode}")
    figures = {"started_at": started_at, "imported_at": started_at, "first_token_at": first_token_at, "digests": {}}
    if task["memory_tokens"]:
        figures["anonymous_bytes"] = most
    return figures


def resident(process):
    try:
        return measure.anonymous_bytes(process) or 0
    except (FileNotFoundError, ProcessLookupError):
        return 0


main(json.loads(sys.argv[1]))
