"""Check a data set before a model spends hours on it.

Errors are what would stop a run; all else is a warning: only the user knows whether it is meant.
Questions are read and dropped, their tokens are kept on disk, so a large set takes little memory.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from mcqa.data import is_bundled, open_questions, source_name
from mcqa.data.findings import EXAMPLES, WARNINGS, Findings, Seen
from mcqa.data.reader import Account, Reader, Rejected
from mcqa.data.same import question_key
from mcqa.data.sources import Sources
from mcqa.evaluation.metrics import wilson_interval
from mcqa.kinds import KINDS
from mcqa.prompting.encoded_sets import EncodedSet, encode_set
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.question import MARKS, Question

UNEVEN = 0.05  # by how much one and the same answer must beat chance, to be worth a warning


def check(
    source: Sources,
    *,
    against: Sources | None = None,
    against_split: str | None = None,
    encoder: Encoder | None = None,
    skip_invalid: bool = False,
    **reading,
) -> tuple[dict, list[Rejected]]:
    """Read a data set and report what is in it and what is wrong with it.

    Args:
        source, reading: see `mcqa.data.open_questions`, also for errors.
        against, against_split: another set, usually of training, that must share no question.
        encoder: to measure lengths in tokens, or None.
        skip_invalid: whether rows that cannot be read are warnings; else they are errors.

    Returns:
        The report, see `_summary`, and the rows that cannot be read. With `tokens` (see `_lengths`)
        and `findings`, each with `level`, `finding`, `count`, `meaning` and `examples`.
    """
    reading["skip_invalid"] = True
    others, other = _keys(against, against_split, reading) if against else (frozenset(), None)
    reader = open_questions(source, **reading)
    findings = Findings(others)
    seen = map(findings.see, reader)
    tokens, lengths = None, ()
    if encoder:
        tokens, lengths = _lengths(encode_set(encoder, seen, faults=True), encoder)
    for _ in seen:
        pass
    rejected, report = reader.account.rejected, _summary(source_name(source), reader, findings)
    found = [
        _rejections(rejected, "warning" if skip_invalid else "error", report["data"]),
        _rejections(other.account.rejected if other else [], "warning", other and other.name),
        _entry("error", "no questions", "none is left", not findings.option_counts),
        *lengths,
        *_warnings(findings, reader.account, report),
    ]
    report["tokens"] = tokens
    report["against"] = other and {"data": other.name, "questions": len(others)}
    return {**report, "findings": [entry for entry in found if entry["count"]]}, rejected


def load_encoder(model: str, template: str | None = None, max_length: int | None = None) -> Encoder:
    """Return the encoder that `mcqa.load_scorer` makes by default, without loading weights."""
    from mcqa.models.backbones import load_tokenizer, model_config
    from mcqa.scoring.loading import MAX_LENGTH, look_up

    found = look_up(model)
    chosen = get_template(template or found.record.get("template") or "cloze")
    config = model_config(found.base.path)
    longest = min(getattr(config, "max_position_embeddings", None) or MAX_LENGTH, MAX_LENGTH)
    length = max_length or found.record.get("max_length") or longest
    tokenizer = load_tokenizer(found.reference.path)
    return Encoder(tokenizer, chosen, length, apart=config.is_encoder_decoder)


def _keys(source: Sources, split: str | None, reading: dict) -> tuple[frozenset[bytes], Reader]:
    settings = {**reading, "split": split, "unlabelled": "keep", "limit": None}
    if is_bundled(source):
        settings = {"split": split or "train"}
    reader = open_questions(source, **settings)
    return frozenset(map(question_key, reader)), reader


def _lengths(encoded: EncodedSet, encoder: Encoder) -> tuple[dict, list[dict]]:
    """Return how long prefixes with their longest options are, uncut, and what is wrong there."""
    most, faults = encoder.max_length, encoded.column("fault")
    cut_N = np.array(encoded.column("truncated"), dtype=int)
    whole = np.array([fault is None for fault in faults], dtype=bool)
    length_N = (np.array(encoded.column("longest"), dtype=int) + cut_N)[whole]
    shares = np.percentile(length_N, (50, 95, 100)) if len(length_N) else (None,) * 3
    median, p95, longest = (None if share is None else round(share) for share in shares)
    cut = np.flatnonzero(cut_N)
    summary = {
        "template": encoder.template.name,
        "max_length": most,
        "median": median,
        "p95": p95,
        "longest": longest,
        "cut": len(cut),
        "cut_tokens": int(cut_N.sum()),
    }
    unfit = list(filter(None, faults))
    meaning = f"options cannot be encoded within {most} tokens; they are never cut"
    shortened = f"longer than {most} tokens; context or stem are cut"
    ids = (encoded.questions[int(index)].id for index in cut[:EXAMPLES])
    return summary, [
        _entry("error", "unfit options", meaning, len(unfit), unfit[:EXAMPLES]),
        _entry("warning", "cut questions", shortened, len(cut), ids),
    ]


def _summary(source: str, reader: Reader, findings: Findings) -> dict:
    account, sizes = reader.account, findings.option_counts
    subjects = findings.subjects.most_common()
    plain = _answers(findings.kinds[Question.kind])
    kinds = {name: _answers(findings.kinds[name]) for name in KINDS if findings.kinds[name].n}
    return {
        "data": source,
        "format": reader.format,
        "label_base": reader.counts_from(),
        "questions": sizes.total(),
        **account.counts(),
        "hidden": account.hidden,
        "several": account.several,
        "option_counts": {str(n): sizes[n] for n in sorted(sizes)},
        "labels": plain["labels"],
        "most_frequent": plain["most_frequent"],
        "subjects": {name: count for name, count in subjects if name is not None},
    } | ({} if kinds.keys() <= {Question.kind} else {"kinds": kinds})


def _answers(seen: Seen) -> dict:
    """Return what the questions of one kind have for answers; of several, how often each is."""
    labels = {MARKS[n]: seen.labels[n] for n in sorted(seen.labels)}
    return {
        "questions": seen.n,
        "labels": labels,
        "soft": seen.soft,
        "most_frequent": _most_frequent(seen) if seen.chance else None,
    }


def _most_frequent(seen: Seen) -> dict:
    n, label = seen.labels.total(), max(seen.labels, key=seen.labels.get)
    return {
        "label": MARKS[label],
        "accuracy": seen.labels[label] / n,
        "accuracy_ci95": wilson_interval(seen.labels[label], n),
        "chance": seen.chance / n,
    }


def _warnings(findings: Findings, account: Account, report: dict) -> Iterator[dict]:
    for name, meaning in WARNINGS.items():
        fault = findings.faults[name]
        yield _entry("warning", name, meaning, fault.count, fault.examples)
    fate = "skipped" if account.skipped else "kept without a label"
    meaning = f"rows without exactly one right answer are {fate} (--unlabelled)"
    yield _entry("warning", "no answer", meaning, account.hidden)
    yield _entry("warning", "several answers", meaning, account.several)
    often = report["most_frequent"]
    if often and often["accuracy_ci95"][0] > often["chance"] + UNEVEN:
        right, chance = (f"{100 * often[key]:.1f}%" for key in ("accuracy", "chance"))
        meaning = f"always {often['label']} is right in {right}, by chance in {chance}"
        yield _entry("warning", "uneven labels", meaning, report["questions"])
    for name, seen in findings.kinds.items():
        if KINDS[name].several and seen.n and seen.singles == seen.n:
            meaning = f"every question of kind {name!r} has one right answer; are they choices?"
            yield _entry("warning", "single answers", meaning, seen.n)


def _rejections(rejected: list[Rejected], level: str, source: str) -> dict:
    examples = [f"{entry.place}: {entry.reason}" for entry in rejected[:EXAMPLES]]
    return _entry(level, "bad rows", f"rows of {source} cannot be read", len(rejected), examples)


def _entry(level: str, name: str, meaning: str, count: int, examples: Iterable[str] = ()) -> dict:
    entry = {"level": level, "finding": name, "count": int(count), "meaning": meaning}
    return entry | {"examples": list(examples)}
