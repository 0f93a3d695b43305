"""Ask, as streamlit runs it without a browser, on the tiny model and its runs."""

import re

import pytest
from pages import button, drawn, errors, findings, open_part

from mcqa.page.asking import Draft
from mcqa.question import Question

HOSTILE = '<script>alert("a")</script> **b** ![c](http://d.example/e.png) $f$ :smile:'


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Open Ask in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda given, query=None: open_part("ask", given, query)


QUERY = Draft("Which of these is a fruit?", ("pear", "hammer", "saw"), right=("pear",)).query()


def test_runs_answer_a_question_side_by_side(page, runs):
    test = page(runs.values(), QUERY)
    answers = findings(test)
    assert len(answers) == 2
    assert all(re.fullmatch(r"(pear|hammer|saw), \d+\.\d% sure", answer) for answer in answers)
    shares = [float(share) for share in re.findall(r"<span>([\d.]+)%</span>", drawn(test))]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(200, abs=0.4)
    assert "(right answer)" in drawn(test) or "chosen, right answer" in drawn(test)


def test_what_is_shown_is_what_the_scorer_answers(page, runs):
    from mcqa import load_scorer

    run = str(runs["multiple-choice"])
    test = page([run], QUERY)
    expected = load_scorer(run).score(
        Question(stem=QUERY["q"], options=QUERY["option"]),
    )
    chosen = QUERY["option"][expected.choice]
    assert findings(test) == [f"{chosen}, {max(expected.probabilities):.1%} sure"]


def test_below_the_slider_it_abstains(page, runs):
    test = page([runs["generative"]], QUERY)
    test.slider(key="least").set_value(100).run()
    (said,) = findings(test)
    assert re.fullmatch(r"Abstains: its confidence of \d+\.\d% is below 100%\.", said)
    assert "chosen" not in drawn(test)


def test_shuffle_asks_all_orders_and_cloze_never_flips(page, runs):
    test = page([runs["multiple-choice"]], QUERY)
    button(test, "Shuffle").click().run()
    assert findings(test)[-1] == "No flip: the same is chosen in all 6 orders."
    assert drawn(test).count(">same<") == 6
    test.text_input(key="option-1").set_value("nail").run()
    assert len(findings(test)) == 1  # another question, which was not shuffled


def test_options_are_added_removed_and_moved(page, runs):
    test = page([runs["generative"]], QUERY)

    def options():
        return [each.value for each in test.text_input if each.label.startswith("Option ")]

    test.button(key="down-0").click().run()
    assert options() == ["hammer", "pear", "saw"]
    test.button(key="remove-1").click().run()
    assert options() == ["pear", "saw"]
    assert test.button(key="remove-0").disabled
    button(test, "Add an option").click().run()
    assert options() == ["pear", "saw", "option C"]
    assert test.query_params["option"] == ["pear", "saw", "option C"]
    assert not test.exception


def test_a_link_holds_the_question(page, runs):
    draft = Draft("Which?", ("pear", "saw"), "A table.", "lettered", right=("saw",))
    test = page([runs["generative"]], draft.query())
    assert test.session_state["draft"] == draft
    assert test.code[0].value.endswith(
        "?q=Which%3F&option=pear&option=saw&context=A+table.&template=lettered&right=saw"
    )


def test_an_example_of_a_subject_is_taken(page, runs):
    test = page([runs["generative"]])
    test.selectbox(key="subject choice").select("Astronomy").run()
    button(test, "Take this example").click().run()
    assert test.text_area(key="stem").value == test.selectbox(key="example choice").value
    assert not test.exception


def test_what_the_model_sees_is_shown_token_by_token(page, runs):
    run = str(runs["generative"])
    test = page([run], QUERY)
    test.text_input(key="scorer").set_value("text").run()
    test.toggle(key=f"seen-{run}").set_value(True).run()
    shown = drawn(test)
    assert re.search(r"Shared prefix, \d+ tokens, computed once", shown)
    totals = re.findall(r"<td>all</td><td>(-[\d.]+)</td>", shown)
    from mcqa import load_scorer

    question = Question(stem=QUERY["q"], options=QUERY["option"])
    scores = load_scorer(run, "text").score(question).scores
    assert [float(total) for total in totals] == pytest.approx(scores, abs=2e-3)


@pytest.mark.parametrize("template", ["cloze", "lettered"])
def test_what_comes_from_data_is_text(page, runs, template):
    query = Draft(HOSTILE, (HOSTILE, "saw"), HOSTILE, template).query()
    test = page([runs["multiple-choice"]], query)
    test.toggle(key=f"seen-{runs['multiple-choice']}").set_value(True).run()
    shown = drawn(test)
    assert "<script" not in shown.replace("&lt;script", "")
    assert "&lt;script&gt;alert(&quot;a&quot;)&lt;/script&gt; **b**" in shown
    markdown = [each.value for kind in ("markdown", "caption") for each in test.get(kind)]
    labels = [each.label for kind in ("button", "expander") for each in test.get(kind)]
    assert not any("alert" in text for text in markdown + labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda query, run: query.update(option=["pear", " "]), "option B is ' '"),
        (lambda query, run: query.update(template="lettered"), None),
        (lambda query, run: (run / "adapter_model.safetensors").unlink(), "adapter_model"),
        (lambda query, run: (run / "run.json").write_text("{"), "run.json"),
    ],
    ids=["blank option", "other template", "no adapter", "broken record"],
)
def test_an_error_is_the_command_lines_in_a_red_box(page, runs, tmp_path, change, message):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(runs["generative"], run)
    query = dict(QUERY)
    change(query, run)
    test = page([run], query)
    if message is None:
        assert errors(test) == []
        return
    (said,) = errors(test)
    assert message in said


def test_a_run_that_is_gone_is_said_and_the_others_answer(page, runs, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(runs["generative"], run)
    test = page([run, runs["multiple-choice"]], QUERY)
    assert len(findings(test)) == 2
    shutil.rmtree(run)
    test.text_input(key="option-1").set_value("nail").run()
    assert not test.exception
    assert "no such folder" in drawn(test)
    assert len(findings(test)) == 1


@pytest.mark.parametrize("formulation", ["generative", "multiple-choice"])
@pytest.mark.parametrize("kind", ["several", "scale"])
def test_examples_of_other_kinds_are_answered(page, runs, formulation, kind):
    run = str(runs[formulation])
    test = page([run])
    test.selectbox(key="example_kind").select(kind).run()
    button(test, "Take this example").click().run()
    assert errors(test) == []
    assert test.selectbox(key="question_kind").value == kind
    assert test.query_params["kind"] == kind
    shown, right = drawn(test), "right answer"
    assert right in shown
    if kind == "scale":
        assert re.search(r"expected level \d\.\d\d and median \d, from 0", shown)
    else:
        assert re.search(r"chosen from a probability of 0\.5 on", shown)
    for _ in range(len(test.session_state["places"]) - 3):  # of three there are few orders
        test.button(key=f"remove-{test.session_state['places'][0]}").click().run()
    button(test, "Shuffle").click().run()
    said = {"several": r"orders", "scale": r"levels, which have no other order"}[kind]
    assert re.search(said, findings(test)[-1])
    test.toggle(key=f"seen-{run}").set_value(True).run()
    asked = re.findall(r"Asked of option (.) by itself", drawn(test))
    options = len(test.session_state["places"])
    judged = kind == "several" and formulation == "generative"
    assert asked == list("ABCDEF"[:options]) * judged


def test_several_shows_what_is_chosen_as_the_scorer_does(page, runs):
    from mcqa import load_scorer

    run = str(runs["multiple-choice"])
    draft = Draft("Which are fruit?", ("pear", "hammer", "apple"), kind="several")
    test = page([run], draft.query())
    expected = load_scorer(run).score(draft.question())
    (said,) = findings(test)
    chosen = "; ".join(draft.options[at] for at in expected.choice) or "none of them"
    assert said.startswith(f"{chosen}, ")
    assert drawn(test).count("(chosen)") == len(expected.choice)


def test_a_question_is_turned_into_another_kind(page, runs):
    test = page([runs["multiple-choice"]], QUERY)
    kind = test.selectbox(key="question_kind")
    kind.select("yes_no").run()
    assert [each.value for each in test.text_input if each.label.startswith("Option")] == [
        "Yes",
        "No",
    ]
    assert button(test, "Add an option").disabled
    assert errors(test) == []
    test.selectbox(key="question_kind").select("several").run()
    assert not button(test, "Add an option").disabled
    assert errors(test) == []


def test_a_scorer_of_letters_sees_the_prompt_alone(page, runs):
    run = str(runs["generative"])
    test = page([run], QUERY)
    test.text_input(key="scorer").set_value("letter").run()
    test.selectbox(key="template").select("lettered").run()
    test.toggle(key=f"seen-{run}").set_value(True).run()
    assert errors(test) == []
    assert "Shared prefix" not in drawn(test)
    assert re.search(r"<strong>Prompt, \d+ tokens", drawn(test))
