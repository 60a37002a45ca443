"""What results are sent to: a webhook, or a topic of an MQTT broker."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from emulator.cli.errors import CommandFailed
from emulator.cli.factory.watching.delivery import NotSent

_TIMEOUT_SECONDS = 30.0
_SUCCESS = range(200, 300)
_MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}


def webhook(url: str) -> Callable[[bytes], None]:
    """Sends each result as the body of a POST. Raises CommandFailed for an URL that is none."""
    parts = _parts("--webhook", url, ("http", "https"))
    of_kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def send(body: bytes) -> None:
        connection = of_kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("POST", target, body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise NotSent(f"the webhook does not answer: {error or type(error).__name__}") from None
        finally:
            connection.close()
        if status not in _SUCCESS:
            raise NotSent(f"the webhook answers with status {status}")

    return send


def mqtt(url: str) -> Callable[[bytes], None]:
    """Publishes each result with quality of service 1: ``mqtt[s]://[user:password@]host[:port]/topic``.

    Raises CommandFailed for another form, and without the package paho-mqtt.
    """
    parts = _parts("--mqtt", url, tuple(_MQTT_PORTS))
    topic = unquote(parts.path.removeprefix("/"))
    if not topic or set("+#\0") & set(topic):
        raise CommandFailed(
            "--mqtt: the URL has no topic, or one with wildcards (mqtt://host/line-1/results)"
        )
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise CommandFailed(
            "--mqtt needs the package paho-mqtt: pip install 'custom-vision-emulator[mqtt]'"
        ) from None
    connected: list[Any] = []

    def connect() -> Any:
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = _TIMEOUT_SECONDS
        if parts.username is not None:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            client.tls_set()
        client.connect(parts.hostname or "", parts.port or _MQTT_PORTS[parts.scheme])
        client.loop_start()
        return client

    def send(body: bytes) -> None:
        try:
            if not connected:
                connected.append(connect())
            published = connected[0].publish(topic, body, qos=1)
            published.wait_for_publish(_TIMEOUT_SECONDS)
            if published.is_published():
                return
            reason = "no confirmation"
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error) or type(error).__name__
        if connected:
            client = connected.pop()
            client.loop_stop()
            client.disconnect()
        raise NotSent(f"the MQTT broker does not accept results: {reason}")

    return send


def _parts(flag: str, url: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in schemes and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isprintable() or " " in url:
        raise CommandFailed(
            f"{flag}: not a URL that begins with {' or '.join(f'{one}://' for one in schemes)}"
        )
    return parts
