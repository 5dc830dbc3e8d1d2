"""`hub.settings`: the one reader of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from hub.settings import SettingsError, load, unread


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No HUB_ variable of whoever runs the tests."""
    import os

    for name in [name for name in os.environ if name.startswith("HUB_")]:
        monkeypatch.delenv(name)


def write(folder: Path, text: str) -> str:
    path = folder / "hub.toml"
    path.write_text(text)
    return str(path)


def test_the_defaults_are_those_of_the_contract() -> None:
    found = load()
    assert (found.host, found.port, found.data_dir) == ("127.0.0.1", 8000, Path(".hub"))
    assert (found.redis_url, found.database_url, found.allowed_origins) == (None, None, ())
    assert (found.log_level, found.log_format) == ("info", "console")
    assert (found.lease_s, found.lease_renew_s, found.sweep_s) == (15, 5, 5)
    assert (found.run_deadline_s, found.delta_flush_s, found.heartbeat_s) == (120, 0.04, 25)
    assert (found.head_check_s, found.unsubscribe_delay_s, found.drain_s) == (5, 10, 15)
    assert found.pending_bytes == 1 << 20


def test_the_database_lies_in_the_data_directory_unless_one_is_named(tmp_path: Path) -> None:
    assert load(data_dir=tmp_path).database == f"sqlite:///{tmp_path / 'hub.db'}"
    assert load(database_url="sqlite:////x/y.db").database == "sqlite:////x/y.db"


def test_command_line_wins_over_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "HUB_CONFIG", write(tmp_path, 'host = "file"\nport = 1\nlog_level = "error"')
    )
    monkeypatch.setenv("HUB_HOST", "environment")
    monkeypatch.setenv("HUB_PORT", "2")
    found = load(port=3, host=None)
    assert (found.log_level, found.host, found.port) == ("error", "environment", 3)


def test_a_list_in_the_environment_is_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUB_ALLOWED_ORIGINS", "https://a.example, https://b.example,")
    assert load().allowed_origins == ("https://a.example", "https://b.example")


def test_a_model_has_keys_fallbacks_and_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    [models.a]
    base_url = "http://a"
    api_key_env = ["ONE", "TWO"]
    fallbacks = ["b"]
    price = {prompt = 2.5, completion = 10}
    [models.b]
    base_url = "http://b"
    api_key_env = "ONE"
    """
    monkeypatch.setenv("HUB_CONFIG", write(tmp_path, text))
    a, b = load().models["a"], load().models["b"]
    assert (("ONE", "TWO"), ("ONE",), ("b",)) == (a.api_key_env, b.api_key_env, a.fallbacks)
    assert a.price is not None
    assert (2.5, 10, None) == (a.price.prompt, a.price.completion, b.price)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("price = {prompt = -1, completion = 1}", "models.a.price.prompt"),
        ("price = {prompt = 1}", "models.a.price.completion"),
        ("retries = 99", "models.a.retries"),
        ("timeout_s = 0", "models.a.timeout_s"),
        ('max_tokens_field = "tokens"', "models.a.max_tokens_field"),
        ('api_key = "sk"', "models.a.api_key"),
    ],
)
def test_a_model_that_is_set_wrong_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, name: str
) -> None:
    text = f'[models.a]\nbase_url = "http://a"\n{line}'
    monkeypatch.setenv("HUB_CONFIG", write(tmp_path, text))
    with pytest.raises(SettingsError, match=name):
        load()


def test_models_come_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    allowed_origins = ["https://a.example"]
    [models."acme/large"]
    base_url = "http://127.0.0.1:9/v1"
    context_window = 4096
    """
    monkeypatch.setenv("HUB_CONFIG", write(tmp_path, text))
    found = load()
    assert found.models["acme/large"].context_window == 4096
    assert found.allowed_origins == ("https://a.example",)


@pytest.mark.parametrize("unknown", ["webhooks", "portt"])
def test_a_setting_in_the_file_that_would_do_nothing_is_refused(
    unknown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_CONFIG", write(tmp_path, f'{unknown} = "x"'))
    with pytest.raises(SettingsError, match=unknown):
        load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_PORT", "eighty"),
        ("HUB_PORT", "65536"),
        ("HUB_PORT", "-1"),
        ("HUB_LOG_LEVEL", "loud"),
        ("HUB_REDIS_URL", "http://127.0.0.1"),
        ("HUB_COMMANDS_PER_S", "0"),
        ("HUB_REDIS_URL", "redis://127.0.0.1:port/0"),
        ("HUB_ALLOWED_ORIGINS", "https://a.example,chat.example"),
        ("HUB_ALLOWED_ORIGINS", "https://a.example/"),
        ("HUB_REDIS_PREFIX", "hub{a"),
        ("HUB_REDIS_PREFIX", "my hub"),
        ("HUB_REDIS_PREFIX", ""),
        ("HUB_LEASE_S", "long"),
        ("HUB_LEASE_S", "-1"),
        ("HUB_LEASE_RENEW_S", "15"),
        ("HUB_HEARTBEAT_S", "0"),
        ("HUB_DRAIN_S", "nan"),
        ("HUB_PENDING_BYTES", "0"),
    ],
)
def test_a_setting_that_is_wrong_is_named_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["host = ", 'hots = "x"', "[models.x]\nurl = 1", '[models.x]\nbase_url = "a"\nx = 1']
)
def test_a_file_that_is_wrong_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_CONFIG", write(tmp_path, text))
    with pytest.raises(SettingsError) as caught:
        load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b'host = "\xe9"'])
def test_a_file_in_another_encoding_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub.toml").write_bytes(content)
    monkeypatch.setenv("HUB_CONFIG", str(tmp_path / "hub.toml"))
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load()


def test_variables_that_nothing_reads_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[models.x]\nbase_url = "http://a"\napi_key_env = "HUB_KEY_OF_X"'
    monkeypatch.setenv("HUB_CONFIG", write(tmp_path, text))
    for name in ("HUB_PORT", "HUB_KEY_OF_X", "HUB_DATABSE_URL", "OTHER"):
        monkeypatch.setenv(name, "1")
    assert ["HUB_DATABSE_URL"] == unread(load())


def test_a_file_that_is_not_there_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError, match="there is no file"):
        load()


@pytest.mark.parametrize(
    "value",
    [
        "", "redis://h:1/0", "rediss://h", "unix:///run/v.sock",
        "redis+cluster://h", "rediss+cluster://u:p@h:1,[::1]:2,[::2]/?ssl_ca_certs=ca.pem",
        "redis+sentinel://h/main", "rediss+sentinel://u:p@h:1,[::1]:2,[::2]/main/3?sentinel_password=a",
    ],
)  # fmt: skip
def test_a_redis_url_has_a_scheme_that_redis_knows(value: str) -> None:
    assert load(redis_url=value).redis_url == (value or None)


@pytest.mark.parametrize(
    "value",
    [
        "redis+sentinel://", "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel:///main",
        "redis+sentinel://h,/main", "redis+sentinel://h:x,i/main", "redis+sentinel://h:99999/main",
        "redis+sentinel://h:0/main", "redis+sentinel://[::1/main", "redis+sentinel://h/main/a",
        "redis+sentinel://h/main/",
    ],
)  # fmt: skip
def test_a_url_of_sentinels_that_cannot_work_is_refused_with_one_that_does(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(redis_url=value)
    told = str(refused.value)
    assert "HUB_REDIS_URL" in told
    assert "redis+sentinel://host:26379,host2:26379/mymaster" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "value",
    [
        "redis+cluster://", "redis+cluster:///", "redis+cluster://h,", "redis+cluster://h:x,i",
        "redis+cluster://h:99999", "redis+cluster://h:0", "redis+cluster://[::1",
        "redis+cluster://h/1", "rediss+cluster://h/main",
    ],
)  # fmt: skip
def test_a_url_of_a_cluster_that_cannot_work_is_refused_with_one_that_does(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(redis_url=value)
    told = str(refused.value)
    assert "HUB_REDIS_URL" in told
    assert "redis+cluster://host:6379,host2:6379" in told
    assert "\n" not in told


@pytest.mark.parametrize("value", ["short", "with a space in the middle", "tokén-of-16-letters"])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_METRICS_TOKEN", value)
    with pytest.raises(SettingsError, match=r"HUB_METRICS_TOKEN, .* at least 16") as refused:
        load()
    assert value not in str(refused.value)


def test_metrics_have_no_token_and_no_port_of_their_own_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (None, None) == (load().metrics_token, load().metrics_port)
    monkeypatch.setenv("HUB_METRICS_TOKEN", "")
    assert load().metrics_token is None


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load().port = 1  # type: ignore[misc]


JWKS = {
    "HUB_JWT_JWKS_URL": "https://id.example/jwks",
    "HUB_JWT_ISSUER": "https://id.example",
    "HUB_JWT_AUDIENCE": "https://hub.example",
}


@pytest.mark.parametrize("value", ["a" * 32, "ü" * 16, "with spaces in it, and quite long"])
def test_tokens_are_signed_with_a_secret_of_some_length(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_JWT_SECRET", value)
    assert (value, "roomhub") == (load().jwt_secret, load().token_audience)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a" * 31, "at least 32 bytes"),
        ("-----BEGIN PUBLIC KEY-----" + "a" * 32, "not a key"),
        ('{"kty":"RSA","n":"0123456789abcdef"}', "not a key"),
        ("ssh-ed25519 " + "A" * 60, "not a key"),
    ],
)
def test_a_secret_that_others_may_know_is_refused_and_not_shown(
    value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_JWT_SECRET", value)
    with pytest.raises(SettingsError, match=f"HUB_JWT_SECRET, .*{why}") as refused:
        load()
    assert value not in str(refused.value)


@pytest.mark.parametrize("missing", ["HUB_JWT_ISSUER", "HUB_JWT_AUDIENCE"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_key_set_needs_to_know_whose_tokens_for_whom(
    missing: str, empty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in JWKS.items():
        monkeypatch.setenv(name, value)
    assert JWKS["HUB_JWT_AUDIENCE"] == load().token_audience
    if empty:
        monkeypatch.setenv(missing, "")
    else:
        monkeypatch.delenv(missing)
    with pytest.raises(SettingsError, match=f"HUB_JWT_JWKS_URL, .* needs {missing}"):
        load()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/jwks", "http://localhost/jwks", "http://[::1]:1/jwks",
        "https://id.example", "https://id.example:8443/realms/a/certs?x=1", "",
    ],
)  # fmt: skip
def test_keys_come_from_where_nobody_can_change_them(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (JWKS | {"HUB_JWT_JWKS_URL": url}).items():
        monkeypatch.setenv(name, value)
    assert (url or None) == load().jwt_jwks_url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example/jwks", "http://10.0.0.1/jwks", "http://127.0.0.1.example/jwks",
        "http://localhost.example/", "ftp://id.example/", "https://", "id.example/jwks", "jwks",
        "https://user:pw@id.example/jwks", "https://id.example/#a", "https://id.example:port/",
        "https://id.example/a b", "https://id.example/\n", "file:///etc/passwd", "https://[::1/",
    ],
)  # fmt: skip
def test_keys_from_anywhere_else_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (JWKS | {"HUB_JWT_JWKS_URL": url}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"HUB_JWT_JWKS_URL, .* must be like https://"):
        load()


def test_tokens_are_set_up_in_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f'{name.removeprefix("HUB_").lower()} = "{value}"' for name, value in JWKS.items()]
    monkeypatch.setenv("HUB_CONFIG", write(tmp_path, "\n".join(lines)))
    assert JWKS["HUB_JWT_JWKS_URL"] == load().jwt_jwks_url


def test_nobody_signs_tokens_unless_somebody_is_named() -> None:
    assert (None, None) == (load().jwt_secret, load().jwt_jwks_url)


@pytest.mark.parametrize("name", ["HUB_JWT_ISSUER", "HUB_JWT_AUDIENCE"])
def test_a_name_with_spaces_around_it_is_a_mistake(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, " roomhub")
    with pytest.raises(SettingsError, match=f"{name}, "):
        load()
