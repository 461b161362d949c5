"""What the figures were measured on."""

import os
import platform
from pathlib import Path

# What kernels choose by, x86 and ARM.
FEATURES = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm", "sve")


def describe():
    about = cpu_fields()
    flags = (about.get("flags") or about.get("Features") or "").split()
    return {
        "cpu": about.get("model name") or platform.machine(),
        "family": f"family {about.get('cpu family', '?')}, model {about.get('model', '?')}",
        "cores": len(os.sched_getaffinity(0)),
        "features": ", ".join(feature for feature in FEATURES if feature in flags) or "none known",
        "load": load(),
    }


def cpu_fields():
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def load():
    """Processes that wanted a core in the last minute, on average."""
    return round(os.getloadavg()[0], 2)
