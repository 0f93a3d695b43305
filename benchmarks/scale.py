"""Check, load, render and tokenize as many questions as MedMCQA's training split has.

    python benchmarks/scale.py --rows 182822

writes that many synthetic rows, shaped like MedMCQA's, and half as many, and puts each file
through the whole pipeline in a process of its own, with an empty cache: `check` with lengths in
tokens, for which it renders and tokenizes every question; loading; and encoding for scoring, which
takes over the tokens that checking has left. What rendering and tokenizing take by themselves is
measured besides, at another limit, so that nothing is taken over. Starting Python and loading the
tokenizer, some seconds whatever the rows, are not timed.

Memory is the sum over the process and those it starts (PSS: pages that they share count once),
looked at ten times a second; files that are mapped count as far as they were read. The rate by two
cores' time, the rows by half the processor's seconds, is what neighbours on the machine change
little. Exit code 1 where a target of the arguments is missed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HALF_MAY_DIFFER = 0.15
LIMIT, OTHER_LIMIT = 1024, 512  # tokens
PLAIN, STARTS, ROOTS, ENDS = (
    text.split()
    for text in (
        "the of is in a following which with most not true about for and all except patient to "
        "by common an are from drug used cause disease type seen nerve artery due to year old "
        "male female presents history pain fever diagnosis treatment choice what who has it can "
        "be first line test best on level blood cell bone acute chronic left right tooth surface "
        "upper lower normal loss",
        "hyper hypo peri endo para dys anti inter intra trans sub supra retro poly neo macro "
        "micro oligo pan epi ecto meso hemi iso auto cyto",
        "cardi nephr hepat neur oste gastr derm pneum enter arthr myel thromb leuk erythr lip "
        "gluc kerat cyst angi aden lymph chondr my phleb rhin ot ophthalm encephal splen thyr "
        "pancreat mast mandib dent gingiv maxill cerv brachi femor tibi",
        "itis osis oma emia uria pathy ectomy plasty algia genesis lysis megaly penia scopy "
        "stomy ine ol ase ide ate ium al ic ous ar ism",
    )
)
SUBJECTS = ("Dental", "Surgery", "Pathology", "Medicine", "Pharmacology", "Anatomy", "Pediatrics")


def write_rows(path: Path, n: int, seed: int) -> None:
    """Write rows whose texts have about the lengths of MedMCQA's, each with words of its own."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(n):
            row = {"question": sentence(chance, 2.35, 0.7, 88).capitalize() + "?"}
            row |= {name: sentence(chance, 0.6, 0.75, 30) for name in ("opa", "opb", "opc", "opd")}
            row |= {
                "id": f"{chance.getrandbits(128):032x}",
                "cop": 1 + number % 4,
                "choice_type": "single",
                "exp": sentence(chance, 3.4, 1.1, 600) if chance.random() < 0.5 else None,
                "subject_name": chance.choice(SUBJECTS),
                "topic_name": None,
            }
            file.write(json.dumps(row) + "\n")


def sentence(chance: random.Random, mean: float, deviation: float, most: int) -> str:
    """Return words whose number is log-normal; a fifth of them are rare."""
    n = min(most, 1 + int(chance.lognormvariate(mean, deviation)))
    return " ".join(
        chance.choice(PLAIN)
        if chance.random() < 0.8
        else chance.choice(STARTS) + chance.choice(ROOTS) + chance.choice(ENDS)
        for _ in range(n)
    )


def run_pipeline(data: str, model: str) -> dict:
    """Put a file through the pipeline, and return each stage's seconds and what came out."""
    from mcqa.data import open_questions
    from mcqa.prompting.encoded_sets import encode_set
    from mcqa.scoring.check import check, load_encoder

    encoder = load_encoder(model, max_length=LIMIT)
    seconds, marks, processor = {}, [time.perf_counter()], processor_seconds()

    def done(stage: str) -> None:
        marks.append(time.perf_counter())
        seconds[stage] = marks[-1] - marks[-2]

    report, _ = check(data, encoder=encoder)
    done("check, with rendering and tokenizing")
    questions = open_questions(data).store()
    done("load")
    encoded = encode_set(encoder, questions)
    done("encode, with the tokens of the check")
    whole, processor = sum(seconds.values()), processor_seconds() - processor
    again = encode_set(load_encoder(model, max_length=OTHER_LIMIT), questions)
    done("render and tokenize, by themselves")
    tokens = sum(encoded.column("tokens"))
    if report["questions"] != len(questions) or tokens != sum(again.column("tokens")):
        sys.exit("the stages do not agree on the questions")
    sums = {"tokens": tokens, "whole": whole, "processor": processor}
    return {"rows": len(questions), **sums, "seconds": seconds}


def processor_seconds() -> float:
    """Return what this process and those that it started took of all cores."""
    return sum(os.times()[:4])


def watch(command: list[str], environment: dict[str, str]) -> tuple[dict, int]:
    """Run a command that prints JSON, and return that and the most bytes it took with its kin."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(proportional_set_size, [process.pid, *kin(process.pid)])))
        time.sleep(0.1)
    told = process.communicate()[0]
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    return json.loads(told), peak


def kin(pid: int) -> Iterator[int]:
    """Yield the processes that a process started, and those that they started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from kin(child)


def proportional_set_size(pid: int) -> int:
    """Return a process's memory, its share of what others map too; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def measure(rows: int, arguments, model: str) -> tuple[dict, int]:
    """Write a file of so many rows, and run the pipeline on it in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mcqa-scale-") as folder:
        data = Path(folder) / "questions.jsonl"
        write_rows(data, rows, arguments.seed)
        command = [sys.executable, __file__, "--model", model, "--pipeline", str(data)]
        return watch(command, os.environ | {"MCQA_CACHE": str(Path(folder) / "cache")})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=182_822)
    parser.add_argument("--model", default="smollm2-135m", help="whose tokenizer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=5000, help="questions/s to reach")
    parser.add_argument("--memory", type=float, default=1.5, help="GB not to reach")
    parser.add_argument("--pipeline", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pipeline:
        print(json.dumps(run_pipeline(arguments.pipeline, arguments.model)))
        return

    from mcqa.models.names import resolve_model
    from mcqa.system.hardware import describe_hardware

    model = str(resolve_model(arguments.model).path)
    results = [measure(rows, arguments, model) for rows in (arguments.rows // 2, arguments.rows)]
    columns = [f"{result['rows']:,} rows" for result, _ in results]
    print(f"{describe_hardware()}, {results[1][0]['tokens']:,} tokens")
    print(f"| questions/s | {' | '.join(columns)} |\n|---|---|---|")
    for stage in results[0][0]["seconds"]:
        rates = (f"{r['rows'] / r['seconds'][stage]:,.0f}" for r, _ in results)
        print(f"| {stage} | {' | '.join(rates)} |")
    whole = [result["rows"] / result["whole"] for result, _ in results]
    both = [2 * result["rows"] / result["processor"] for result, _ in results]
    peaks = [peak for _, peak in results]
    print(f"| **the whole pipeline** | {' | '.join(f'{rate:,.0f}' for rate in whole)} |")
    print(f"| the same, by two cores' time | {' | '.join(f'{rate:,.0f}' for rate in both)} |")
    print(f"| peak memory, GB | {' | '.join(f'{peak / 1e9:.2f}' for peak in peaks)} |")
    differs = abs(peaks[0] / peaks[1] - 1)
    missed = [
        *([f"{min(whole):,.0f} questions/s"] if min(whole) < arguments.rate else ()),
        *([f"{max(peaks) / 1e9:.2f} GB"] if max(peaks) >= arguments.memory * 1e9 else ()),
        *([f"half the rows take {differs:.0%} less"] if differs > HALF_MAY_DIFFER else ()),
    ]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
