"""What users get wrong about servers: starting one, naming one, and asking from the shell."""

from bad_inputs import SCORE, Case, settings

REMOTE = SCORE.replace("MODEL", "https://example.com/v1/systemone")
SERVERS = (
    Case(
        "others could ask without a key",
        "--host 0.0.0.0: other machines could ask without a key. Put one into the environment "
        "variable that --key-env names, or serve on 127.0.0.1.",
        "serve RUN --host 0.0.0.0",
    ),
    Case(
        "a key that is not there",
        "--key-env NO_SUCH_KEY: this environment variable is not set.",
        "serve RUN --key-env NO_SUCH_KEY",
    ),
    Case(
        "a scorer without probabilities",
        "RUN:generate: scorer 'generate' writes an answer and gives no probabilities to serve. Use "
        "another --scorer.",
        "serve RUN:generate --port 0 --device cpu",
    ),
    Case(
        "an unknown option in a file",
        "CONFIG: no option 'color'; there are …",
        "serve RUN --config CONFIG",
        settings("color: red\n"),
    ),
    Case("a run twice", "a model is named twice.", "serve RUN RUN --port 0"),
    Case(
        "a server without a model",
        "model 'https://example.com/v1/systemone': which of the server's models? Put its name "
        "behind the address: https://example.com/v1/systemone#NAME.",
        REMOTE,
    ),
    Case(
        "a server's address of no format",
        "model 'https://example.com/v2#jev': a server's address ends in /v1/systemone, "
        "/v1/decisions, /v1/completions, /v1/chat/completions, and after # in what it calls the "
        "model.",
        REMOTE.replace("v1/systemone", "v2#jev"),
    ),
    Case(
        "a key in an address",
        "model 'example.com': a key does not belong into an address, which is written into "
        "results. Put it into the environment variable MCQA_API_KEY.",
        REMOTE.replace("example.com/v1/systemone", "me:key@example.com/v1/systemone#jev"),
    ),
    Case(
        "a key in the clear",
        "http://example.com/v1/systemone: the key of MCQA_API_KEY would travel in the clear. Use "
        "https, or unset it.",
        REMOTE.replace("https", "http").replace("systemone", "systemone#jev"),
        lambda place: place.patch.setenv("MCQA_API_KEY", "secret"),
    ),
    Case(
        "a scorer for a server",
        "scorer 'text' does not go with 'https://example.com/v1/systemone#jev': use systemone.",
        REMOTE.replace("systemone", "systemone#jev") + " --scorer text",
    ),
    Case(
        "weights of a server",
        "https://example.com/v1/systemone#jev: a server can be scored, evaluated and compared; its "
        "weights are not here for anything else. Name a model.",
        "check FILE --model https://example.com/v1/systemone#jev",
    ),
    Case(
        "a server in shards",
        "a server forms its own batches: leave out --shard and --block.",
        REMOTE.replace("systemone", "systemone#jev") + " --shard 1/2",
    ),
    Case(
        "a server asked from a cluster",
        "a server is asked from one process: leave out --engine ray.",
        REMOTE.replace("systemone", "systemone#jev") + " --engine ray",
    ),
    Case(
        "a question with one option",
        "question 'question': 1 options; a question has 2 to 255.",
        "ask RUN Fruit? pear",
    ),
    Case(
        "nothing to read",
        "--context OUT: cannot be read (…).",
        "ask RUN Fruit? pear saw --context OUT",
    ),
)
