"""`hub.metrics.text`: a format that whoever asks can read."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from hub.core.histogram import Histogram
from hub.metrics.families import counter, gauge, histogram, info
from hub.metrics.text import text_of
from tests.support.figures import OPENMETRICS

PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def measured(*values: float) -> Histogram:
    made = Histogram((0.5, 1))
    for value in values:
        made.observe(value)
    return made


FAMILIES = [
    info("hub_build", "What runs.", {"version": "1"}),
    counter("hub_things_total", 'Things, "quoted"\\ and\nbroken.', {"a": 1, "b": 2}, "kind"),
    counter("hub_pairs_total", "Pairs.", {("x", "y"): 3}, "one", "other"),
    gauge("hub_level", "A level.", 4),
    histogram("hub_wait_seconds", "Waits.", measured(0.1, 0.5, 0.7, 9)),
]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/html", PLAIN),
        ("application/json", PLAIN),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", PLAIN),
        (",;=,;;version", PLAIN),
        ("application/openmetrics-textual", PLAIN),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; version=nonsense", OPENMETRICS),
        ("text/plain;q=0.2, application/openmetrics-text;version=9.9.9;q=0.5", OPENMETRICS),
    ],
)
def test_whatever_is_accepted_the_text_is_of_the_kind_it_says(accept: str, kind: str) -> None:
    text, said = text_of(FAMILIES, accept)
    assert kind == said
    parse = read_openmetrics if said == OPENMETRICS else read_text
    found = {s.name + str(s.labels): s.value for f in parse(text.decode()) for s in f.samples}
    assert {
        "hub_build_info{'version': '1'}": 1,
        "hub_things_total{'kind': 'a'}": 1,
        "hub_things_total{'kind': 'b'}": 2,
        "hub_pairs_total{'one': 'x', 'other': 'y'}": 3,
        "hub_level{}": 4,
        "hub_wait_seconds_bucket{'le': '0.5'}": 2,
        "hub_wait_seconds_bucket{'le': '1.0'}": 3,
        "hub_wait_seconds_bucket{'le': '+Inf'}": 4,
        "hub_wait_seconds_count{}": 4,
        "hub_wait_seconds_sum{}": 10.3,
    } == found
