"""hub/sealing.py: what is stored tells nothing without the hub's secret."""

from __future__ import annotations

import base64

import pytest

from hub.sealing import MARK, Seal, Unopenable, model_owner, webhook_owner

KEY, OWNER = "sk-ключ-1", model_owner("acme", "gpt")


def changed(sealed: str, place: int) -> str:
    """With one bit of it turned."""
    raw = bytearray(base64.urlsafe_b64decode(sealed.removeprefix(MARK)))
    raw[place] ^= 1
    return MARK + base64.urlsafe_b64encode(raw).decode()


def test_what_is_closed_opens_for_its_owner() -> None:
    """Also by another process with the same secret."""
    assert KEY == Seal(b"a secret").open(Seal(b"a secret").close(KEY, OWNER), OWNER)


def test_the_same_text_never_looks_the_same() -> None:
    seal = Seal(b"a secret")
    assert 20 == len({seal.close(KEY, OWNER) for _ in range(20)})


def test_neither_the_text_nor_a_piece_of_it_is_in_what_is_stored() -> None:
    sealed = Seal(b"a secret").close("whsec_0123456789", OWNER)
    raw = base64.urlsafe_b64decode(sealed.removeprefix(MARK))
    assert b"0123" not in raw
    assert "0123" not in sealed


def test_it_opens_under_no_other_secret() -> None:
    with pytest.raises(Unopenable, match="HUB_SECRET_KEY"):
        Seal(b"another").open(Seal(b"a secret").close(KEY, OWNER), OWNER)


@pytest.mark.parametrize(
    "owner",
    [model_owner("acme", "other"), model_owner("rival", "gpt"), webhook_owner("acme", "gpt")],
)
def test_moved_to_another_row_it_is_worthless(owner: str) -> None:
    seal = Seal(b"a secret")
    with pytest.raises(Unopenable):
        seal.open(seal.close(KEY, OWNER), owner)


@pytest.mark.parametrize("place", [0, 11, 12, -1])
def test_changed_it_does_not_open(place: int) -> None:
    seal = Seal(b"a secret")
    with pytest.raises(Unopenable):
        seal.open(changed(seal.close(KEY, OWNER), place), OWNER)


@pytest.mark.parametrize("rest", ["", "AAAA", "A", "\u20ac", "not base64!"])
def test_what_is_no_seal_at_all_does_not_open(rest: str) -> None:
    with pytest.raises(Unopenable):
        Seal(b"a secret").open(MARK + rest, OWNER)


def test_what_was_never_sealed_is_as_it_is() -> None:
    assert "sk-plain" == Seal(b"a secret").open("sk-plain", OWNER)
