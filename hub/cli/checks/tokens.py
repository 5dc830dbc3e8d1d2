"""Who may sign tokens: can the keys be read that they are signed with."""

from __future__ import annotations

from typing import Final

from hub.cli.checks.finding import Finding, doubtful, failed, well
from hub.cli.checks.hiding import hide, place_of
from hub.settings import Settings

PART: Final = "tokens"


async def check_tokens(settings: Settings) -> list[Finding]:
    """Nothing is said where nobody is to sign any."""
    wanted = f"for the audience {settings.token_audience}"
    found = []
    if settings.jwt_secret:
        found.append(well(PART, f"signed with HUB_JWT_SECRET, {wanted}"))
    if settings.jwt_jwks_url:
        found.append(await _key_set(settings.jwt_jwks_url, wanted, settings))
    if found:
        return found
    return [
        doubtful(
            PART, f"{name} is set, but nobody may sign tokens",
            "set HUB_JWT_SECRET or HUB_JWT_JWKS_URL too, or unset it",
        )
        for name, value in (
            ("HUB_JWT_ISSUER", settings.jwt_issuer), ("HUB_JWT_AUDIENCE", settings.jwt_audience),
        )
        if value
    ]  # fmt: skip


async def _key_set(url: str, wanted: str, settings: Settings) -> Finding:
    from hub.identity.keyset import open_key_set  # 10 MB of cryptography

    async with open_key_set(url) as keys:
        await keys.refresh()
        if keys.fault is None:
            return well(PART, f"signed with one of {len(keys)} keys of {place_of(url)}, {wanted}")
        return failed(
            PART, f"the keys of {place_of(url)} cannot be read: {hide(keys.fault, settings)}",
            "see to it that this machine reaches it, or correct HUB_JWT_JWKS_URL",
        )  # fmt: skip
