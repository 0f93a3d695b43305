"""What does branching save? Training step and scoring, branched against one row per option.

    python benchmarks/multiple_choice.py --data medmcqa_dev.jsonl

Every cell (quantization x phase x layout) runs in a process of its own, on the same questions in
the same batches, and prints one JSON line. The layouts take turns; the parent prints the median of
each and of the turns' ratios, so that a neighbour's burst of work decides nothing. `rows` is what
transformers and bitsandbytes do with one row per option, but for bitsandbytes' repacking, which
would be slower still; `rows, ours` the same with what mcqa does on a CPU (`heads.short_attention`,
`mcqa.models.cpu.four_bit`, `mcqa.system.allocation`), so that what branching saves can be told from
what that saves.
Work is counted in real tokens, padding not; the ratio of tokens is what branching could save at
most.

`GFLOP/token` is 2 x the weights of the trunk's matrices. `of matmul` is scoring's rate in these
FLOPs over that of one large matrix product, measured in the same process. Attention itself and
dequantization are not counted as work, so it is a lower bound.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

LAYOUTS = ("rows", "rows, ours", "branched")
PHASES = ("train", "score")
SCORING_PASSES = 3


def main() -> None:
    """Run one cell, or all of them in turn."""
    options = parse()
    if options.cell:
        print(json.dumps(run_cell(options, *options.cell.split(":"))))
        return
    if options.profile:
        profile_cell(options, *options.profile.split(":"))
        return
    print(f"{options.model}, {options.data}, batch {options.batch_size}; {hardware()}")
    for quantization in options.quantizations:
        for phase in options.phases:
            turns = [
                {layout: start_cell(quantization, phase, layout) for layout in LAYOUTS}
                for _ in range(options.turns)
            ]
            report(quantization, phase, turns)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="MedMCQA rows")
    parser.add_argument("--label-base", type=int, help="what the data's labels count from")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--template", default="lettered")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--batches", type=int, default=8, help="timed batches a cell")
    parser.add_argument("--turns", type=int, default=3, help="processes a cell")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quantizations", nargs="+", default=["none", "nf4"])
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--profile", metavar="CELL", help="instead, such as none:score:branched")
    parser.add_argument("--cell", help="for the processes that this one starts")
    return parser.parse_args()


def start_cell(*cell: str) -> dict:
    """Run a cell in a process of its own and return what it measured."""
    command = [sys.executable, *sys.argv, "--cell", ":".join(cell)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def build_cell(options: argparse.Namespace, quantization: str, phase: str, layout: str) -> tuple:
    """Return a cell's work per token, its step, and the batches to take it on, longest first."""
    import torch

    from heads.branching import pack, pack_rows
    from mcqa.formulations import get_formulation
    from mcqa.models import backbones
    from mcqa.models.backbones import load_tokenizer, pick_device
    from mcqa.models.names import resolve_model

    device = pick_device(options.device)
    formulation = get_formulation("multiple_choice")
    path = resolve_model(options.model).path
    if layout == "rows":
        backbones.suit_device = leave_as_it_comes
    model = formulation.load_backbone(
        path, quantization=quantization, dtype=options.dtype, device=device
    )
    work = 2 * trunk_weights(model)  # before LoRA adds its own
    lay_out = pack if layout == "branched" else pack_rows
    batches = [
        (
            lay_out([q.prefix for q in batch], [q.continuations for q in batch]).to(device),
            torch.tensor([q.question.label for q in batch], device=device),
        )
        for batch in encode(options, load_tokenizer(path))
    ]
    step = scoring(model) if phase == "score" else training(model, options.dtype, device)
    return work, step, batches


def leave_as_it_comes(model, device: str):
    """Stand in for what mcqa does to a model on a CPU: only keep bitsandbytes from repacking."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def run_cell(options: argparse.Namespace, quantization: str, phase: str, layout: str) -> dict:
    """Time one layout in one phase."""
    import torch

    from mcqa.models.backbones import pick_device
    from mcqa.system.memory import PeakMemory

    work, step, batches = build_cell(options, quantization, phase, layout)
    device = pick_device(options.device)
    memory = PeakMemory(device)
    step(*batches[0])  # warm up: memory pools, optimizer state; the longest batch
    timed = batches[1:]
    if phase == "score":  # kernels are built once a shape, which a long run does not notice
        for batch in timed:
            step(*batch)
        timed *= SCORING_PASSES
    synchronize(device)
    started = time.perf_counter()
    for batch in timed:
        step(*batch)
    synchronize(device)
    seconds = time.perf_counter() - started
    tokens = sum(int((batch.branch_ids >= 0).sum()) for batch, _ in timed)
    return {
        "seconds": seconds,
        "questions": sum(len(labels) for _, labels in timed),
        "tokens": tokens,
        "peak_mib": memory.bytes / 2**20,
        "above_model_mib": (memory.bytes - memory.start) / 2**20,
        "gflops": tokens * work / seconds / 1e9,
        "matmul_gflops": matmul_rate(getattr(torch, options.dtype), device),
        "work": work,
    }


def profile_cell(options: argparse.Namespace, quantization: str, phase: str, layout: str) -> None:
    """Print which operators a cell's time goes to."""
    from torch.profiler import profile

    _, step, batches = build_cell(options, quantization, phase, layout)
    for batch in batches:
        step(*batch)
    with profile() as profiled:
        for batch in batches[1:]:
            step(*batch)
    print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))


def encode(options: argparse.Namespace, tokenizer) -> list[list]:
    """Return batches of encoded questions, longest first as the scorers do."""
    from mcqa.data import load_questions
    from mcqa.prompting.encoding import Encoder
    from mcqa.prompting.prompts import get_template

    count = options.batch_size * (options.batches + 1)
    questions = load_questions(options.data, limit=count, label_base=options.label_base)
    encoded = Encoder(tokenizer, get_template(options.template), 512).encode(questions)
    encoded.sort(key=lambda question: -question.tokens)
    size = options.batch_size
    return [encoded[start : start + size] for start in range(0, len(encoded), size)]


def trunk_weights(model) -> int:
    """Return how many weights the trunk's matrices have, 4-bit or not, without embeddings."""
    import torch

    linear = (m for m in model.base_model.modules() if isinstance(m, torch.nn.Linear))
    return sum(m.in_features * m.out_features for m in linear)


def scoring(model):
    """Return the step of scoring a batch."""
    import torch

    @torch.inference_mode()
    def step(batch, labels):
        return model(**batch.as_dict()).logits

    return step


def training(model, dtype: str, device: str):
    """Return the optimizer step that a QLoRA run takes."""
    import torch

    from mcqa.models.adapters import add_lora

    peft_model = add_lora(model)
    optimizer = torch.optim.AdamW((p for p in peft_model.parameters() if p.requires_grad), lr=1e-4)
    half = dtype != "float32"

    def step(batch, labels):
        with torch.autocast(device.split(":")[0], getattr(torch, dtype), enabled=half):
            loss = peft_model(**batch.as_dict(), labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def matmul_rate(dtype, device: str, size: int = 2048) -> float:
    """Return the GFLOP/s of one large matrix product."""
    import torch

    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    left @ right
    seconds = []
    for _ in range(9):
        synchronize(device)
        started = time.perf_counter()
        left @ right
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds) / 1e9


def synchronize(device: str) -> None:
    """Wait for a GPU; a CPU has finished when it returns."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def report(quantization: str, phase: str, turns: list[dict[str, dict]]) -> None:
    """Print the medians of both layouts, and of the turns' ratios."""
    cells = {
        layout: {name: statistics.median(turn[layout][name] for turn in turns) for name in value}
        for layout, value in turns[0].items()
    }
    base = {"none": "unquantized"}.get(quantization, quantization)
    print(f"\n{base}, {phase}: {cells['rows']['work'] / 1e9:.3f} GFLOP/token")
    print(f"{'':12}{'questions/s':>12}{'peak MiB':>10}{'above model':>13}{'tokens':>9}", end="")
    print(f"{'GFLOP/s':>9}{'of matmul':>11}")
    for layout, cell in cells.items():
        rate = cell["questions"] / cell["seconds"]
        share = f"{cell['gflops'] / cell['matmul_gflops']:.0%}" if phase == "score" else "-"
        print(
            f"{layout:12}{rate:12.2f}{cell['peak_mib']:10.0f}{cell['above_model_mib']:13.0f}"
            f"{cell['tokens']:9.0f}{cell['gflops']:9.0f}{share:>11}"
        )
    branched = cells["branched"]
    for peer in LAYOUTS[:-1]:
        speed = sorted(turn[peer]["seconds"] / turn["branched"]["seconds"] for turn in turns)
        rows = cells[peer]
        above = branched["above_model_mib"] / max(rows["above_model_mib"], 1)
        print(
            f"branched / {peer}: {statistics.median(speed):.2f}x the questions/s "
            f"({speed[0]:.2f} to {speed[-1]:.2f} in {len(turns)} turns), "
            f"{branched['peak_mib'] / rows['peak_mib']:.2f}x the peak memory "
            f"({above:.2f}x above the model)"
        )
    print(f"ratio of tokens {cells['rows']['tokens'] / branched['tokens']:.2f}", flush=True)


def hardware() -> str:
    import torch

    from mcqa.system.hardware import describe_hardware

    return f"{describe_hardware()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


if __name__ == "__main__":
    main()
