"""What a server's name means: `https://HOST/v1/systemone#NAME`, and which format that is."""

from typing import NamedTuple
from urllib.parse import urlsplit

from mcqa.errors import ConfigError, ModelError

FORMATS = {
    "/v1/systemone": "systemone",
    "/v1/decisions": "decisions",
    "/v1/completions": "completions",
    "/v1/chat/completions": "chat",
}


class RemoteModel(NamedTuple):
    """Hold a server's address, what it calls the model, and its format."""

    url: str
    model: str
    format: str


def is_remote(name: str) -> bool:
    """Return whether a model's name is a server's address."""
    return str(name).startswith(("http://", "https://"))


def parse_remote(name: str) -> RemoteModel:
    """Read a server's name; ModelError where no format ends it, or no model."""
    parts = urlsplit(name)
    form = next((f for path, f in FORMATS.items() if parts.path.endswith(path)), None)
    form = "chat" if parts.path.endswith("/chat/completions") else form
    if form is None or not parts.hostname:
        raise ModelError(
            f"model {name!r}: a server's address ends in {', '.join(FORMATS)}, and after # in what "
            "it calls the model."
        )
    if not parts.fragment:
        raise ModelError(
            f"model {name!r}: which of the server's models? Put its name behind the address: "
            f"{name.rstrip('#')}#NAME."
        )
    if parts.username or parts.password:
        raise ConfigError(
            f"model {parts.hostname!r}: a key does not belong into an address, which is written "
            "into results. Put it into the environment variable MCQA_API_KEY."
        )
    return RemoteModel(name.partition("#")[0], parts.fragment, form)
