"""onnxruntime-genai: its own generator over the folder that its model builder wrote."""

import json

import measure
import onnxruntime_genai


class Genai:
    version = f"onnxruntime-genai {onnxruntime_genai.__version__}"

    def load(self, task):
        config = onnxruntime_genai.Config(task["model"])
        options = {"intra_op_num_threads": task["threads"]}
        config.overlay(json.dumps({"model": {"decoder": {"session_options": options}}}))
        self.model = onnxruntime_genai.Model(config)
        self.tokenizer = onnxruntime_genai.Tokenizer(self.model)

    def encode(self, text):
        return self.tokenizer.encode(text)

    def generate(self, ids, tokens):
        parameters = onnxruntime_genai.GeneratorParams(self.model)
        # Random weights may well choose an end token, and the work must stay equal.
        parameters.set_search_options(do_sample=False, max_length=len(ids) + tokens, min_length=len(ids) + tokens)
        generation = measure.Generation()
        generator = onnxruntime_genai.Generator(self.model, parameters)
        generator.append_tokens(ids)
        for _ in range(tokens):
            generator.generate_next_token()
            generation.add(generator.get_next_tokens()[0])
        return generation


measure.run(Genai)
