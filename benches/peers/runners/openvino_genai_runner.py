"""openvino-genai: its LLM pipeline over a converted folder; a token's moment is when the streamer sees it."""

import measure
import numpy
import openvino
import openvino_genai


class Moments(openvino_genai.StreamerBase):
    def __init__(self):
        super().__init__()
        self.generation = measure.Generation()

    def write(self, token):
        for one in token if isinstance(token, (list, tuple)) else [token]:
            self.generation.add(one)
        return openvino_genai.StreamingStatus.RUNNING

    def end(self):
        pass


class OpenVino:
    version = f"openvino-genai {openvino_genai.__version__}"

    def load(self, task):
        self.pipeline = openvino_genai.LLMPipeline(task["model"], "CPU", INFERENCE_NUM_THREADS=task["threads"])
        self.tokenizer = self.pipeline.get_tokenizer()

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).input_ids.data[0]

    def generate(self, ids, tokens):
        config = openvino_genai.GenerationConfig()
        config.do_sample = False
        config.ignore_eos = True
        config.max_new_tokens = tokens
        prompt = numpy.array([ids], dtype=numpy.int64)
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(prompt), openvino.Tensor(numpy.ones_like(prompt)))
        streamer = Moments()
        self.pipeline.generate(inputs, config, streamer)
        return streamer.generation


measure.run(OpenVino)
