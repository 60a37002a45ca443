"""Every option: the sources of its value, the values that it accepts, and its errors."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.settings import (
    DEFAULT_PREDICTION_KEYS,
    DEFAULT_TRAINING_KEYS,
    SettingError,
    Settings,
    load_settings,
)
from emulator.settings.option_fields import options
from emulator.settings.readers import read_resource_id

OPTIONS = options(Settings)
REFUSED = {
    "host": ["", "a b", "http://localhost", "host/path"],
    "port": ["", "-1", "65536", "80.0", "1e3", " 80", "٣", "8" * 5000],
    "data": ["", "a\0b", "~nobody-has-this-name/x"],
    "ephemeral": ["maybe", "2"],
    "accept_data_loss": ["maybe", "2"],
    "seed_data": ["", "a\0b"],
    "import_folder": ["", "a\0b"],
    "export_on_exit": ["", "a\0b"],
    "public_url": [
        "localhost:80",
        "ftp://host",
        "http://",
        "http://u:p@host",
        "http://h?q",
        "http://h:99999",
    ],
    "training_keys": ["", ",", "one,", "one,two,three", "with space", "schlüssel", "k" * 513],
    "prediction_keys": ["", "a\nb"],
    "keys_file": ["", "does-not-exist"],
    "multi_service": ["maybe"],
    "entra": ["", "on"],
    "role_assignments": ["", "anna", "=Reader", "anna="],
    "prediction_resource_id": ["", "prediction", "/subscriptions/1/resourceGroups/2", "/a/b/c/d/e/f/g/h"],
    "url_fetch": ["", "private"],
    "tier": ["", "f1", "S 0"],
    "cors_origins": ["", "app.example", "https://host/path", "https://*.host"],
    "https": ["", "on", "force"],
    "https_port": ["", "-1", "65536", "https"],
    "https_authority": ["", "a\0b"],
    "certificate": ["", "a\0b"],
    "certificate_key": ["", "a\0b"],
    "trusted_proxies": ["", "proxy.example", "10.0.0.1/8", "10.0.0.0/33", "*"],
    "allowed_hosts": ["", "host:80", "https://host", "a..b", "*.*.host", "*.", "h\u00f6st"],
    "url_allow": ["", "http://host", "10.0.0.0/33", "a b", "host:0", "host:x", "user@host"],
    "url_map": ["", "https://host", "host=.", "https://host=does-not-exist", "=."],
    "upstream": [
        "",
        "host",
        "http://name.cognitiveservices.azure.com",
        "https://user@host",
        "ftp://host",
        "http://a\u2028b",
        "http://[\xe4",
        f"http://{70 * chr(228)}.com",
    ],
    "upstream_mode": ["", "playback"],
    "blobs": ["", "bucket", "s3://", "file://host/folder", "file:///", "s3://key@bucket", "az://c?sig=x"],
    "cluster": [
        "",
        "host:8786",
        "tcp://host",
        "tcp://host:0",
        "tcp://host:99999",
        "tcp://user@host:1",
        "tcp://a host:1",
        "tcp://a%20host:1",
        "tcp://h:1/a",
        "http://host:8786",
    ],
    "cluster_jobs": ["0", "257"],
    "database": [
        "",
        "host",
        "mysql://host/name",
        "postgresql://host",
        "postgresql:///",
        "postgresql://host:0/name",
    ],
    "allow_upstream_writes": ["maybe"],
    "max_body_mb": ["0", "4097", "ten"],
    "image_uri_hours": ["0", "1.5"],
    "prediction_days": ["0", "never"],
    "most_predictions": ["-1", "many"],
    "least_free_mb": ["-1", "1.5"],
    "trainer": ["", "fast"],
    "training_hour": ["0", "3601", "1h"],
    "quick_training_seconds": ["-1", "3601", "1.5"],
    "seed": ["-1", str(2**32)],
    "number_format": ["", "bfloat", "16"],
    "id_seed": ["-1", str(2**32), "random"],
    "log_level": ["", "loud"],
    "access_log": ["maybe"],
    "profile": ["", "office"],
    "log_format": ["xml"],
    "log_file": ["", "\0"],
    "log_file_mb": ["0", "1.5"],
    "metrics": ["maybe"],
    "metrics_otlp": ["maybe"],
    "traces": ["maybe"],
    "request_log": ["-1", "100001", "all"],
    "strict": ["maybe"],
    "open_portal": ["perhaps"],
    "quiet": ["perhaps"],
}
ACCEPTED = {
    "host": [("localhost", "localhost"), ("[::1]", "::1"), ("0.0.0.0", "0.0.0.0")],
    "port": [("0", 0), ("65535", 65535)],
    "ephemeral": [("1", True), ("TRUE", True), ("off", False), ("no", False)],
    "accept_data_loss": [("yes", True), ("0", False)],
    "multi_service": [("yes", True), ("0", False)],
    "cluster": [("tcp://10.0.0.7:8786",) * 2, ("tls://scheduler:1",) * 2],
    "blobs": [("az://container/prefix",) * 2, ("file:///folder",) * 2],
    "database": [("postgres://user@host:5433/name?sslmode=require",) * 2],
    "export_on_exit": [("off", None), ("/exported", Path("/exported").absolute())],
    "public_url": [("https://host/base/", "https://host/base"), ("http://[::1]:80", "http://[::1]:80")],
    "training_keys": [("one", ("one", "one")), ("one,two", ("one", "two")), ("one, two", ("one", "two"))],
    "entra": [("Basic", "basic")],
    "role_assignments": [("anna=Reader, a=b = Trainer", (("anna", "Reader"), ("a=b", "Trainer")))],
    "url_fetch": [("OFF", "off")],
    "upstream": [
        ("https://Ex\xe4mple.com:8443/a", "https://xn--exmple-cua.com:8443/a"),
        ("http://127.0.0.1:80/customvision/v3.3", "http://127.0.0.1:80"),
    ],
    "trusted_proxies": [("10.0.0.7, 172.16.0.0/12,[::1]", ("10.0.0.7/32", "172.16.0.0/12", "::1/128"))],
    "allowed_hosts": [("Vision.example,*.tunnel.example,*", ("vision.example", "*.tunnel.example", "*"))],
    "https": [("AUTO", "auto"), ("off", "off")],
    "https_port": [("0", 0), ("10443", 10443)],
    "tier": [("unlimited", "unlimited"), ("F0", "f0"), ("s0", "s0")],
    "url_allow": [
        ("Host", ("host",)),
        ("a,10.0.0.0/8, [::1]:80", ("a", "10.0.0.0/8", "[::1]:80")),
        ("::1", ("::1",)),
    ],
    "log_level": [("Debug", "debug")],
    "seed": [("4294967295", 4294967295)],
    "id_seed": [("0", 0), ("4294967295", 4294967295)],
}


def test_the_cases_cover_every_option() -> None:
    assert REFUSED.keys() == OPTIONS.keys()


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts]
)
def test_a_value_that_is_not_allowed_names_the_flag(name: str, text: str) -> None:
    given_value = [text] if OPTIONS[name].separator else text
    with pytest.raises(SettingError) as raised:
        load_settings({name: given_value}, {})
    assert str(raised.value).startswith(f"{OPTIONS[name].flag}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name, texts in REFUSED.items() for text in texts if text and "\0" not in text],
)
def test_a_value_that_is_not_allowed_names_the_variable(name: str, text: str) -> None:
    with pytest.raises(SettingError) as raised:
        load_settings({}, {OPTIONS[name].variable: text})
    # The keys file is read later, and its errors name its option.
    assert str(raised.value).startswith((f"{OPTIONS[name].variable}: ", "--keys-file: "))


@pytest.mark.parametrize(
    ("name", "text", "value"), [(name, *case) for name, cases in ACCEPTED.items() for case in cases]
)
def test_a_value_that_is_allowed(name: str, text: str, value: object) -> None:
    assert getattr(load_settings({}, {OPTIONS[name].variable: text}), name) == value


@given(name=st.sampled_from(sorted(OPTIONS)), text=st.text(max_size=60))
def test_any_text_is_a_value_or_one_clear_line(name: str, text: str) -> None:
    try:
        load_settings({name: [text] if OPTIONS[name].separator else text}, {})
    except SettingError as error:
        assert str(error).isprintable()


def test_a_flag_counts_more_than_a_variable_and_that_more_than_the_default() -> None:
    environment = {"CUSTOM_VISION_EMULATOR_PORT": "1", "CUSTOM_VISION_EMULATOR_SEED": "7"}
    settings = load_settings({"port": "2", "seed": None}, environment)
    assert (settings.port, settings.seed, settings.max_body_mb) == (2, 7, Settings().max_body_mb)


def test_without_a_folder_the_state_is_exported_to_where_it_came_from(tmp_path: Path) -> None:
    settings = load_settings({"import_folder": str(tmp_path), "export_on_exit": "on"}, {})
    assert settings.export_folder == tmp_path
    assert load_settings({"import_folder": str(tmp_path)}, {}).export_folder is None
    assert load_settings({"export_on_exit": str(tmp_path)}, {}).export_folder == tmp_path
    with pytest.raises(SettingError, match=r"^--export-on-exit: give a folder, since there is no --import$"):
        load_settings({"export_on_exit": "on"}, {})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({}, {"CUSTOM_VISION_EMULATOR_PORT": ""}) == load_settings({}, {})


def test_each_option_has_its_own_flag_and_variable() -> None:
    assert len({one.flag for one in OPTIONS.values()}) == len(OPTIONS)
    assert OPTIONS["training_keys"].variable == "CUSTOM_VISION_EMULATOR_TRAINING_KEY"


def test_the_defaults_pass_their_own_checks() -> None:
    assert read_resource_id(Settings().prediction_resource_id) == Settings().prediction_resource_id
    for key in (*DEFAULT_TRAINING_KEYS, *DEFAULT_PREDICTION_KEYS):
        assert len(key) == 32
        assert int(key, 16)


def test_relative_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    settings = load_settings({"data": "state", "url_map": ["https://host/a=photos"]}, {})
    monkeypatch.chdir("/")
    assert settings.data == tmp_path / "state"
    assert settings.url_map == (("https://host/a", tmp_path / "photos"),)


def test_several_mappings_in_a_variable(tmp_path: Path) -> None:
    variable = f"https://one={tmp_path}|http://two/b/={tmp_path}"
    settings = load_settings({}, {"CUSTOM_VISION_EMULATOR_URL_MAP": variable})
    assert settings.url_map == (("https://one", tmp_path), ("http://two/b", tmp_path))


def test_keys_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\n\ntraining-key = first,second\nprediction-key=third\n", encoding="utf-8-sig")
    settings = load_settings({"keys_file": str(file)}, {})
    assert settings.training_keys == ("first", "second")
    assert settings.prediction_keys == ("third", "third")
    assert not settings.uses_default_keys


def test_a_key_given_directly_counts_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("training-key=first\nprediction-key=second\n", encoding="utf-8")
    settings = load_settings({"keys_file": str(file)}, {"CUSTOM_VISION_EMULATOR_TRAINING_KEY": "mine"})
    assert settings.training_keys == ("mine", "mine")
    assert settings.prediction_keys == ("second", "second")


@pytest.mark.parametrize("line", ["secret-value", "other-key=secret-value", "training-key=secret-value,b,c"])
def test_a_bad_file_of_keys_names_the_line_and_no_key(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# first\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingError) as raised:
        load_settings({"keys_file": str(file)}, {})
    assert "line 2" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no key"),
        ("# training-key=first\n\n", "has no key"),
        ("training-key=first\ntraining-key=secret-value\n", "line 2: there is a line training-key already"),
        ("training-key=first\n" + "#" * 4096, "more than 4096 bytes"),
    ],
)
def test_a_file_of_keys_without_keys_or_with_too_many_lines(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=reason) as raised:
        load_settings({"keys_file": str(file)}, {})
    assert "secret" not in str(raised.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero: run it on Linux or macOS")
def test_a_device_is_no_file_of_keys() -> None:
    with pytest.raises(SettingError, match="'/dev/zero' is no file"):
        load_settings({"keys_file": "/dev/zero"}, {})


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd: run it on Linux or macOS")
def test_a_pipe_with_keys() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"training-key=first\n")
    os.close(writing)
    try:
        assert load_settings({"keys_file": f"/dev/fd/{reading}"}, {}).training_keys == ("first", "first")
    finally:
        os.close(reading)


def test_a_file_of_keys_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="not text"):
        load_settings({"keys_file": str(file)}, {})


@pytest.mark.parametrize(
    "rest",
    [
        "secret@host:abc",
        "my@secret:word@host:5432",
        "my:secret@host",
        "my#secret@host",
        "my/secret@host",
        "my?secret@host",
        "1/secret@host",
        "1#secret@host",
        "my[secret@host",
        "secret@host:70000",
    ],
)
def test_a_password_in_a_url_that_is_refused_is_not_shown(rest: str) -> None:
    with pytest.raises(SettingError, match="must be percent-encoded") as refused:
        load_settings({"database": f"postgresql://user:{rest}/name"}, {})
    for part in ("secret", "word@", "my"):
        assert part not in str(refused.value)


def test_several_hosts_of_a_database_are_parameters() -> None:
    with pytest.raises(SettingError, match="must have several hosts as parameters"):
        load_settings({"database": "postgresql://h1:5432,h2:5432/name?user=user"}, {})
    address = "postgresql://user:p%40%3A@/name?host=h1:5432&host=h2:5432"
    assert load_settings({"database": address}, {}).database == address


def test_a_key_that_is_refused_is_not_shown() -> None:
    with pytest.raises(SettingError) as raised:
        load_settings({"training_keys": "my secret"}, {})
    assert "secret" not in str(raised.value)


def test_default_keys_are_noticed_wherever_they_open() -> None:
    assert Settings().uses_default_keys
    assert Settings(training_keys=("a", "b")).uses_default_keys
    assert Settings(
        training_keys=("a", DEFAULT_PREDICTION_KEYS[1]), prediction_keys=("c", "d")
    ).uses_default_keys
    own = Settings(training_keys=("a", "b"), prediction_keys=("c", "d"))
    assert not own.uses_default_keys
    assert not own.accepts_public_credentials
    assert Settings().accepts_public_credentials
    assert replace(own, entra="basic").accepts_public_credentials


@pytest.mark.parametrize(
    ("settings", "port", "endpoint"),
    [
        (Settings(), None, "http://127.0.0.1:10010"),
        (Settings(port=0), 4321, "http://127.0.0.1:4321"),
        (Settings(host="0.0.0.0"), None, "http://127.0.0.1:10010"),
        (Settings(host="::"), None, "http://[::1]:10010"),
        (Settings(host="vision.local", port=80), None, "http://vision.local:80"),
        (Settings(public_url="https://vision.example/base"), 4321, "https://vision.example/base"),
    ],
)
def test_the_endpoint_is_one_that_can_be_connected_to(
    settings: Settings, port: int | None, endpoint: str
) -> None:
    assert settings.training_endpoint(port) == endpoint


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://App.example", "https://app.example"),
        ("https://app.example:443/", "https://app.example"),
        ("http://10.0.0.7:3000", "http://10.0.0.7:3000"),
        ("http://[fe80::1]:80", "http://[fe80::1]"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("null", "null"),
        ("*", "*"),
    ],
)
def test_origins_of_web_pages(text: str, origin: str) -> None:
    assert load_settings({"cors_origins": [text]}).cors_origins == (origin,)


@pytest.mark.parametrize(
    "text", ["app.example", "https://", "https://a/b", "https://u@a", "https://*.a", "http://a:x"]
)
def test_texts_that_are_no_origins(text: str) -> None:
    with pytest.raises(SettingError, match="--cors-origin"):
        load_settings({"cors_origins": [text]})
