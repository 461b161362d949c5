"""Reads a checkpoint's tensors with NumPy alone, bfloat16 included."""

import json
import struct

import numpy

PLAIN = {"F32": numpy.float32, "F16": numpy.float16}


def tensors(path):
    """Pairs of a name and its values in float32, in the file's order; one tensor is in memory at a time."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    data = numpy.memmap(path, numpy.uint8, "r", offset=8 + length)
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        raw = data[start:end]
        if entry["dtype"] == "BF16":
            values = (raw.view(numpy.uint16).astype(numpy.uint32) << 16).view(numpy.float32)
        elif entry["dtype"] in PLAIN:
            values = raw.view(PLAIN[entry["dtype"]]).astype(numpy.float32)
        else:
            raise SystemExit(f"error: `{name}`: expected one of F32, F16, BF16, found {entry['dtype']}")
        yield name, values.reshape(entry["shape"])
