"""The field's own clients ask a server of two runs on one base, and get the scorers' answers."""

import asyncio
import json

import httpx
import jevbench.cli
import openai
import pytest
import typesafe_sdk as typesafe
from served import serving
from transformers import LlamaForCausalLM

import mcqa
from mcqa.kinds import KINDS
from mcqa.serving.hosted import host

STATE = {"table": "a pear and a saw"}
QUESTIONS = {
    "fruit": typesafe.Choice(
        instructions="Which of these is a fruit?", criteria={"pear": None, "saw": "a tool"}
    ),
    "edible": typesafe.Noul(instructions="Can one eat a pear?"),
    "ripe": typesafe.Score(instructions="How ripe is it?", criteria=["green", "ripe", "rotten"]),
}
CONTEXT = "table: a pear and a saw"
ASKED = {
    "fruit": {"stem": "Which of these is a fruit?", "options": ("pear", "saw: a tool")},
    "edible": {"stem": "Can one eat a pear?", "kind": "yes_no"},
    "ripe": {
        "stem": "How ripe is it?",
        "options": ("green", "ripe", "rotten"),
        "kind": "scale",
    },
}


@pytest.fixture(scope="module")
def scorers(runs):
    return {name: mcqa.load_scorer(str(path), device="cpu") for name, path in runs.items()}


@pytest.fixture(scope="module")
def server(runs, scorers):
    hosted = [host(str(runs[name]), scorer) for name, scorer in scorers.items()]
    with serving(hosted, key="secret") as served:
        yield served


@pytest.fixture(scope="module")
def expected(scorers):
    """Return the probabilities that a run's scorer gives each question."""

    def probabilities(formulation):
        scorer = scorers[formulation]
        questions = {name: mcqa.Question(context=CONTEXT, **one) for name, one in ASKED.items()}
        return {
            name: scorer.calibrated(scorer.score(question)).probabilities
            for name, question in questions.items()
        }

    return probabilities


def close(values):
    return pytest.approx(list(values), abs=1e-6)


def check_typesafe(answer, expected):
    fruit, ripe = answer.choices["fruit"], answer.scores["ripe"]
    assert list(fruit.probabilities.values()) == close(expected["fruit"])
    assert answer.nouls["edible"].noul == pytest.approx(expected["edible"][0], abs=1e-6)
    assert list(ripe.probabilities.values()) == close(expected["ripe"])
    assert ripe.legend == {0: "green", 1: "ripe", 2: "rotten"}
    assert fruit.confidence == max(fruit.probabilities.values())
    assert answer.usage.output_tokens == 0
    assert answer.usage.input_tokens > 0
    assert answer.request_id


@pytest.mark.parametrize("formulation", ["generative", "multiple-choice"])
def test_typesafe_gets_the_scorers_probabilities(server, expected, formulation):
    with typesafe.TypeSafeClient(base_url=server.url, api_key="secret") as client:
        answer = client.system_one(STATE, QUESTIONS, model=formulation)
        listed = client.models.list()
    check_typesafe(answer, expected(formulation))
    assert answer.model.endswith(formulation)
    assert [one.name.rpartition("/")[2] for one in listed.models] == [
        "generative",
        "multiple-choice",
    ]


def test_typesafe_asks_without_waiting(server, expected):
    async def ask():
        async with typesafe.AsyncTypeSafeClient(base_url=server.url, api_key="secret") as client:
            asked = (client.system_one(STATE, QUESTIONS, model="generative") for _ in range(8))
            return await asyncio.gather(*asked)

    for answer in asyncio.run(ask()):
        check_typesafe(answer, expected("generative"))


def test_typesafe_raises_its_own_errors(server):
    asks = {"state": STATE, "questions": QUESTIONS, "model": "generative"}
    retry = typesafe.RetryPolicy(max_retries=0)
    with (
        typesafe.TypeSafeClient(base_url=server.url, api_key="other", retry=retry) as client,
        pytest.raises(typesafe.TypeSafeAuthenticationError, match="another key"),
    ):
        client.system_one(**asks)
    with typesafe.TypeSafeClient(base_url=server.url, api_key="secret", retry=retry) as client:
        with pytest.raises(typesafe.TypeSafeNotFoundError, match="is not served"):
            client.system_one(**asks | {"model": "jev-latest"})
        box = {"where": typesafe.Box(instructions="The dog")}
        with pytest.raises(typesafe.TypeSafeUnprocessableEntityError, match="image") as refused:
            client.system_one(**asks | {"questions": box})
        assert refused.value.request_id
        with pytest.raises(typesafe.TypeSafeUnprocessableEntityError, match="tokens longer"):
            client.system_one(**asks | {"state": "On the table. " * 500})


def test_openai_gets_the_scorers_probabilities(server, expected):
    questions = [
        {
            "type": "choice",
            "name": "fruit",
            "instructions": "Which of these is a fruit?",
            "choices": [{"value": "pear"}, {"value": "saw", "description": "a tool"}],
        },
        {"type": "predicate", "instructions": "Can one eat a pear?"},
        {
            "type": "score",
            "instructions": [{"type": "input_text", "text": "How ripe is it?"}],
            "levels": [{"label": "green"}, {"label": "ripe"}, {"label": "rotten"}],
        },
        {
            "type": "predicate",
            "instructions": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}],
        },
    ]
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="secret", max_retries=0)
    messages = [{"role": "user", "content": [{"type": "input_json", "data": STATE}]}]
    answer = client.decisions.create(model="generative", input=messages, questions=questions)
    fruit, edible, ripe, refused = answer.answers
    known = expected("generative")
    assert [one.probability for one in fruit.probabilities] == close(known["fruit"])
    assert fruit.choice in ("pear", "saw")
    assert (fruit.name, edible.name) == ("fruit", None)
    assert edible.probability == pytest.approx(known["edible"][0], abs=1e-6)
    assert [one.probability for one in ripe.probabilities] == close(known["ripe"])
    assert refused.type == "refusal"
    assert answer.usage.total_tokens > 0
    assert {one.id.rpartition("/")[2] for one in client.models.list()} == {
        "generative",
        "multiple-choice",
    }
    with pytest.raises(openai.NotFoundError, match="is not served"):
        client.decisions.create(model="gpt-6-luna", input="x", questions=questions)
    one = [questions[0] | {"choices": [{"value": "pear"}]}]
    with pytest.raises(openai.BadRequestError, match="there is nothing to decide"):
        client.decisions.create(model="generative", input="x", questions=one)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="other").decisions.create(
            model="generative", input="x", questions=questions
        )


def test_several_right_answers_are_asked_for_in_plain_json(server, scorers):
    body = {
        "model": "multiple-choice",
        "state": STATE,
        "questions": {
            "tools": {
                "type": "several",
                "instructions": "Which are tools?",
                "criteria": {"pear": None, "saw": None, "nail": None},
            }
        },
    }
    key = {"authorization": "Bearer secret"}
    answer = httpx.post(f"{server.url}/v1/systemone", json=body, headers=key).json()
    scorer = scorers["multiple-choice"]
    question = mcqa.Question(
        stem="Which are tools?", options=("pear", "saw", "nail"), kind="several", context=CONTEXT
    )
    expected = scorer.calibrated(scorer.score(question))
    tools = answer["answers"]["tools"]
    assert list(tools["probabilities"].values()) == close(expected.probabilities)
    assert tools["choices"] == [question.options[index] for index in expected.choice]
    assert KINDS["several"].several


def test_two_runs_share_the_weights_of_their_base(scorers):
    one, other = (scorer.model.state_dict() for scorer in scorers.values())
    places = [{tensor.data_ptr() for tensor in own.values()} for own in (one, other)]
    assert places[0] & places[1]


@pytest.fixture
def keyed(monkeypatch):
    monkeypatch.setenv("MCQA_API_KEY", "secret")


@pytest.fixture(scope="module")
def long_scorer(tiny_config, tiny_tokenizer, tmp_path_factory):
    """Untrained, and able to read the pages that JevBench asks about."""
    folder = tmp_path_factory.mktemp("long")
    config = tiny_config.__class__(**tiny_config.to_dict() | {"max_position_embeddings": 8192})
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return mcqa.load_scorer(str(folder), device="cpu", max_length=8192)


def test_jevbench_reads_every_answer(long_scorer, capsys):
    with serving([host("long", long_scorer)]) as served:
        url = f"{served.url}/v1/systemone"
        jevbench.cli.main(["check", "--url", url, "--model", "long"])
    assert "FAILED" not in capsys.readouterr().out


@pytest.mark.usefixtures("keyed")
def test_ask_says_the_same_here_and_through_the_server(server, command, runs):
    asked = ["Which is a fruit?", "pear", "saw", "--format", "json"]
    here = command("ask", runs["generative"], *asked, "--device", "cpu")
    there = command("ask", "generative", *asked, "--url", server.url)
    assert (here.code, there.code) == (0, 0), here.err + there.err
    one, other = (json.loads(result.out)[0] for result in (here, there))
    assert one["choice"] == other["choice"]
    assert list(one["probabilities"].values()) == close(other["probabilities"].values())


def test_ask_draws_bars_of_several_runs(command, runs, tmp_path):
    passage = tmp_path / "passage.txt"
    passage.write_text("A pear lies on the table.")
    both = [runs["generative"], "Is it a tool?", "--also", runs["multiple-choice"]]
    result = command("ask", *both, "--context", passage, "--device", "cpu")
    assert result.code == 0, result.err
    assert result.out.count("Yes") == 2
    assert result.out.count("%") == 4
    assert "━" in result.out or "-" in result.out
