"""Ask servers of language models for log-probabilities, as lm-evaluation-harness asks them.

`/v1/completions` echoes each option behind the prompt, and its tokens' log-probabilities are added
up. `/v1/chat/completions` echoes nothing: options get letters, and the first token's likeliest are
read. A letter that is not among them cannot be likelier than the least of those: it counts as it.
"""

import math

from mcqa.prompting.prompts import get_template
from mcqa.question import Question
from mcqa.scoring.remote.decision_servers import unusable

TOP = 20  # what servers give at most


def completions_body(question: Question, model: str) -> dict:
    """Return a request for all options at once, each behind the prompt."""
    rendered = get_template("cloze").render(question)
    prompts = [rendered.prefix + continuation for continuation in rendered.continuations]
    how = {"max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0}
    return {"model": model, "prompt": prompts} | how


def completions_scores(answer: dict, question: Question) -> list[float]:
    """Return the log-probability of each option's tokens, from the first that reaches into it."""
    rendered = get_template("cloze").render(question)
    begins = len(rendered.prefix)
    choices = _field(answer, "choices", question)
    by_index = {one.get("index", n): one for n, one in enumerate(choices)}
    if sorted(by_index) != list(range(len(question.options))):
        raise unusable(question, f"{len(choices)} completions for {len(question.options)} prompts")
    scores = []
    for index, continuation in enumerate(rendered.continuations):
        told = _field(by_index[index], "logprobs", question)
        names = ("tokens", "token_logprobs", "text_offset")
        rows = list(zip(*(_field(told, name, question) for name in names), strict=False))
        ends = begins + len(continuation)
        own = [log for token, log, at in rows if at < ends and at + len(token) > begins]
        if not own or not all(isinstance(log, float | int) and math.isfinite(log) for log in own):
            raise unusable(question, f"log-probabilities {own!r:.60} for option {index}")
        scores.append(math.fsum(own))
    return scores


def chat_body(question: Question, model: str) -> dict:
    """Return a request for one token, behind the options with their letters."""
    prompt = get_template("lettered").render(question).prefix
    how = {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": TOP}
    return {"model": model, "messages": [{"role": "user", "content": prompt}]} | how


def chat_scores(answer: dict, question: Question) -> list[float]:
    """Return the log-probability of each option's letter, with and without a space before it."""
    (first, *_) = _field(answer, "choices", question) or [{}]
    content = _field(_field(first, "logprobs", question), "content", question)
    listed = _field(content[0], "top_logprobs", question) if content else []
    logs = [(_field(one, "token", question), _field(one, "logprob", question)) for one in listed]
    if not all(isinstance(log, float | int) and not math.isnan(log) for _, log in logs):
        raise unusable(question, f"log-probabilities {logs!r:.80}")
    found = {letter: [] for letter in question.letters}
    for token, log in logs:
        if token.strip() in found:
            found[token.strip()].append(math.exp(log))
    if not any(map(sum, found.values())):
        seen = ", ".join(repr(token) for token, _ in logs[:5])
        raise unusable(question, f"none of its likeliest tokens is an option's letter: {seen}")
    least = min(math.exp(log) for _, log in logs if math.exp(log) > 0)
    return [math.log(sum(own) or least) for own in found.values()]


def _field(value, name: str, question: Question):
    if not isinstance(value, dict) or value.get(name) is None:
        raise unusable(question, f"it has no {name!r}; does the server give log-probabilities?")
    return value[name]
