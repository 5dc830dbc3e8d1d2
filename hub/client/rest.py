"""The REST calls of a hub. Objects come back as dicts in the shapes of the API."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx

from hub.client.errors import Unreachable, hub_error
from hub.core.errors import HubError
from hub.core.values import Json

TIMEOUT_S: Final = 60.0
PAGE: Final = 200


class RoomhubClient:
    """A hub through one key. Every call raises the hub's HubError (its `code` says which), or
    Unreachable when no hub answered. Made by `open_client`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    # Rooms.

    async def create_room(
        self,
        name: str,
        *,
        description: str = "",
        private: bool = True,
        members: Sequence[Json] = (),
    ) -> Json:
        """A room with its `members`, each given as `{type, id, role?, engagement?}`."""
        body = {"name": name, "description": description, "private": private}
        return await self._call("POST", "/v1/rooms", body | {"initial_members": list(members)})

    async def rooms(self, *, whole_tenant: bool = False) -> list[Json]:
        """The caller's rooms, newest first; an admin may see all of the tenant's."""
        query = {"scope": "tenant"} if whole_tenant else {}
        return [room async for room in self._list("/v1/rooms", query)]

    async def room(self, room_id: str) -> Json:
        """A room with its `members` and `recent_messages`."""
        return await self._call("GET", f"/v1/rooms/{room_id}")

    async def change_room(self, room_id: str, changes: Json) -> Json:
        return await self._call("PATCH", f"/v1/rooms/{room_id}", changes)

    async def archive_room(self, room_id: str) -> Json:
        return await self._call("DELETE", f"/v1/rooms/{room_id}")

    async def add_member(self, room_id: str, member: Json) -> Json:
        return await self._call("POST", f"/v1/rooms/{room_id}/members", member)

    async def remove_member(self, room_id: str, participant_id: str) -> Json:
        return await self._call("DELETE", f"/v1/rooms/{room_id}/members/{participant_id}")

    # Messages.

    async def post(
        self,
        room_id: str,
        content: str,
        *,
        mention: Sequence[Json] = (),
        client_id: str | None = None,
    ) -> Json:
        """The stored message with the `runs` it started. The same `client_id` again gives the
        first result; `mention` is a list of `{type, id}`."""
        body = _post(content, mention, client_id)
        return await self._call("POST", f"/v1/rooms/{room_id}/messages", body)

    async def reply(
        self,
        room_id: str,
        message_id: str,
        content: str,
        *,
        mention: Sequence[Json] = (),
        client_id: str | None = None,
    ) -> Json:
        """As `post`, in the thread of a message."""
        body = _post(content, mention, client_id)
        return await self._call("POST", f"/v1/rooms/{room_id}/messages/{message_id}/reply", body)

    async def message(self, room_id: str, message_id: str) -> Json:
        return await self._call("GET", f"/v1/rooms/{room_id}/messages/{message_id}")

    async def messages(
        self,
        room_id: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> list[Json]:
        """One page in rising order of seq: the newest, or those next to a seq."""
        query = {"before": before, "after": after, "limit": limit}
        return await self._page(f"/v1/rooms/{room_id}/messages", query)

    async def edit(self, room_id: str, message_id: str, content: str) -> Json:
        """One's own message with another text."""
        path = f"/v1/rooms/{room_id}/messages/{message_id}"
        return await self._call("PATCH", path, {"content": content})

    async def delete(self, room_id: str, message_id: str) -> Json:
        """What is left of a message once its text is erased."""
        return await self._call("DELETE", f"/v1/rooms/{room_id}/messages/{message_id}")

    async def react(
        self, room_id: str, message_id: str, emoji: str, *, present: bool = True
    ) -> Json:
        """The message with one's reaction added or taken back."""
        path = f"/v1/rooms/{room_id}/messages/{message_id}/reactions/{quote(emoji, safe='')}"
        return await self._call("PUT" if present else "DELETE", path)

    async def search(
        self, words: str, *, room_id: str | None = None, limit: int = 50
    ) -> list[Json]:
        """Messages with all the words, newest first, in one room or in all one is in."""
        return await self._page("/v1/search", {"q": words, "room_id": room_id, "limit": limit})

    async def thread(self, room_id: str, message_id: str) -> list[Json]:
        """The root first, then every reply."""
        path = f"/v1/rooms/{room_id}/messages/{message_id}/thread"
        return [message async for message in self._list(path, {})]

    async def events(self, room_id: str, *, since: int = 0) -> list[Json]:
        """The room's whole log after seq `since`."""
        return [each async for each in self.log(room_id, since=since)]

    async def log(
        self, room_id: str, *, since: int = 0, epoch: str | None = None
    ) -> AsyncIterator[Json]:
        """As `events`, each as soon as its page is read; none when the log has another epoch."""
        query = {"since": since, "epoch": epoch}
        async for each in self._list(f"/v1/rooms/{room_id}/events", query):
            yield each

    # Runs.

    async def run(self, run_id: str) -> Json:
        return await self._call("GET", f"/v1/runs/{run_id}")

    async def runs(self, room_id: str) -> AsyncIterator[Json]:
        """Every run of a room, newest first."""
        async for run in self._list(f"/v1/rooms/{room_id}/runs", {}):
            yield run

    async def cancel_run(self, run_id: str) -> Json:
        """Ask for a run's end: one that is being written ends within moments."""
        return await self._call("POST", f"/v1/runs/{run_id}/cancel")

    async def retry_run(self, run_id: str) -> Json:
        """The run that does the work of one that did not succeed again."""
        return await self._call("POST", f"/v1/runs/{run_id}/retry")

    # Participants and keys.

    async def me(self) -> Json:
        """`{participant, tenant, role, key_id, expires_at}` of the key in use."""
        return await self._call("GET", "/v1/me")

    async def participants(self) -> list[Json]:
        """Everybody of the tenant who is in use."""
        return [each async for each in self._list("/v1/participants", {})]

    async def participant(self, participant_id: str) -> Json:
        return await self._call("GET", f"/v1/participants/{participant_id}")

    async def create_participant(self, body: Json) -> Json:
        """`body` is `{type, id, name, handle?, driver?}`."""
        return await self._call("POST", "/v1/participants", body)

    async def disable_participant(self, participant_id: str) -> Json:
        """Take a participant out of use; its keys stop working."""
        return await self._call("DELETE", f"/v1/participants/{participant_id}")

    async def keys(self) -> list[Json]:
        """The caller's keys; for an admin those of the tenant, revoked ones included."""
        return [each async for each in self._list("/v1/api-keys", {})]

    async def create_key(self, body: Json) -> Json:
        """`body` is `{name, participant_id?, role?, expires_at?}`; `key` of the answer is shown
        this once."""
        return await self._call("POST", "/v1/api-keys", body)

    async def revoke_key(self, key_id: str) -> Json:
        """End a key; connections that use it are closed within a second."""
        return await self._call("DELETE", f"/v1/api-keys/{key_id}")

    async def audit(self) -> AsyncIterator[Json]:
        """Who did what in the tenant, newest first; for an admin."""
        async for record in self._list("/v1/audit-log", {}):
            yield record

    # Models.

    async def models(self) -> list[Json]:
        """Every model the caller can use, personas included; an admin also sees whose it is."""
        found: list[Json] = (await self._request("GET", "/v1/models"))["data"]
        return found

    async def put_model(self, slug: str, body: Json) -> Json:
        """Map a model: `base_url` or `alias_of`, `api_key`, `context_window`, …"""
        return await self._call("PUT", f"/v1/models/{quote(slug)}", body)

    async def delete_model(self, slug: str) -> Json:
        return await self._call("DELETE", f"/v1/models/{quote(slug)}")

    async def complete(self, body: Json) -> Json:
        """A stateless chat completion in OpenAI's shape, not streamed; it is not stored."""
        asked = {**body, "stream": False}
        return await self._request("POST", "/v1/chat/completions", body=asked, holds="choices")

    # How.

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        data: Json = (await self._request(method, path, body=body))["data"]
        return data

    async def _page(self, path: str, query: Mapping[str, Any]) -> list[Json]:
        items: list[Json] = (await self._request("GET", path, query=query))["data"]["items"]
        return items

    async def _list(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[Json]:
        """Every item of a list, page by page."""
        cursor = None
        while True:
            asked = {**query, "limit": PAGE, "cursor": cursor}
            answer = await self._request("GET", path, query=asked)
            for item in answer["data"]["items"]:
                yield item
            cursor = answer["pagination"]["next_cursor"]
            if cursor is None:
                return

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, Any] | None = None,
        holds: str = "data",
    ) -> Json:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = await self._http.request(method, path, json=body, params=params)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"no answer from {self._http.base_url}: {why}") from error
        return _content(answer, holds)


def _post(content: str, mention: Sequence[Json], client_id: str | None) -> Json:
    body: Json = {"content": content, "mention": list(mention)}
    return body | ({"client_id": client_id} if client_id else {})


def _content(answer: httpx.Response, holds: str) -> Json:
    """The object of an answer, which has the field `holds`; the HubError of one that refuses."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if answer.is_success and isinstance(content, dict) and holds in content:
        return content
    error = content.get("error") if isinstance(content, dict) else None
    if isinstance(error, dict):
        raise hub_error(error)
    raise HubError(f"no hub answered: HTTP {answer.status_code} from {answer.url.host}")


@contextlib.asynccontextmanager
async def open_client(
    address: str,
    token: str,
    *,
    timeout_s: float = TIMEOUT_S,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[RoomhubClient]:
    """The REST calls of the hub at `address` (`http://…`) with a key. `timeout_s` is for each
    read; `transport` stands in for the network. Proxies of the environment are not used."""
    async with httpx.AsyncClient(
        base_url=address,
        headers={"Authorization": f"Bearer {token}"},
        timeout=timeout_s,
        transport=transport,
        trust_env=False,
    ) as http:
        yield RoomhubClient(http)
