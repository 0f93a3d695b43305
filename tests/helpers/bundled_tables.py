"""The tables of the bundled questions, read without the code that makes questions of them."""

import csv
from pathlib import Path

import yaml

import mcqa.data.bundled

FOLDER = Path(mcqa.data.bundled.__file__).parent
KINDS = yaml.safe_load((FOLDER / "kinds.yaml").read_text(encoding="utf-8"))


def _table(kind):
    lines = (FOLDER / f"{kind}.tsv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


TABLES = {kind: _table(kind) for kind in KINDS}


def columns(row):
    """Return what is asked for or shown: all but the group and the rivals."""
    return {name: value for name, value in row.items() if name not in ("group", "rivals")}


def rivals(row):
    return {rival.strip() for rival in (row.get("rivals") or "").split(";")} - {""}


def phrasing(question):
    kind, _, number = question.id.split("/")
    return KINDS[kind]["phrasings"][int(number) - 1]


def asked(question):
    """Return the kind, the asked column, and the rows whose stem reads like the question's."""
    kind = question.id.split("/")[0]
    stem = phrasing(question)["stem"]
    rows = [
        row for row in TABLES[kind] if stem.format(**row).casefold() == question.stem.casefold()
    ]
    return kind, phrasing(question)["asks"], rows


def row_of(question):
    """Return the row that a question is made of."""
    _, asks, rows = asked(question)
    (row,) = [row for row in rows if row[asks] == question.answer]
    return row
