"""What `mcqa check` says of a data set, with the rows that its findings point at."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import NamedTuple

from mcqa.data import open_questions
from mcqa.data.findings import EXAMPLES
from mcqa.data.reader import Rejected
from mcqa.data.sources import Sources
from mcqa.scoring.check import check

LONGEST = 2000  # characters of a row that are shown


class Found(NamedTuple):
    """Hold one finding, and the rows that it points at: where each stands, and what is there."""

    level: str
    finding: str
    count: int
    meaning: str
    rows: list[tuple[str, str]]


class Checked(NamedTuple):
    """Hold a report as `mcqa.scoring.check.check` returns it, and its findings with rows."""

    report: dict
    findings: list[Found]

    @property
    def errors(self) -> int:
        """How many findings would stop a run."""
        return sum(found.level == "error" for found in self.findings)


def look(source: Sources, **reading) -> Checked:
    """Check a data set; errors and `reading` as of `mcqa.scoring.check.check`."""
    report, rejected = check(source, **reading)
    wanted = {id for found in report["findings"] for id in found["examples"]}
    questions = _questions(source, wanted, reading) if wanted else {}
    findings = []
    for found in report["findings"]:
        rows = [(id, questions[id]) for id in found["examples"] if id in questions]
        if found["finding"] == "bad rows":
            rows = list(map(_rejected, rejected[:EXAMPLES]))
        told = (found[name] for name in ("level", "finding", "count", "meaning"))
        findings.append(Found(*told, rows))
    return Checked(report, findings)


def _questions(source: Sources, ids: set[str], reading: Mapping) -> dict[str, str]:
    """Return the questions with these ids as texts; reading ends with the last of them."""
    found = {}
    for question in open_questions(source, **{**reading, "skip_invalid": True}):
        if question.id in ids:
            found[question.id] = _shown({k: v for k, v in asdict(question).items() if v})
            if len(found) == len(ids):
                break
    return found


def _rejected(row: Rejected) -> tuple[str, str]:
    return f"{row.place}: {row.reason}", _shown(row.row)


def _shown(row: object) -> str:
    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=repr)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
