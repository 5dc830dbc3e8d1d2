"""permessage-deflate (RFC 7692) for frames that many clients share.

A message is compressed once for everybody, which is only right when no client's window reaches
back beyond it: `server_no_context_takeover` is always agreed on, and a client that wants a smaller
window than ours is served uncompressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from websockets.exceptions import NegotiationError
from websockets.extensions import Extension, ServerExtensionFactory
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.typing import ExtensionName, ExtensionParameter

from hub.wire.frames import WINDOW_BITS

_SMALLER: Final = "our window is larger than the client's"


class SharedDeflate(ServerExtensionFactory):
    """Agrees on compression without context takeover in either direction."""

    name = ExtensionName("permessage-deflate")

    def process_request_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        factory = ServerPerMessageDeflateFactory(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=WINDOW_BITS,
            compress_settings={"memLevel": 5},
        )
        answer, extension = factory.process_request_params(params, accepted_extensions)
        if extension.local_max_window_bits < WINDOW_BITS:
            raise NegotiationError(_SMALLER)
        return answer, extension
