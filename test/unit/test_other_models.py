import pytest

from hubert_iter.bin.other_models import parse
from hubert_iter.errors import UserError


def test_words_are_read_as_a_shell_does():
    assert parse("theirs=/models/hubert 'more=/a folder/m=1'", set()) == {
        "theirs": "/models/hubert",
        "more": "/a folder/m=1",
    }
    assert parse("", set()) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/models/hubert", "expected NAME=PATH, found '/models/hubert'"),
        ("theirs=", "expected NAME=PATH"),
        ("=/models/hubert", "expected NAME=PATH"),
        ("../theirs=/m", "letters, digits"),
        ("..=/m", "letters, digits"),
        ("a/b=/m", "letters, digits"),
        ("hubert_it1=/m", "has results of this name"),
        ("a=/m a=/n", "given twice, for /m and /n"),
        ("'a=/m", "No closing quotation"),
    ],
)
def test_what_would_overwrite_or_is_no_model_is_refused(text, expected):
    with pytest.raises(UserError, match=expected):
        parse(text, {"hubert_it1"})
