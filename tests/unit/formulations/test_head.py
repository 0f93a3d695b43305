"""The head's settings, as people set them and as a saved model holds them."""

import typing

import pytest

from heads.settings import CHOICES, HeadSettings
from mcqa.errors import ConfigError
from mcqa.formulations.head import HeadOptions

OTHER_NAMES = {"init": "head_init", "words": "head_words"}


def test_what_can_be_set_is_what_a_head_has():
    usual = HeadSettings().as_dict() | {"words": ()}
    fields = HeadOptions.model_fields
    assert {OTHER_NAMES.get(name, name) for name in usual} == fields.keys()
    for name, value in usual.items():
        field = fields[OTHER_NAMES.get(name, name)]
        assert field.default == value
        if name in CHOICES:
            assert typing.get_args(field.annotation) == CHOICES[name]


def test_settings_of_a_head_are_refused_where_there_is_none():
    HeadOptions().refuse_head()
    with pytest.raises(ConfigError, match="pooling, loss: only the multiple-choice formulation"):
        HeadOptions(pooling="mean", loss="binary").refuse_head()
