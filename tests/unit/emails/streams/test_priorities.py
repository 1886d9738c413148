"""A priority is a number or its word, and nothing else."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from emails.streams.priorities import WirePriority
from mailgrid.core.bells import Priority


class Body(BaseModel):
    model_config = ConfigDict(strict=True)

    priority: WirePriority


@pytest.mark.parametrize("written", [1, "high"])
def test_numbers_and_words_mean_the_same(written):
    assert Body.model_validate({"priority": written}).priority is Priority.HIGH


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (4, "out_of_range"),
        (-1, "out_of_range"),
        ("urgent", "invalid_choice"),
        ("HIGH", "invalid_choice"),
        ("1", "invalid_choice"),
        (True, "invalid_type"),
        (1.0, "invalid_type"),
    ],
)
def test_everything_else_is_refused_with_its_code(written, code):
    with pytest.raises(ValidationError) as refused:
        Body.model_validate({"priority": written})
    assert refused.value.errors()[0]["type"] == code
