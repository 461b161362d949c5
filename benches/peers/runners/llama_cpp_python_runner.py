"""llama.cpp through the bindings of llama-cpp-python: its C functions, called as its own tools call them."""

import ctypes
import sys

import llama_cpp
import measure
import numpy

GGML_LOG_LEVEL_ERROR = 4


class LlamaCpp:
    version = f"llama-cpp-python {llama_cpp.__version__}"

    def load(self, task):
        llama_cpp.llama_log_set(log, ctypes.c_void_p())
        llama_cpp.llama_backend_init()
        self.threads = task["threads"]
        self.model = llama_cpp.llama_model_load_from_file(
            task["model"].encode(), llama_cpp.llama_model_default_params()
        )
        if not self.model:
            sys.exit(f"error: llama.cpp does not load `{task['model']}`")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(self.vocab)

    def encode(self, text):
        raw = text.encode()
        ids = (llama_cpp.llama_token * (len(raw) + 8))()
        count = llama_cpp.llama_tokenize(self.vocab, raw, len(raw), ids, len(ids), False, False)
        return ids[:count]

    def generate(self, ids, tokens):
        # A context is made for each generation, as large as it needs, so that memory is not that of the largest.
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = len(ids) + tokens
        parameters.n_batch = parameters.n_ubatch = 512
        parameters.n_threads = parameters.n_threads_batch = self.threads
        context = llama_cpp.llama_init_from_model(self.model, parameters)
        generation = measure.Generation()
        prompt = (llama_cpp.llama_token * len(ids))(*ids)
        self.decode(context, prompt, len(ids))
        generation.add(self.most_probable(context))
        one = (llama_cpp.llama_token * 1)()
        for _ in range(tokens - 1):
            one[0] = generation.tokens[-1]
            self.decode(context, one, 1)
            generation.add(self.most_probable(context))
        llama_cpp.llama_free(context)
        return generation

    @staticmethod
    def decode(context, ids, count):
        status = llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(ids, count))
        if status != 0:
            sys.exit(f"error: llama_decode: expected status 0, found {status}")

    def most_probable(self, context):
        logits = llama_cpp.llama_get_logits_ith(context, -1)
        return numpy.ctypeslib.as_array(logits, shape=(self.vocab_size,)).argmax()


@llama_cpp.llama_log_callback
def log(level, text, _data):
    if level == GGML_LOG_LEVEL_ERROR:
        print(text.decode(errors="replace"), end="", file=sys.stderr, flush=True)


measure.run(LlamaCpp)
