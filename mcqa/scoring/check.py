"""Check a data set before a model spends hours on it.

Errors are what would stop a run: rows that cannot be read, no question at all, options that do not
fit into the model. Everything else is a warning, for only the user knows whether it is meant.
Questions are read and dropped, their tokens are kept on disk, so a large set takes little memory.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from mcqa.data import open_questions
from mcqa.data.findings import EXAMPLES, WARNINGS, Finding, Findings
from mcqa.data.formats import FORMATS
from mcqa.data.reader import QuestionReader, Rejected
from mcqa.data.same import question_key
from mcqa.evaluation.metrics import wilson_interval
from mcqa.prompting.encoded_sets import EncodedSet, encode_set
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.question import LETTERS

UNEVEN = 0.05  # by how much one and the same answer must beat chance, to be worth a warning


def check(
    source: str,
    *,
    against: str | None = None,
    against_split: str | None = None,
    encoder: Encoder | None = None,
    skip_invalid: bool = False,
    **reading,
) -> tuple[dict, list[Rejected]]:
    """Read a data set and report what is in it and what is wrong with it.

    Args:
        source: see `mcqa.data.open_questions`.
        against: another set, usually the training questions, that must not share any with it.
        against_split: its split.
        encoder: to measure lengths in tokens, or None.
        skip_invalid: whether rows that cannot be read are warnings; else they are errors.
        reading: the further settings of `open_questions`.

    Returns:
        The report, and the rows that cannot be read. The report has `data`, `format`,
        `label_base` (`value`, `evidence`), counts of `questions`, `rejected`, `skipped`, `hidden`
        and `several`; `option_counts`, `labels` and `subjects` with how many questions have each;
        `most_frequent` (the `label` that most questions have, the `accuracy` of always choosing
        it, and `chance`); `tokens` (see `Lengths`); `against`; and `findings`, each with `level`
        (`error` or `warning`), `finding`, `count`, `meaning` and `examples`.

    Raises:
        ConfigError: a setting is unknown or does not apply.
        DataError: a source cannot be read at all.
    """
    reading["skip_invalid"] = True
    others, other = _keys(against, against_split, reading) if against else (frozenset(), None)
    reader = open_questions(source, **reading)
    findings = Findings(others)
    seen = map(findings.see, reader)
    lengths = Lengths(encode_set(encoder, seen, faults=True), encoder) if encoder else None
    for _ in seen:
        pass
    rejected = reader.account.rejected
    found = [
        *_rejections(rejected, "warning" if skip_invalid else "error", source),
        *(_rejections(other.account.rejected, "warning", against) if other else ()),
        *([] if findings.option_counts else [_entry("error", "no questions", "none is left", 1)]),
        *(lengths.findings() if lengths else ()),
        *_warnings(findings, reader),
    ]
    report = _summary(source, reader, findings)
    report["tokens"] = lengths.summary() if lengths else None
    report["against"] = other and {"data": other.table.name, "questions": len(others)}
    return {**report, "findings": found}, rejected


class Lengths:
    """Questions in tokens, as the encoder of scoring and training makes them.

    A length is that of the prefix with the longest option, before anything is cut.
    """

    def __init__(self, encoded: EncodedSet, encoder: Encoder):
        self.encoder = encoder
        faults, cut = encoded.column("fault"), np.array(encoded.column("truncated"), dtype=int)
        whole = np.array([fault is None for fault in faults], dtype=bool)
        self._lengths = (np.array(encoded.column("longest"), dtype=int) + cut)[whole]
        self._cut_tokens = int(cut.sum())
        ids = (encoded.questions[int(index)].id for index in np.flatnonzero(cut)[:EXAMPLES])
        self._cut = Finding(int(np.count_nonzero(cut)), list(ids))
        unfit = list(filter(None, faults))
        self._unfit = Finding(len(unfit), unfit[:EXAMPLES])

    def summary(self) -> dict:
        """Return `template`, `max_length`, `median`, `p95`, `longest`, `cut` and `cut_tokens`.

        The last two are how many questions lose tokens at `max_length`, and how many tokens.
        """
        values = np.percentile(self._lengths, (50, 95, 100)) if len(self._lengths) else (None,) * 3
        return {
            "template": self.encoder.template.name,
            "max_length": self.encoder.max_length,
            **dict(zip(("median", "p95", "longest"), map(_rounded, values), strict=True)),
            "cut": self._cut.count,
            "cut_tokens": self._cut_tokens,
        }

    def findings(self) -> list[dict]:
        """Return the error of options that do not fit, and the warning of what is cut."""
        length = self.encoder.max_length
        unfit = f"options cannot be encoded within {length} tokens; they are never cut"
        cut = f"longer than {length} tokens; context or stem are cut"
        return [
            *_counted("error", "unfit options", unfit, self._unfit),
            *_counted("warning", "cut questions", cut, self._cut),
        ]


def load_encoder(model: str, template: str | None = None, max_length: int | None = None) -> Encoder:
    """Return the encoder that a model is scored with by default, without loading its weights.

    Args:
        model: see `mcqa.load_scorer`.
        template: by default the run's own, else `cloze`.
        max_length: by default the run's own, else what the model can take, up to 2,048.

    Raises:
        ModelError: the name means no model.
        ConfigError: there is no such template.
    """
    from mcqa.models.backbones import load_tokenizer, model_config
    from mcqa.models.names import pinned, resolve_model
    from mcqa.runs.trained import base_of, read_record
    from mcqa.scoring.loading import MAX_LENGTH

    reference = pinned(resolve_model(model))
    record = read_record(reference.path) if reference.kind == "run" else {}
    chosen = get_template(template or record.get("template") or "cloze")
    config = model_config(base_of(reference.path, record).path if record else reference.path)
    length = max_length or record.get("max_length")
    if length is None:
        positions = getattr(config, "max_position_embeddings", None)
        length = min(positions or MAX_LENGTH, MAX_LENGTH)
    tokenizer = load_tokenizer(reference.path)
    return Encoder(tokenizer, chosen, length, apart=config.is_encoder_decoder)


def _keys(source: str, split: str | None, reading: dict) -> tuple[frozenset[bytes], QuestionReader]:
    settings = {**reading, "split": split, "unlabelled": "keep", "limit": None}
    if source == "bundled":
        settings = {"split": split or "train"}
    reader = open_questions(source, **settings)
    return frozenset(map(question_key, reader)), reader


def _summary(source: str, reader: QuestionReader, findings: Findings) -> dict:
    account, labels, sizes = reader.account, findings.labels, findings.option_counts
    return {
        "data": source,
        "format": reader.format,
        "label_base": {
            "value": reader.base.value if FORMATS[reader.format].labels is None else None,
            "evidence": reader.base.evidence,
        },
        "questions": labels.total(),
        **account.counts(),
        "hidden": account.hidden,
        "several": account.several,
        "option_counts": {str(n): sizes[n] for n in sorted(sizes)},
        "labels": {LETTERS[n]: labels[n] for n in sorted(labels.keys() - {None})},
        "most_frequent": _most_frequent(findings),
        "subjects": {
            name: count for name, count in findings.subjects.most_common() if name is not None
        },
    }


def _most_frequent(findings: Findings) -> dict | None:
    known = {label: count for label, count in findings.labels.items() if label is not None}
    if not known:
        return None
    n, label = sum(known.values()), max(known, key=known.get)
    return {
        "label": LETTERS[label],
        "accuracy": known[label] / n,
        "accuracy_ci95": wilson_interval(known[label], n),
        "chance": findings.chance / n,
    }


def _warnings(findings: Findings, reader: QuestionReader) -> Iterator[dict]:
    for name, meaning in WARNINGS.items():
        yield from _counted("warning", name, meaning, findings.faults[name])
    account = reader.account
    fate = "skipped" if account.skipped else "kept without a label"
    for count, name in ((account.hidden, "no answer"), (account.several, "several answers")):
        if count:
            meaning = f"rows without exactly one right answer are {fate} (--unlabelled)"
            yield _entry("warning", name, meaning, count)
    often = _most_frequent(findings)
    if often and often["accuracy_ci95"][0] > often["chance"] + UNEVEN:
        right, chance = (f"{100 * often[key]:.1f}%" for key in ("accuracy", "chance"))
        meaning = f"always {often['label']} is right in {right}, by chance in {chance}"
        yield _entry("warning", "uneven labels", meaning, findings.labels.total())


def _rejections(rejected: list[Rejected], level: str, source: str) -> Iterator[dict]:
    if rejected:
        meaning = f"rows of {source} cannot be read"
        examples = [f"{entry.place}: {entry.reason}" for entry in rejected[:EXAMPLES]]
        yield _entry(level, "bad rows", meaning, len(rejected), examples)


def _counted(level: str, name: str, meaning: str, finding: Finding) -> list[dict]:
    if not finding.count:
        return []
    return [_entry(level, name, meaning, finding.count, finding.examples)]


def _entry(level: str, name: str, meaning: str, count: int, examples: Iterable[str] = ()) -> dict:
    return {
        "level": level,
        "finding": name,
        "count": count,
        "meaning": meaning,
        "examples": list(examples),
    }


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
