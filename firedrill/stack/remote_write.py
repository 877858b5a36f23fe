"""A Mimir, Thanos or VictoriaMetrics that gets a run's samples as they are taken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from firedrill.errors import BadInput
from firedrill.names import without_userinfo

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD_FILE = "FIREDRILL_REMOTE_WRITE_PASSWORD_FILE"  # noqa: S105 -- names a variable
TOKEN_FILE = "FIREDRILL_REMOTE_WRITE_TOKEN_FILE"  # noqa: S105 -- names a variable
"""Environment variables with the path of a file: no secret gets into a run's folder."""


@dataclass(frozen=True, slots=True)
class RemoteWrite:
    """The receiver of the samples, by Prometheus's remote-write protocol."""

    url: str
    user: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None

    @classmethod
    def parse(cls, url: str, environment: Mapping[str, str]) -> Self:
        """Read a URL, with the user's name in it if it has one.

        Raises:
            BadInput: it is no HTTP URL, has a password in it, or a secret's file is missing.
        """
        shown = without_userinfo(url)
        try:
            parts = urlsplit(url)
            is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:
            is_url = False
        if not is_url:
            raise BadInput(
                f"--remote-write {shown}: expected a URL such as http://mimir:9009/api/v1/push"
            )
        if parts.password:
            raise BadInput(
                f"--remote-write {shown}: has a password in it, which would be recorded; "
                f"expected it in the file that {PASSWORD_FILE} names"
            )
        password, token = (_secret_file(name, environment) for name in (PASSWORD_FILE, TOKEN_FILE))
        return cls(shown, parts.username, password, token)

    def configuration(self, run_id: str) -> str:
        """Return the section of Prometheus's configuration; every series gets the run's id."""
        section: dict[str, Any] = {
            "url": self.url,
            "write_relabel_configs": [{"target_label": "run", "replacement": run_id}],
        }
        if self.user and self.password_file:
            section["basic_auth"] = {
                "username": self.user,
                "password_file": str(self.password_file),
            }
        elif self.token_file:
            section["authorization"] = {"credentials_file": str(self.token_file)}
        return f"remote_write: {json.dumps([section])}\n"


def _secret_file(variable: str, environment: Mapping[str, str]) -> Path | None:
    given = environment.get(variable)
    if not given:
        return None
    file = Path(given).absolute()
    if not file.is_file():
        raise BadInput(f"{variable}={given}: no such file; expected the file of a secret")
    return file
