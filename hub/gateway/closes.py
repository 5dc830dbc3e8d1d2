"""Why the hub closes a WebSocket: the table of the contract.

| code | cause                                  | what a client does                          |
|------|----------------------------------------|---------------------------------------------|
| 1009 | a frame or message is too big          | mends it, then comes back                   |
| 1012 | the hub restarts                       | resumes after a random delay up to retry_s  |
| 4401 | not authenticated in time, or wrong    | stops                                       |
| 4402 | the token has expired                  | gets another, resumes                       |
| 4403 | Origin or permission                   | stops                                       |
| 4408 | slow                                   | resumes                                     |
| 4410 | key revoked or participant removed     | stops                                       |
| 4429 | too many connections, rooms, commands  | resumes after retry_s                       |

1002, 1007 and 1011 are RFC 6455's own: a frame against the protocol, text that is not UTF-8, a ping
without an answer. Any other end, an unclean one too: resume with full jitter.
"""

from __future__ import annotations

from typing import Final

PROTOCOL: Final = 1002
NOT_UTF8: Final = 1007
TOO_BIG: Final = 1009
UNANSWERED: Final = 1011
RESTARTING: Final = 1012
NOT_AUTHENTICATED: Final = 4401
EXPIRED: Final = 4402
FORBIDDEN: Final = 4403
SLOW: Final = 4408
REVOKED: Final = 4410
TOO_MUCH: Final = 4429

CODES: Final = (
    PROTOCOL, NOT_UTF8, TOO_BIG, UNANSWERED, RESTARTING, NOT_AUTHENTICATED, EXPIRED, FORBIDDEN,
    SLOW, REVOKED, TOO_MUCH,
)  # fmt: skip

REASON_BYTES: Final = 123
_HANDSHAKES_A_SECOND: Final = 500


def retry(after_s: float) -> str:
    """The reason of a 1012 or 4429: when to come back."""
    return f'{{"retry_s":{after_s:g}}}'


def spread(clients: int) -> str:
    """The reason of a 1012 for so many clients: long enough that their handshakes can be served."""
    return retry(max(2, -(-clients // _HANDSHAKES_A_SECOND)))


RESUME: Final = retry(2)
LATER: Final = retry(5)
