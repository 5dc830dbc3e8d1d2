"""`deploy/prometheus.yml` and `deploy/alerts.yml`: what they name is told, and alerts come when
they must, as Prometheus' own tool has it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.figures import scrape
from tests.support.hub import HubProcess

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
SERIES: Final = Path(__file__).parent / "data" / "alerts_test.yml"
OF_MANY: Final = {"hub_process_up"}  # told where several processes share a port


def promtool(*arguments: str, folder: Path, given: str = "") -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    ran = subprocess.run(
        [program, *arguments], cwd=folder, input=given, capture_output=True, text=True, timeout=60
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert not given or "" == ran.stdout + ran.stderr  # what it would have otherwise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files as they lie beside each other on a machine."""
    for path in (DEPLOY / "prometheus.yml", DEPLOY / "alerts.yml", SERIES):
        shutil.copy(path, tmp_path)
    (tmp_path / "metrics.token").write_text("what HUB_METRICS_TOKEN is")
    return tmp_path


def test_every_figure_that_an_alert_names_is_told(hub: HubProcess) -> None:
    found = scrape(hub.address).families
    told = {s.name for family in found.values() for s in family.samples} | set(found)
    told |= {f"{name}_total" for name, family in found.items() if family.type == "counter"}
    named = set(re.findall(r"\b(?:hub|process)_[a-z_]+\b", (DEPLOY / "alerts.yml").read_text()))
    assert len(named) > 15
    assert set() == named - told - OF_MANY


def test_every_alert_is_tried() -> None:
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text())
    tried = SERIES.read_text()
    assert alerts
    for alert in alerts:
        assert f"alertname: {alert}, exp_alerts: []" in tried
        assert f'alertname="{alert}"' in tried


def test_prometheus_can_read_them(folder: Path) -> None:
    promtool("check", "config", "prometheus.yml", folder=folder)


def test_who_is_well_alerts_nobody_and_what_goes_wrong_is_alerted(folder: Path) -> None:
    promtool("test", "rules", SERIES.name, folder=folder)


def test_prometheus_has_nothing_against_what_is_told(hub: HubProcess, tmp_path: Path) -> None:
    text = httpx.get(f"{hub.address}/metrics", trust_env=False).text
    promtool("check", "metrics", folder=tmp_path, given=text)
