#!/usr/bin/env python3
"""Make a bundle of stock operators whose attention, and so whose keys and values, are float16: the only kind of attention
that ONNX Runtime's CUDA provider has. Everything else of the graph, and the weights, stay as they are.

Usage: float16_attention.py BUNDLE NEW_BUNDLE     (needs the package `onnx`)

BUNDLE is of the format float32, portable-4 or portable-8. What enters a `GroupQueryAttention` is cast to float16, what leaves
it back to float32, and the rotary tables are stored as float16. The graph's digest in the manifest is replaced.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

ROTARY_TABLES = ("rotary_cosine", "rotary_sine")
FORMATS = ("float32", "portable-4", "portable-8")


def main(source, target):
    manifest = json.loads((source / "pupil.json").read_text())
    if manifest["weights"] not in FORMATS:
        sys.exit("error: `%s`: expected one of the formats %s, found `%s`" % (source, ", ".join(FORMATS), manifest["weights"]))
    model = onnx.load(str(source / "model.onnx"), load_external_data=False)
    halve(model.graph)
    data = model.SerializeToString()
    shutil.copytree(str(source), str(target))
    (target / "model.onnx").write_bytes(data)
    manifest["files"]["model.onnx"] = {"bytes": len(data), "sha256": "sha256:" + hashlib.sha256(data).hexdigest()}
    (target / "pupil.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def halve(graph):
    nodes = []
    for node in graph.node:
        if node.op_type != "GroupQueryAttention":
            nodes.append(node)
            continue
        # Query, key and value: the last two are empty where they come packed with the first.
        for index in range(3):
            if node.input[index]:
                nodes.append(cast(node.input[index], node.input[index] + "/float16", TensorProto.FLOAT16))
                node.input[index] += "/float16"
        attended = node.output[0]
        node.output[0] += "/float16"
        nodes += [node, cast(node.output[0], attended, TensorProto.FLOAT)]
    del graph.node[:]
    graph.node.extend(nodes)
    for value in list(graph.input) + list(graph.output):
        if value.name.startswith(("past_key_values.", "present.")):
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    for table in graph.initializer:
        if table.name in ROTARY_TABLES:
            table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table).astype(numpy.float16), table.name))


def cast(source, target, element):
    return helper.make_node("Cast", [source], [target], name="Cast:" + target, to=element)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
