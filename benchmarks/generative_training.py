"""How fast is completion-only training, beside trl's SFTTrainer, and is the loss the same?

    pip install 'mcqa[bench]'
    python benchmarks/generative_training.py --data data/commonsenseqa_train.jsonl

Same model, LoRA, questions, prompts, batch size, precision (bfloat16), optimizer and schedule. mcqa
groups questions by length; trl does so where it is told to (`--grouped`), and then both see the
same batches in the same order. Each
side trains in a process of its own, in turns; the median of the ratios counts. Seconds are those of
the training loop alone, peak memory is the process's.

Each turn has a seed of its own, which draws the LoRA matrices and the order of the questions, so
the losses of a side scatter. They are held against each other by Welch's t-test over the seeds,
point by point and for the mean of all points.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile

from scipy.stats import ttest_ind

LORA = {"r": 16, "lora_alpha": 16, "use_rslora": True}


def train_mcqa(arguments) -> dict:
    from mcqa.training.config import TrainingConfig
    from mcqa.training.run import train

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingConfig(
            model=arguments.model,
            data=arguments.data,
            limit=arguments.limit,
            template=arguments.template,
            quantization="none",
            dtype="bfloat16",
            optimizer="adamw_torch",
            learning_rate=arguments.learning_rate,
            batch_size=arguments.batch_size,
            steps_between=arguments.log_every,
            seed=arguments.seed,
            output=folder,
        )
        record = train("generative", settings, announce=lambda line: None)
        with open(f"{folder}/training_log.jsonl") as file:
            entries = [json.loads(line) for line in file]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    return {"seconds": record["seconds"], "losses": losses}


def train_trl(arguments) -> dict:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, set_seed
    from trl import SFTConfig, SFTTrainer

    import mcqa
    from mcqa.models.adapters import SEVEN_PROJECTIONS
    from mcqa.models.backbones import load_tokenizer
    from mcqa.models.names import resolve_model
    from mcqa.prompting.prompts import get_template

    set_seed(arguments.seed)
    path = resolve_model(arguments.model).path
    rows = []
    for question in mcqa.load_questions(arguments.data, limit=arguments.limit):
        rendered = get_template(arguments.template).render(question)
        completion = rendered.continuations[question.label]
        rows.append({"prompt": rendered.prefix, "completion": completion})
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16),
            processing_class=load_tokenizer(path),
            train_dataset=Dataset.from_list(rows),
            peft_config=LoraConfig(target_modules=list(SEVEN_PROJECTIONS), **LORA),
            args=SFTConfig(
                output_dir=folder,
                completion_only_loss=True,
                max_length=512,
                per_device_train_batch_size=arguments.batch_size,
                num_train_epochs=1,
                learning_rate=arguments.learning_rate,
                lr_scheduler_type="linear",
                warmup_steps=10,
                weight_decay=0.01,
                optim="adamw_torch",
                bf16=True,
                use_cpu=not torch.cuda.is_available(),
                gradient_checkpointing=False,
                logging_steps=arguments.log_every,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                train_sampling_strategy="group_by_length" if arguments.grouped else "random",
                seed=arguments.seed,
            ),
        )
        outcome = trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"seconds": outcome.metrics["train_runtime"], "losses": losses}


SIDES = {"mcqa": train_mcqa, "trl": train_trl}


def run_side(side: str, seed: int) -> dict:
    """Train in a process of its own and return what it found."""
    command = [sys.executable, *sys.argv, "--side", side, "--seed", str(seed)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def compare_losses(turns: list[dict]) -> dict:
    """Return each side's losses by seed, their means, and Welch's p, of the points and the mean."""
    losses = {side: [turn[side]["losses"] for turn in turns] for side in SIDES}
    with_mean = {s: [[*curve, statistics.mean(curve)] for curve in losses[s]] for s in SIDES}
    p_values = ttest_ind(*with_mean.values(), equal_var=False).pvalue.tolist()
    means = {s: [statistics.mean(point) for point in zip(*losses[s], strict=True)] for s in SIDES}
    return {"by_seed": losses, "means": means, "p": p_values[:-1], "p_of_mean": p_values[-1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--template", default="cloze")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--limit", type=int, default=320)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--log-every", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="turns, a seed each")
    parser.add_argument("--grouped", action="store_true", help="trl groups by length too")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        result = SIDES[arguments.side](arguments)
        result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(result))
        return
    turns = [{side: run_side(side, seed) for side in SIDES} for seed in range(arguments.repeats)]
    rates = {s: statistics.median(arguments.limit / t[s]["seconds"] for t in turns) for s in SIDES}
    ratios = [turn["trl"]["seconds"] / turn["mcqa"]["seconds"] for turn in turns]
    result = {
        "data": arguments.data,
        "template": arguments.template,
        "n": arguments.limit,
        "batch_size": arguments.batch_size,
        "trl_groups_by_length": arguments.grouped,
        "questions_per_second": rates,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "losses": compare_losses(turns),
        "peak_gb": {side: max(t[side]["peak_bytes"] for t in turns) / 1e9 for side in SIDES},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
