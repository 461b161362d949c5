"""Referees of other makers for a portable bundle: `onnx.checker`, ONNX Runtime, onnxruntime-genai.

    python3 genai.py BUNDLE PROMPT_IDS EXPECTED_IDS

Ids are separated by commas; EXPECTED_IDS are prompt and greedy completion. Exits with 1 if the completion differs.
"""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime
import onnxruntime_genai as genai


def main(bundle: str, prompt: list[int], expected: list[int]) -> int:
    path = os.path.join(bundle, "model.onnx")
    # By path, so that external data is checked as well.
    onnx.checker.check_model(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    print("checked;", len(session.get_inputs()), "inputs;", end=" ")

    model = genai.Model(bundle)
    parameters = genai.GeneratorParams(model)
    parameters.set_search_options(max_length=len(expected), do_sample=False)
    generator = genai.Generator(model, parameters)
    generator.append_tokens(np.array([prompt], dtype=np.int32))
    while not generator.is_done():
        generator.generate_next_token()
    found = list(generator.get_sequence(0))
    print("onnxruntime", onnxruntime.__version__, "onnxruntime-genai", genai.__version__, "wrote", len(found) - len(prompt), "tokens")
    if found != expected:
        print("expected", expected, "found", found)
        return 1
    return 0


if __name__ == "__main__":
    ids = [[int(part) for part in text.split(",")] for text in sys.argv[2:4]]
    sys.exit(main(sys.argv[1], *ids))
