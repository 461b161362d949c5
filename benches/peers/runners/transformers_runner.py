"""transformers: the checkpoint in the precision that the task names, one forward call a token, its own cache."""

import measure
import torch
import transformers


class Transformers:
    version = f"transformers {transformers.__version__}, torch {torch.__version__}"

    def load(self, task):
        torch.set_num_threads(task["threads"])
        torch.set_grad_enabled(False)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(task["model"])
        dtype = getattr(torch, task["form"])
        self.model = transformers.AutoModelForCausalLM.from_pretrained(task["model"], dtype=dtype).eval()

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def generate(self, ids, tokens):
        generation = measure.Generation()
        output = self.model(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
        generation.add(output.logits[0, -1].argmax())
        for _ in range(tokens - 1):
            one = torch.tensor([[generation.tokens[-1]]])
            output = self.model(one, past_key_values=output.past_key_values, use_cache=True, logits_to_keep=1)
            generation.add(output.logits[0, -1].argmax())
        return generation


measure.run(Transformers)
