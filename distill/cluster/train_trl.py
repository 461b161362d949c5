#!/usr/bin/env python3
"""Fine-tune a student with TRL on the rationales that Pupil kept; the result is a checkpoint that `distill export` reads.

    distill rationales export EXPERIMENT --format prompt-completion --kept --out sft.jsonl
    accelerate launch distill/cluster/train_trl.py --data sft.jsonl --base BASE --out checkpoint
    distill export --checkpoint checkpoint --contract reasoning.json --data QUESTIONS.jsonl --out bundle

BASE is a Hugging Face name or folder of the llama family. The loss covers the completion alone, as in Pupil's own training.
Needs `pip install trl`.
"""

import argparse

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="JSONL with `prompt` and `completion`")
    parser.add_argument("--base", required=True, help="the checkpoint to start from")
    parser.add_argument("--out", required=True, help="where the trained checkpoint goes")
    parser.add_argument("--epochs", type=float, default=20.0, help="as many as the published students had")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--batch", type=int, default=8, help="rows per device and step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=1024, help="longest prompt and completion, in tokens")
    return parser.parse_args()


def main():
    args = arguments()
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32)
    config = SFTConfig(
        output_dir=f"{args.out}.trainer",
        num_train_epochs=args.epochs,
        learning_rate=args.learning_rate,
        per_device_train_batch_size=args.batch,
        seed=args.seed,
        max_length=args.max_length,
        completion_only_loss=True,
        bf16=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        save_strategy="epoch",
        save_total_limit=2,
        logging_steps=10,
        report_to="none",
    )
    rows = load_dataset("json", data_files=args.data, split="train").select_columns(["prompt", "completion"])
    trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    trainer.save_model(args.out)
    tokenizer.save_pretrained(args.out)


if __name__ == "__main__":
    main()
