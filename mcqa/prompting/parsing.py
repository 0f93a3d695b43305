"""Read an option out of a generated answer, and say when it cannot be read.

`strict` takes what a well-trained model writes: a letter, a letter with its text, or an option's
text, and nothing else. `lenient` also takes "The answer is B.", a letter in marks or in lower case,
a text that names exactly one option, or a sentence that begins with Yes or No. The traps: a pattern
that looks for a letter anywhere credits "Antwort" as A, and "I think A is wrong, so B" as A. So a
letter counts only at the start of the answer, or behind words that announce it. And two letters are
words: "The answer is a hammer" says nothing of A, nor "The answer I would give" of I. A mark beyond
Z, as AS or IT, is a word so often that it counts in capitals alone.
"""

import re
import unicodedata
from typing import NamedTuple

from mcqa.errors import ConfigError
from mcqa.kinds import KINDS
from mcqa.prediction import AMBIGUOUS, UNPARSED
from mcqa.prompting.prompts import THINKING_ENDS, THINKING_STARTS
from mcqa.question import LETTERS, MARKS, Question

PARSERS = ("strict", "lenient")
FALLBACKS = ("none", "text")


class _Patterns:
    """Find letters, or whatever else marks options."""

    def __init__(self, mark: str):
        self.first = re.compile(rf"[(\[]?({mark})(?:[.):,\]]+|\s|$)\s*(.*)")
        self.marked = re.compile(
            rf"[(\[*_`\"']*({mark})(?:[)\].:,*_`\"']+\s*(.*)|$)", re.IGNORECASE
        )
        self.announced = re.compile(
            r"\b(?:answer|option|choice)\b(?P<link>\s+is)?\s*(?P<colon>:)?\s*[(\[*\"']*"
            rf"(?P<letter>{mark})(?![\w'’]|-\w)",
            re.IGNORECASE,
        )


ONE_LETTER, MARK = _Patterns("[A-Z]"), _Patterns("[A-Z]|(?-i:[A-Z]{2})")
WORD_BEHIND = re.compile(r"\s+(?!(?:is|because|since|as|which)\b)\w", re.IGNORECASE)


class Reading(NamedTuple):
    """What an answer says: the option's index or None, and how that was read."""

    choice: int | None
    how: str


def parse_answer(text: str, question: Question, parser: str = "strict") -> Reading:
    """Read the option that the first line of an answer names, behind a block of thinking.

    Returns:
        The index and `letter`, `letter and text`, `text`, or, with the lenient parser,
        `announced letter`, `text inside` or `leading text`; or None and `unparsed` or `ambiguous`.

    Raises:
        ConfigError: there is no such parser.

    >>> question = Question(stem="Bath?", options=("cold water", "warm water"))
    >>> parse_answer("B warm water", question)
    Reading(choice=1, how='letter and text')
    >>> parse_answer("The answer is B.", question).how
    'unparsed'
    >>> parse_answer("The answer is B.", question, parser="lenient")
    Reading(choice=1, how='announced letter')
    """
    if parser not in PARSERS:
        raise ConfigError(f"parser {parser!r} does not exist; there are: {', '.join(PARSERS)}.")
    said = unicodedata.normalize("NFKC", _after_thinking(text))
    lines = (line.strip() for line in said.splitlines())
    line = next(filter(None, lines), "")
    options = [_normalize(option) for option in question.options]
    reading = _strict(line, options)
    if (parser, reading.how) != ("lenient", UNPARSED):
        return reading
    begins = _leading_text(line, options) if KINDS[question.kind].options else reading
    return _lenient(line, options) if begins.choice is None else begins


def _after_thinking(text: str) -> str:
    """Return what follows a block of thinking, nothing where the block does not end."""
    _, closed, after = text.partition(THINKING_ENDS)
    if closed:
        return after
    return "" if text.lstrip().startswith(THINKING_STARTS) else text


def _only(named: set[int], how: str) -> Reading:
    if len(named) == 1:
        return Reading(named.pop(), how)
    return Reading(None, AMBIGUOUS if named else UNPARSED)


def _strict(line: str, options: list[str]) -> Reading:
    said = _normalize(line)
    named = {index for index, option in enumerate(options) if said and option == said}
    readings = _only(named, "text"), _leading_letter(line, options)
    clear = [reading for reading in readings if reading.choice is not None]
    if len({reading.choice for reading in clear}) == 1:
        return clear[0]
    unclear = clear or any(reading.how == AMBIGUOUS for reading in readings)
    return Reading(None, AMBIGUOUS if unclear else UNPARSED)


def _patterns(options: list[str]) -> _Patterns:
    return ONE_LETTER if len(options) <= len(LETTERS) else MARK


def _leading_text(line: str, options: list[str]) -> Reading:
    """Find the option that a sentence begins with: "Yes, it is"."""
    begun = re.match(r"\W*([^,.;:!*_–—]*)", line)
    said = _normalize(begun[1])
    return _only({index for index, option in enumerate(options) if option == said}, "leading text")


def _leading_letter(line: str, options: list[str], pattern: re.Pattern | None = None) -> Reading:
    match = (pattern or _patterns(options).first).match(line)
    if match is None or match[1].upper() not in MARKS[: len(options)]:
        return Reading(None, UNPARSED)
    index, rest = MARKS.index(match[1].upper()), _normalize(match[2] or "")
    if not rest:
        return Reading(index, "letter")
    if rest == options[index]:
        return Reading(index, "letter and text")
    return Reading(None, AMBIGUOUS if rest in options else UNPARSED)


def _lenient(line: str, options: list[str]) -> Reading:
    patterns = _patterns(options)
    marked = _leading_letter(line.strip("*_`"), options, patterns.marked)
    if marked.how != UNPARSED:
        return marked
    found = list(patterns.announced.finditer(line))
    letters = {m["letter"].upper() for m in found if not _is_a_word(m, options)}
    if letters:
        if not letters <= set(MARKS[: len(options)]):
            return Reading(None, AMBIGUOUS)
        return _only(set(map(MARKS.index, letters)), "announced letter")
    inside = _text_inside(_normalize(line), options)
    if inside.choice not in (None, 0) and any(m["letter"] == "A" for m in found):
        return Reading(None, AMBIGUOUS)  # "is A hammer": the letter, or an article for option B
    return inside


def _is_a_word(announced: re.Match, options: list[str]) -> bool:
    """Tell the article "a" and the pronoun "I" from the letters, by what stands around them."""
    letter, rest = announced["letter"].upper(), announced.string[announced.end() :]
    if letter not in ("A", "I") or not WORD_BEHIND.match(rest):
        return False
    if announced["letter"] == "A" and not (announced["link"] or announced["colon"]):
        return False  # "option A seems right"
    own = options[MARKS.index(letter) :][:1]
    return not (own and re.match(rf"{re.escape(own[0])}(?!\w)", _normalize(rest)))


def _text_inside(said: str, options: list[str]) -> Reading:
    """Find the one option that is said, and not inside a longer one ("York" in "New York")."""
    spans = [
        (index, *match.span())
        for index, option in enumerate(options)
        for match in re.finditer(rf"(?<!\w){re.escape(option)}(?!\w)", said)
    ]
    free = {
        index
        for index, start, end in spans
        if not any(s <= start and end <= e and e - s > end - start for _, s, e in spans)
    }
    return _only(free, "text inside")


def _normalize(text: str) -> str:
    """Fold case, Unicode forms and white space, and drop quotes and a full stop around it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip("\"'“”‘’ ").rstrip(".").strip()
