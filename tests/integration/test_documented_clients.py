"""The lines that the pages show for other people's clients: run as they stand, and right."""

import re
from pathlib import Path

import pytest
from served import serving

import mcqa
from mcqa.serving.hosted import host

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/serving.md")
CLIENTS = ("typesafe_sdk", "openai")
ADDRESS, CONTEXT = "http://127.0.0.1:8000", "The hive is full."


def shown():
    """Yield the Python blocks of the pages that ask a server, with the client's name."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            client = block.split()[1]
            if ADDRESS in block and client in CLIENTS:
                yield pytest.param(client, block, id=f"{page}: {client}")


@pytest.fixture(scope="module")
def scorer(runs):
    return mcqa.load_scorer(str(runs["multiple-choice"]), device="cpu")


@pytest.fixture(scope="module")
def server(scorer):
    with serving([host("runs/demo/multiple_choice", scorer)]) as served:
        yield served


def test_both_clients_are_shown_on_both_pages():
    assert [one.id for one in shown()] == [
        f"{page}: {client}" for page in PAGES for client in CLIENTS
    ]


@pytest.mark.parametrize(("client", "lines"), shown())
def test_the_lines_give_the_scorers_probabilities(server, scorer, capsys, client, lines):
    seen = {}
    exec(lines.replace(ADDRESS, server.url), seen)

    def expected(*options, stem="What do bees make?", **kind):
        question = mcqa.Question(stem=stem, options=options, context=CONTEXT, **kind)
        return pytest.approx(scorer.calibrated(scorer.score(question)).probabilities, abs=1e-6)

    answer = seen["answer"]
    if client == "openai":
        given = {one.value: one.probability for one in answer.answers[0].probabilities}
    else:
        given = answer.choices["product"].probabilities
        yes = answer.nouls["insects"].noul
        no_or_yes = expected(stem="Are bees insects?", kind="yes_no")
        assert (yes, 1 - yes) == no_or_yes
    assert "honey" in given
    assert tuple(given.values()) == expected(*given)
    assert capsys.readouterr().out
