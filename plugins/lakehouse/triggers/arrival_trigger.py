"""Tells Airflow that objects came to a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lakehouse.arrival.announcements import Announcements
from lakehouse.arrival.watch import Look, Watch
from lakehouse.contracts.glob import Glob
from lakehouse.errors import LakehouseError, TransientError
from lakehouse.store import ObjectStore

#: After a failed look; a refusal lasts until somebody changes something.
_UNAVAILABLE_SECONDS = 10.0
_REFUSED_SECONDS = 60.0


class ArrivalTrigger(BaseEventTrigger):
    """Looks at a source's objects again and again, and fires when there are others than before.

    Each look is made in a thread: the triggerer's loop never waits for the store. A store that fails is no end: it
    is logged, and looked at again. Only names are serialized; the connection has the credentials.

    :param source: name of the contract, for logs and events.
    :param key: glob of the keys.
    :param every: seconds between two looks.
    :param pages: of 1,000 keys, that one look reads at most.
    :param s3_conn_id: connection of type AWS.
    """

    def __init__(self, *, source: str, bucket: str, key: str, every: float, pages: int, s3_conn_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.source = source
        self.bucket = bucket
        self.key = key
        self.every = every
        self.pages = pages
        self.s3_conn_id = s3_conn_id
        self._watch: Watch | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("source", "bucket", "key", "every", "pages", "s3_conn_id")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        announcements = Announcements()
        while True:
            pause = self.every
            try:
                look = await asyncio.to_thread(self._look)
            except LakehouseError as error:
                self.log.warning("%s is looked at again: %s", self.source, error)
                pause = _UNAVAILABLE_SECONDS if isinstance(error, TransientError) else _REFUSED_SECONDS
            else:
                announcement = announcements.after(look, now=asyncio.get_running_loop().time())
                if announcement is not None:
                    payload = {"source": self.source, **asdict(announcement)}
                    yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
            await asyncio.sleep(pause)

    def _look(self) -> Look:
        if self._watch is None:
            # In this thread, as asking for the connection waits for an answer.
            store = ObjectStore(S3Hook(aws_conn_id=self.s3_conn_id).get_conn())
            self._watch = Watch(store=store, bucket=self.bucket, glob=Glob(self.key), pages=self.pages)
        return self._watch.look()
