"""A Prometheus on a copy of recorded data: it does not scrape, and deletes nothing."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput
from firedrill.processes import ports, programs
from firedrill.processes.children import Children
from firedrill.prometheus.client import Prometheus

if TYPE_CHECKING:
    from firedrill.interrupt import Interrupt

LOOKBACK_SECONDS = 300
"""Prometheus's default: how long a query returns a last sample that no stale marker follows."""
FOREVER = "100y"
"""Retention: a recorded run may be older than Prometheus's default of 15 days."""


class RecordedPrometheus:
    """A Prometheus on a copy of a data folder, or on an empty one; a context manager.

    The copy is deleted at the end.

    Raises (on entering):
        BadInput: Prometheus ends over the data; the message has the last line of its log.
    """

    def __init__(
        self,
        data: Path | None,
        interrupt: Interrupt,
        port: ports.HeldPort | None = None,
        *,
        lookback_seconds: int = LOOKBACK_SECONDS,
    ) -> None:
        self._data = data
        self._lookback_seconds = lookback_seconds
        self._interrupt = interrupt
        self._port = port or ports.hold_any()
        self.folder = Path(tempfile.mkdtemp(prefix="firedrill-"))
        self._config_file = self.folder / "prometheus.yml"
        self.prom = Prometheus(
            f"http://{LOOPBACK}:{self._port.number}",
            timeout_seconds=60,
            config_file=self._config_file,
        )

    def __enter__(self) -> Self:
        self.children = Children(self.folder)
        try:
            self._start()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def _discard(self) -> None:
        self.children.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._port.release()

    def _start(self) -> None:
        copy = self.folder / "data"
        if self._data:
            shutil.copytree(
                self._data, copy, ignore=shutil.ignore_patterns("lock", "queries.active")
            )
        # Recording rules over recorded data write samples long before the newest one.
        self._config_file.write_text(
            f"storage: {{tsdb: {{out_of_order_time_window: {FOREVER}}}}}\n"
        )
        command: list[str | Path] = [
            programs.need("prometheus"),
            f"--config.file={self._config_file}",
            f"--storage.tsdb.path={copy}",
            f"--storage.tsdb.retention.time={FOREVER}",
            f"--web.listen-address={LOOPBACK}:{self._port.number}",
            f"--query.lookback-delta={self._lookback_seconds}s",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
        ]
        self._port.share()
        child = self.children.start("prometheus", command)
        self._interrupt.wait_until(
            lambda: self.prom.is_ready() or child.exit_code() is not None,
            "Prometheus to open the recorded data",
            30,
        )
        if child.exit_code() is not None:
            raise BadInput(
                f"{self._data or copy}: Prometheus cannot open it: {child.last_log_line()}"
            )
