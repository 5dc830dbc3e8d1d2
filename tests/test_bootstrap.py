"""`hub.bootstrap`: what a first start leaves in the data directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hub.bootstrap import first_start, prepare_database
from hub.settings import Settings
from hub.store.opening import open_store


async def test_the_admins_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    prepare_database(settings)
    mask = os.umask(0)
    try:
        async with open_store(settings.database) as store:
            assert await first_start(settings, store, demo=False)
    finally:
        os.umask(mask)
    assert 0o600 == stat.S_IMODE((tmp_path / "admin.key").stat().st_mode)
