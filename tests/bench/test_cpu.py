"""What a process has computed, from /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from hub.bench.cpu import cpu_s, family

SPIN = "import sys\nwhile True: sys.stdout.write('.'); sys.stdout.flush()"


def test_computing_is_counted_while_it_goes_on() -> None:
    before = cpu_s([os.getpid()])
    while time.process_time() < before + 0.1:
        pass
    assert before + 0.05 < cpu_s([os.getpid()])


def test_a_family_is_a_process_and_what_it_started() -> None:
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        try:
            assert {os.getpid(), child.pid} <= set(family(os.getpid()))
            assert os.getpid() not in family(child.pid)
        finally:
            child.kill()


def test_a_process_that_has_ended_counts_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert 0.0 == cpu_s([child.pid])
