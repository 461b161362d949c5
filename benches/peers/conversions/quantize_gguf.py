"""GGUF → a quantised GGUF, by llama.cpp's own quantiser out of llama-cpp-python.

Usage: quantize_gguf.py IN.gguf OUT.gguf q4_0 | q4_0-head8 | q8_0
"""

import ctypes
import sys

import llama_cpp

GGML_TYPE_Q8_0 = 8
FILE_TYPES = {
    "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q4_0-head8": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
}


def main(source, out, form):
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[form]
    parameters.nthread = 2
    # With tied embeddings the head is the embedding table, so its type is the one to set.
    if form == "q4_0-head8":
        parameters.token_embedding_type = parameters.output_tensor_type = GGML_TYPE_Q8_0
    else:
        parameters.pure = True
    status = llama_cpp.llama_model_quantize(source.encode(), out.encode(), ctypes.byref(parameters))
    if status != 0:
        sys.exit(f"error: llama_model_quantize: expected status 0, found {status}")


main(*sys.argv[1:4])
