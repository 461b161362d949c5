"""Who is compared: each runtime, the packages that it needs, its forms, and how a form is made from a checkpoint."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from work import CONVERSIONS, HERE

# A student of random weights answers nothing, but a bundle must have a contract.
CONTRACT = HERE.parents[1] / "models/students/symbolic/reasoning.json"

# Names those of the modules that a Python lacks.
PROBE = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])"


class Missing(Exception):
    """A peer that is not installed: the line that would install it."""


@dataclass(frozen=True)
class Form:
    name: str
    label: str
    bits: int


@dataclass
class Peer:
    """A runtime. `python` runs its runner and conversions; `program` is set where it is a program and not a package."""

    name: str
    runner: str
    forms: tuple
    # Modules to import → packages to install.
    packages: dict = field(default_factory=dict)
    python: str = "python3"
    program: str | None = None
    # Measured in the first round alone: a point of reference, not a competitor.
    reference: bool = False

    def check(self):
        if self.packages:
            need(self.python, self.packages)


class LlamaCpp(Peer):
    def model(self, work, student, form):
        python = self.python
        need(python, {"gguf": "gguf", "llama_cpp": "llama-cpp-python"})
        write, quantize = CONVERSIONS / "write_gguf.py", CONVERSIONS / "quantize_gguf.py"
        source = work.made(student, "bf16.gguf", lambda out: [python, write, student.checkpoint, out])
        return work.made(student, f"{form.name}.gguf", lambda out: [python, quantize, source, out, form.name])


class LlamaCppTools(LlamaCpp):
    def check(self):
        if self.program is None:
            raise Missing("--llama-cpp-tools FOLDER of llama-bench and llama-completion")
        for tool in ("llama-bench", "llama-completion"):
            if not (Path(self.program) / tool).is_file():
                raise Missing(f"`{tool}` in `{self.program}`")


class Genai(Peer):
    def model(self, work, student, form):
        need(self.python, {"onnx_ir": "onnx-ir", "onnx": "onnx", "torch": "torch", "transformers": "transformers"})
        builder = [self.python, "-m", "onnxruntime_genai.models.builder", "-e", "cpu", "-p", form.name]
        builder += ["-c", work.folder / "builder-cache", "-i", student.for_transformers(work)]
        return work.made(student, f"genai-{form.name}", lambda out: [*builder, "-o", out])


class OpenVino(Peer):
    def __post_init__(self):
        # optimum-intel lags behind transformers, so it may well live in an environment of its own.
        self.converter = None

    def model(self, work, student, form):
        python = self.converter or self.python
        need(python, {"optimum.intel": "optimum-intel", "nncf": "nncf", "openvino_tokenizers": "openvino-tokenizers"})
        export = [python, "-m", "optimum.commands.optimum_cli", "export", "openvino", "--weight-format", form.name]
        export += ["--task", "text-generation-with-past", "--model", student.for_transformers(work)]
        if form.name == "int4":
            # All four bit and symmetric in small groups, as the others are; the default keeps some layers in 8 bit.
            export += ["--sym", "--ratio", "1.0", "--group-size", "64"]
        return work.made(student, f"openvino-{form.name}", lambda out: [*export, out])


class Transformers(Peer):
    def model(self, work, student, _form):
        return student.for_transformers(work)


class Pupil(Peer):
    """Ours. A bundle that is not named is exported by `distill`."""

    def __post_init__(self):
        self.bundles = {}
        self.distill = None

    def check(self):
        if shutil.which(self.program) is None:
            raise Missing(f"`{self.program}`: make runtime, or --pupil PROGRAM")

    def model(self, work, student, form):
        bundle = self.bundles.get(f"{student.name}:{form.name}")
        if bundle is not None:
            return Path(bundle)
        if shutil.which(self.distill) is None:
            raise Missing(f"--bundle {student.name}:{form.name}=FOLDER, or --distill PROGRAM")
        export = [self.distill, "export", "--checkpoint", student.checkpoint, "--contract", CONTRACT]
        export += ["--format", form.name, "--without-parity"]
        return work.made(student, f"pupil-{form.name}", lambda out: [*export, "--out", out])


def need(python, packages):
    """Refuses a Python that lacks one of the packages, and says how to install it."""
    if shutil.which(python) is None:
        raise Missing(f"`{python}`")
    probe = subprocess.run([python, "-c", PROBE, *packages], capture_output=True, text=True, check=False)
    lacking = packages.values() if probe.returncode != 0 else [packages[module] for module in probe.stdout.split()]
    if lacking:
        raise Missing(f"{python} -m pip install {' '.join(lacking)}")


def everyone():
    llama_forms = (
        Form("q4_0", "Q4_0 (all 4 bit)", 4),
        Form("q4_0-head8", "Q4_0 (8-bit head)", 4),
        Form("q8_0", "Q8_0", 8),
    )
    integers = (Form("int4", "int4", 4), Form("int8", "int8", 8))
    # NNCF keeps the embedding table, which is the head too, in 8 bit.
    headed = (Form("int4", "int4 (8-bit head)", 4), Form("int8", "int8", 8))
    return [
        Pupil("pupil", "pupil_runner.py", (Form("native-4", "4 bit", 4), Form("native-8", "8 bit", 8))),
        LlamaCpp("llama-cpp-python", "llama_cpp_python_runner.py", llama_forms, {"llama_cpp": "llama-cpp-python"}),
        LlamaCppTools("llama.cpp tools", "llama_cpp_tools_runner.py", llama_forms),
        Genai("onnxruntime-genai", "onnxruntime_genai_runner.py", integers, {"onnxruntime_genai": "onnxruntime-genai"}),
        OpenVino("openvino-genai", "openvino_genai_runner.py", headed, {"openvino_genai": "openvino-genai"}),
        Transformers(
            "transformers",
            "transformers_runner.py",
            (Form("float32", "float32", 32), Form("bfloat16", "bfloat16", 16)),
            {"transformers": "transformers", "torch": "torch"},
            reference=True,
        ),
    ]
