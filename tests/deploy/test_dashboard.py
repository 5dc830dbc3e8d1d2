"""`deploy/dashboard.json`: what its panels ask for is told, and can be asked."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.test_alerts import DEPLOY, promtool
from tests.support.figures import scrape
from tests.support.hub import HubProcess

WIDTH: Final = 24
OF_PROMETHEUS: Final = {"instance", "job"}
NAME: Final = re.compile(r"\b(?:hub|process)_[a-z_]+\b")
SELECTOR: Final = re.compile(r"\b((?:hub|process)_[a-z_]+)\{([^}]*)\}")
MATCHED: Final = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
GROUPED: Final = re.compile(r"\bby \(([^)]*)\)")

DASHBOARD: Final[dict[str, Any]] = json.loads((DEPLOY / "dashboard.json").read_text())
PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES: Final = [target["expr"] for panel in PANELS for target in panel["targets"]]
VARIABLES: Final = {each["name"]: each for each in DASHBOARD["templating"]["list"]}


@pytest.fixture
def told(hub: HubProcess) -> dict[str, set[str]]:
    """The labels of every figure that a hub tells; of one that has no values yet none are known."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, family in scrape(hub.address).families.items():
        found[name] = found[f"{name}_total" if family.type == "counter" else name]
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return found


def test_every_figure_that_a_panel_names_is_told(told: dict[str, set[str]]) -> None:
    named = set(NAME.findall(json.dumps(DASHBOARD)))
    assert len(named) > 40
    assert set() == named - set(told)


def test_every_label_that_a_panel_asks_for_is_told(told: dict[str, set[str]]) -> None:
    for query in QUERIES:
        there = set(OF_PROMETHEUS)
        for name, matchers in SELECTOR.findall(query):
            there |= told[name]
            if told[name]:
                assert set(MATCHED.findall(matchers)) <= told[name] | OF_PROMETHEUS, query
        if all(told[name] for name in NAME.findall(query)):
            for labels in GROUPED.findall(query):
                assert set(re.split(r",\s*", labels)) <= there, query


def test_every_query_is_of_the_instances_that_were_chosen() -> None:
    for query in QUERIES:
        selected = [matchers for _, matchers in SELECTOR.findall(query)]
        assert len(selected) == len(NAME.findall(query)), query
        assert all('instance=~"$instance"' in matchers for matchers in selected), query
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(DASHBOARD)))
    assert {"datasource", "job", "instance"} == used & set(VARIABLES) == set(VARIABLES)


def test_every_panel_says_what_it_means_and_in_which_unit() -> None:
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert "${datasource}" == panel["datasource"]["uid"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0, panel["title"]


def test_panels_stand_beside_each_other() -> None:
    everything = DASHBOARD["panels"]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    places = [panel["gridPos"] for panel in everything]
    assert all(0 <= at["x"] and at["x"] + at["w"] <= WIDTH for at in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(QUERIES)
    ]
    group = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "rules.yml").write_text(json.dumps(group))  # which is YAML too
    promtool("check", "rules", "rules.yml", folder=tmp_path)
