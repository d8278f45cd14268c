import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.signatures import Signatures

OURS = Signatures(lambda: b"secret")
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT, ANY_TEXT)
def test_a_signature_is_of_one_text(text: str, other: str) -> None:
    """What was signed is known again, and nothing else for it."""
    signature = OURS.sign(text)
    assert OURS.verify(text, signature)
    same = text.encode(errors="replace") == other.encode(errors="replace")
    assert OURS.verify(other, signature) == same


@given(st.text())
def test_any_other_signature(signature: str) -> None:
    """Whatever else comes as a signature is none, and no failure."""
    assert not OURS.verify("hm", signature)


def test_how_it_looks() -> None:
    """It is ASCII, short, says whose it is, and tells nothing of the text."""
    signature = OURS.sign("x" * 100_000)
    assert signature.isascii()
    assert signature.startswith("pannier1.")
    assert len(signature) < 64


def test_a_secret_is_asked_for_once() -> None:
    """And only when somebody signs: it may lie on a disk."""
    asked: list[int] = []

    def secret() -> bytes:
        asked.append(1)
        return b"secret"

    signatures = Signatures(secret)
    assert asked == []
    assert signatures.sign("a") == OURS.sign("a")
    signatures.verify("b", "c")
    assert asked == [1]


@pytest.mark.parametrize("secret", [b"", b"another", b"secret "])
def test_every_secret_has_its_own(secret: bytes) -> None:
    """A signature of another installation is not ours."""
    assert not OURS.verify("hm", Signatures(lambda: secret).sign("hm"))
