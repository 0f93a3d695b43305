"""Read an option out of a generated answer, and say when it cannot be read.

Two ways. `strict` takes what a well-trained model writes: a letter, a letter with its text, or an
option's text, and nothing else. `lenient` also takes what a talkative model writes: "The answer is
B.", a letter in marks or in lower case, or a text that names exactly one option. What stays unclear
is `unparsed`, what names several options is `ambiguous`; neither is guessed at. What a model thinks
before it answers, between `<think>` and `</think>`, is passed over.

The traps: a pattern that looks for a letter anywhere credits "Antwort" as A, and "I think A is
wrong, so B" as A. So a letter counts only at the start of the answer, or behind words that announce
it, and standing alone. And two letters are words: "The answer is a hammer" says nothing of A, nor
"The answer I would give" of I. Where a word follows directly they count as the words they are,
unless it is the option's own text, or a word like "because" that an article never stands before.
"""

import re
import unicodedata
from typing import NamedTuple

from mcqa.errors import ConfigError
from mcqa.prediction import AMBIGUOUS, UNPARSED
from mcqa.prompting.prompts import THINKING_ENDS, THINKING_STARTS
from mcqa.question import LETTERS, Question

PARSERS = ("strict", "lenient")
FALLBACKS = ("none", "text")

FIRST_LETTER = re.compile(r"[(\[]?([A-Z])(?:[.):,\]]+|\s|$)\s*(.*)")
MARKED_LETTER = re.compile(r"[(\[*_`\"']*([A-Z])(?:[)\].:,*_`\"']+\s*(.*)|$)", re.IGNORECASE)
ANNOUNCED = re.compile(
    r"\b(?:answer|option|choice)\b(?P<link>\s+is)?\s*(?P<colon>:)?\s*[(\[*\"']*"
    r"(?P<letter>[A-Z])(?![\w'’]|-\w)",
    re.IGNORECASE,
)
WORD_BEHIND = re.compile(r"\s+(?!(?:is|because|since|as|which)\b)\w", re.IGNORECASE)


class Reading(NamedTuple):
    """What an answer says: the option's index or None, and how that was read."""

    choice: int | None
    how: str


def parse_answer(text: str, question: Question, parser: str = "strict") -> Reading:
    """Read the option that the first line of an answer names.

    Args:
        text: what was generated; a block of thinking and blank lines before it are passed over.
        question: whose options are looked for.
        parser: `strict` or `lenient`.

    Returns:
        The index and `letter`, `letter and text`, `text`, or, with the lenient parser,
        `announced letter` or `text inside`; or None and `unparsed` or `ambiguous`.

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
    reading = _strict(line, question)
    if parser == "strict" or reading.how != UNPARSED:
        return reading
    return _lenient(line, question)


def _after_thinking(text: str) -> str:
    """Return what follows a block of thinking, nothing where the block does not end."""
    _, closed, after = text.partition(THINKING_ENDS)
    if closed:
        return after
    return "" if text.lstrip().startswith(THINKING_STARTS) else text


def _strict(line: str, question: Question) -> Reading:
    readings = _whole_text(line, question), _leading_letter(line, question)
    clear = [reading for reading in readings if reading.choice is not None]
    if len({reading.choice for reading in clear}) == 1:
        return clear[0]
    unclear = clear or any(reading.how == AMBIGUOUS for reading in readings)
    return Reading(None, AMBIGUOUS if unclear else UNPARSED)


def _whole_text(line: str, question: Question) -> Reading:
    said = _normalize(line)
    named = [i for i, option in enumerate(question.options) if said and _normalize(option) == said]
    if not named:
        return Reading(None, UNPARSED)
    return Reading(named[0], "text") if len(named) == 1 else Reading(None, AMBIGUOUS)


def _leading_letter(line: str, question: Question, pattern: re.Pattern = FIRST_LETTER) -> Reading:
    match = pattern.match(line)
    if match is None or match[1].upper() not in question.letters:
        return Reading(None, UNPARSED)
    index, rest = LETTERS.index(match[1].upper()), _normalize(match[2] or "")
    if not rest:
        return Reading(index, "letter")
    options = [_normalize(option) for option in question.options]
    if rest == options[index]:
        return Reading(index, "letter and text")
    return Reading(None, AMBIGUOUS if rest in options else UNPARSED)


def _lenient(line: str, question: Question) -> Reading:
    marked = _leading_letter(line.strip("*_`"), question, MARKED_LETTER)
    if marked.how != UNPARSED:
        return marked
    found = list(ANNOUNCED.finditer(line))
    announced = {m["letter"].upper() for m in found if not _is_a_word(m, question)}
    if announced:
        if len(announced) > 1 or not announced <= set(question.letters):
            return Reading(None, AMBIGUOUS)
        return Reading(LETTERS.index(announced.pop()), "announced letter")
    inside = _text_inside(_normalize(line), question)
    if inside.choice not in (None, 0) and any(m["letter"] == "A" for m in found):
        return Reading(None, AMBIGUOUS)  # "is A hammer": the letter, or an article for option B
    return inside


def _is_a_word(announced: re.Match, question: Question) -> bool:
    """Tell the article "a" and the pronoun "I" from the letters, by what stands around them."""
    letter, rest = announced["letter"].upper(), announced.string[announced.end() :]
    if letter not in "AI" or not WORD_BEHIND.match(rest):
        return False
    if announced["letter"] == "A" and not (announced["link"] or announced["colon"]):
        return False  # "option A seems right"
    index, said = LETTERS.index(letter), _normalize(rest)
    own = _normalize(question.options[index]) if letter in question.letters else None
    return own is None or not re.match(rf"{re.escape(own)}(?!\w)", said)


def _text_inside(said: str, question: Question) -> Reading:
    """Find the one option whose words stand in the answer.

    An option inside a longer one that is said too ("York" in "New York") does not count as said.
    """
    options = [_normalize(option) for option in question.options]
    spans = {
        index: [m.span() for m in re.finditer(rf"(?<!\w){re.escape(option)}(?!\w)", said)]
        for index, option in enumerate(options)
    }
    longer = [span for found in spans.values() for span in found]
    free = {
        index
        for index, found in spans.items()
        for start, end in found
        if not any(s <= start and end <= e and e - s > end - start for s, e in longer)
    }
    if not free:
        return Reading(None, UNPARSED)
    return Reading(free.pop(), "text inside") if len(free) == 1 else Reading(None, AMBIGUOUS)


def _normalize(text: str) -> str:
    """Fold case, Unicode forms and white space, and drop quotes and a full stop around it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip("\"'“”‘’ ").rstrip(".").strip()
