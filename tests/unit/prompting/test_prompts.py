"""The exact text of every template: a changed character changes every score."""

import pytest

from mcqa.errors import ConfigError
from mcqa.prompting.prompts import TEMPLATES, get_template
from mcqa.question import Question

QUESTION = Question(stem="What is in a bath?", options=("oil", "cold air", "warm water", "sand"))
IN_CONTEXT = Question(stem="Who?", options=("Ann", "Bo"), context="Ann met Bo.")

LISTED = """\
Choose the correct option for the following question.

### Question:
What is in a bath?

### Choice:
A. oil. B. cold air. C. warm water. D. sand.

### Answer:
"""
LISTED_IN_CONTEXT = """\
Choose the correct option for the following question.

### Context:
Ann met Bo.

### Question:
Who?

### Choice:
A. Ann. B. Bo.

### Answer:
"""

EXPECTED = {
    "cloze": (
        "Question: What is in a bath?\nAnswer:",
        (" oil", " cold air", " warm water", " sand"),
        "Context: Ann met Bo.\nQuestion: Who?\nAnswer:",
        (" Ann", " Bo"),
    ),
    "lettered": (
        LISTED,
        ("A oil", "B cold air", "C warm water", "D sand"),
        LISTED_IN_CONTEXT,
        ("A Ann", "B Bo"),
    ),
    "hybrid": (
        LISTED,
        ("oil", "cold air", "warm water", "sand"),
        LISTED_IN_CONTEXT,
        ("Ann", "Bo"),
    ),
}


def test_every_template_is_written_down_here():
    assert EXPECTED.keys() == TEMPLATES.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_text_of_a_template(name):
    template = get_template(name)
    plain, in_context = template.render(QUESTION), template.render(IN_CONTEXT)
    assert template.name == name
    assert (plain.prefix, plain.continuations) == EXPECTED[name][:2]
    assert (in_context.prefix, in_context.continuations) == EXPECTED[name][2:]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_prefix_ends_in_a_newline_or_a_word_and_shows_options_only_if_it_says_so(name):
    template = get_template(name)
    prefix = template.render(QUESTION).prefix
    assert not prefix.endswith((" ", "\t"))
    assert all((option in prefix) == template.lists_options for option in QUESTION.options)


def test_an_unknown_template_error_lists_the_known_ones():
    message = "template 'letterd' does not exist; there are: cloze, lettered, hybrid"
    with pytest.raises(ConfigError, match=message):
        get_template("letterd")
