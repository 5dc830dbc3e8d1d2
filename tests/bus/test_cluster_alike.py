"""`hub.bus.cluster`: what a bus promises on one server it keeps on a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.bus.redis import RedisBus, open_bus
from tests.support.shards import ShardCluster

from .test_listener import (
    test_a_listener_is_left_at_once_at_any_moment,
    test_a_listener_that_hears_is_not_deaf,
    test_after_subscribe_returned_everything_is_heard_in_order,
    test_many_rooms_subscribed_at_once_are_all_heard,
    test_rooms_that_are_not_subscribed_are_not_heard,
)
from .test_lives import test_who_said_bye_is_not_dead
from .test_presence import (
    test_thousands_in_one_room_are_kept_whole,
    test_what_a_gateway_says_replaces_what_it_said,
)
from .test_redis import (
    test_a_draft_grows_piece_by_piece,
    test_a_draft_of_which_a_piece_was_lost_is_whole_again,
    test_a_draft_that_redis_forgot_is_whole_again,
    test_a_higher_attempt_begins_the_draft_anew,
    test_a_lower_attempt_is_refused_and_not_heard,
    test_a_run_to_be_cut_short_is_told_to_every_worker,
    test_a_run_wakes_one_worker,
    test_a_ticket_works_once,
    test_a_waiting_worker_is_woken_at_once,
    test_drafts_are_told_for_the_runs_that_have_one,
    test_runs_woken_before_any_worker_came_are_not_lost,
    test_what_is_appended_is_published,
)

__all__ = [
    "test_a_draft_grows_piece_by_piece",
    "test_a_draft_of_which_a_piece_was_lost_is_whole_again",
    "test_a_draft_that_redis_forgot_is_whole_again",
    "test_a_higher_attempt_begins_the_draft_anew",
    "test_a_listener_is_left_at_once_at_any_moment",
    "test_a_listener_that_hears_is_not_deaf",
    "test_a_lower_attempt_is_refused_and_not_heard",
    "test_a_run_to_be_cut_short_is_told_to_every_worker",
    "test_a_run_wakes_one_worker",
    "test_a_ticket_works_once",
    "test_a_waiting_worker_is_woken_at_once",
    "test_after_subscribe_returned_everything_is_heard_in_order",
    "test_drafts_are_told_for_the_runs_that_have_one",
    "test_many_rooms_subscribed_at_once_are_all_heard",
    "test_rooms_that_are_not_subscribed_are_not_heard",
    "test_runs_woken_before_any_worker_came_are_not_lost",
    "test_thousands_in_one_room_are_kept_whole",
    "test_what_a_gateway_says_replaces_what_it_said",
    "test_what_is_appended_is_published",
    "test_who_said_bye_is_not_dead",
]


@pytest.fixture
async def bus(shards: ShardCluster, prefix: str) -> AsyncIterator[RedisBus]:
    """Instead of the one on a single server."""
    async with open_bus(shards.url, prefix, "bus") as opened:
        yield opened
