"""Two files of questions of all kinds, with bad rows, and one id in both."""

import gzip
import json

import pyarrow as pa
from pyarrow import parquet

OF_KINDS = {
    "choice": lambda row: {},
    "several": lambda row: {"label": [row["label"]], "state_id": "s"},
    "scale": lambda row: {},
    "yes_no": lambda row: {"options": ["Yes", "No"], "label": row["label"] % 2},
}


def write_files(folder, questions):
    """Write 32 questions of all kinds and two rows that are none, and 20 choices."""
    rows = [
        {"id": f"q{number}", "question": q.stem, "options": q.options, "label": q.label}
        for number, q in enumerate([*questions, *questions][:52])
    ]
    with gzip.open(folder / "a.jsonl.gz", "wt") as file:
        for number, row in enumerate(rows[:32]):
            kind = [*OF_KINDS][number % 4]
            file.write(json.dumps(row | {"kind": kind, **OF_KINDS[kind](row)}) + "\n")
            if number % 16 == 5:
                file.write(json.dumps(row | {"id": f"bad{number}", "options": []}) + "\n")
    parquet.write_table(pa.Table.from_pylist(rows[31:51]), folder / "b.parquet")
    return folder
