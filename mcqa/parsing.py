"""Read an option out of a generated answer, strictly: what is not clear counts as unparsed.

The trap: a pattern that looks for a letter anywhere credits "Antwort" as A. Here the letter must
be the first thing said and stand alone, or the text must be an option's, in full.
"""

import re
import unicodedata

from mcqa.question import LETTERS, Question

LETTER = re.compile(r"\(?([A-Z])(?:[.):,]|\s|$)\s*(.*)")


def parse_answer(text: str, question: Question) -> tuple[int | None, str]:
    """Return the option that an answer names and how it was read.

    Reads the first line that is not blank: "B", "B.", "(B)", "B warm water", or "warm water".
    A letter with a text that belongs to another option contradicts itself and is not guessed at.

    Returns:
        (index, "letter" | "letter and text" | "text"), or (None, "unparsed").

    >>> question = Question(stem="Bath?", options=("cold water", "warm water"))
    >>> parse_answer("B warm water", question)
    (1, 'letter and text')
    >>> parse_answer("Antwort: B", question)
    (None, 'unparsed')
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    by_text = _option_named(line, question)
    if by_text is not None:
        return by_text, "text"
    match = LETTER.match(line)
    if match is None or match[1] not in question.letters:
        return None, "unparsed"
    index, rest = LETTERS.index(match[1]), match[2]
    if not rest:
        return index, "letter"
    if _normalize(rest) == _normalize(question.options[index]):
        return index, "letter and text"
    return None, "unparsed"


def _option_named(line: str, question: Question) -> int | None:
    """Return the one option whose whole text this is."""
    said = _normalize(line)
    named = [i for i, option in enumerate(question.options) if _normalize(option) == said]
    return named[0] if len(named) == 1 else None


def _normalize(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).rstrip(".").strip()
