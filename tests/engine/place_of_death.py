"""Where a worker of the tests kills itself with SIGKILL.

Places: staged, the steps of ``lakehouse.load.protocol.Step`` (right after each), and merging (while the merge into
bronze runs in Trino). A number after a step, as in ``record 0``, is that of the unit.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from lakehouse.engine import Progress
from lakehouse.load.attempt import Manifest
from lakehouse.load.protocol import StepDone


@dataclass(frozen=True)
class PlaceOfDeath:
    """Is told where the worker is, and kills it when that is the place."""

    place: str

    def on_progress(self, progress: Progress) -> None:
        if progress.statement == "load/merge_rows.sql" and progress.state == "RUNNING":
            self._come_to("merging")

    def on_staged(self, _manifest: Manifest) -> None:
        self._come_to("staged")

    def on_step(self, done: StepDone) -> None:
        self._come_to(str(done.step))
        self._come_to(f"{done.step} {done.unit}")

    def _come_to(self, here: str) -> None:
        if here == self.place:
            os.kill(os.getpid(), signal.SIGKILL)
