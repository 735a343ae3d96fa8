"""Settings of a process outside Airflow, from the environment and a ``.env`` file.

Airflow's tasks take host and credentials from connections instead; names of buckets and catalogs come from here
for both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from dotenv import dotenv_values, find_dotenv

from lakehouse.errors import TerminalError


class SettingError(TerminalError):
    """A setting is missing or has no usable value."""

    def __init__(self, *, name: str, problem: str) -> None:
        super().__init__(
            f"Setting {name} {problem}.",
            remedy="Set it in the environment or in .env (a local stack writes .env at its first `make up`).",
        )
        self.name = name


#: Each takes about 330 MB: a load stays below 1.5 GB with two.
_MOST_READER_PROCESSES = 2


def reader_processes(environment: Mapping[str, str] | None = None, *, most: int = _MOST_READER_PROCESSES) -> int:
    """How many processes judge the records of a large file; with 1 none is started for it.

    What LAKEHOUSE_READER_PROCESSES says, else one for each processor, up to a number.

    :param most: that number.
    :raises SettingError: the setting is not a number from 1 on.
    """
    values = os.environ if environment is None else environment
    text = values.get("LAKEHOUSE_READER_PROCESSES", "")
    if not text:
        return min(most, len(os.sched_getaffinity(0)))
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(name="LAKEHOUSE_READER_PROCESSES", problem=f"is not a number from 1 on: {text!r}")
    return int(text)


#: Less is more likely a slip than a wish: what is removed does not come back.
_SHORTEST_RETENTION = timedelta(days=30)


def retention(environment: Mapping[str, str] | None = None) -> timedelta | None:
    """For how long rows of bronze are kept, counted from the day of their event; None where for ever.

    What LAKEHOUSE_RETENTION says, as in ``3650d``; ``off``, which it is unless it is set, is for ever.

    :raises SettingError: the setting is not written so, or is less than 30 days.
    """
    values = os.environ if environment is None else environment
    text = values.get("LAKEHOUSE_RETENTION", "off") or "off"
    if text == "off":
        return None
    if not re.fullmatch(r"[0-9]{1,6}d", text):
        raise SettingError(name="LAKEHOUSE_RETENTION", problem=f"is neither off nor a number of days: {text!r}")
    age = timedelta(days=int(text[:-1]))
    if age < _SHORTEST_RETENTION:
        raise SettingError(
            name="LAKEHOUSE_RETENTION", problem=f"is {text}, and less than {_SHORTEST_RETENTION.days}d is refused"
        )
    return age


@dataclass(frozen=True)
class StorageNames:
    """Where things lie in the store and in Trino; no secrets, no hosts.

    :param bucket: holds the users' landing prefix, the spool and the staging catalog's metadata.
    :param catalog: the Iceberg catalog.
    :param staging_catalog: the Hive catalog of throw-away staging tables.
    :param bronze_location: where a new bronze schema puts its tables; empty leaves it to the catalog.
    """

    bucket: str = "warehouse"
    catalog: str = "iceberg"
    staging_catalog: str = "staging"
    bronze_location: str = "s3://lake/bronze"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> StorageNames:
        values = os.environ if environment is None else environment
        return cls(
            bucket=values.get("LAKEHOUSE_BUCKET", cls.bucket),
            catalog=values.get("TRINO_CATALOG", cls.catalog),
            staging_catalog=values.get("STAGING_CATALOG", cls.staging_catalog),
            bronze_location=values.get("BRONZE_LOCATION", cls.bronze_location),
        )


@dataclass(frozen=True)
class Settings:
    """How a process outside Airflow reaches Trino and the object store."""

    trino_host: str
    trino_port: int
    trino_user: str
    trino_scheme: str
    s3_endpoint: str | None
    s3_region: str
    s3_access_key: str
    s3_secret_key: str = field(repr=False)
    names: StorageNames

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the environment; what it does not set comes from the nearest ``.env`` above the working directory.

        :raises SettingError: a setting without a default is missing, or a port is not a number.
        """
        values = read_environment() if environment is None else environment

        def required(name: str) -> str:
            value = values.get(name, "")
            if not value:
                raise SettingError(name=name, problem="is not set")
            return value

        port = values.get("TRINO_PORT", "8090")
        if not port.isdecimal():
            raise SettingError(name="TRINO_PORT", problem=f"is not a port number: {port!r}")
        return cls(
            trino_host=values.get("TRINO_HOST", "127.0.0.1"),
            trino_port=int(port),
            trino_user=values.get("TRINO_USER", "lakehouse"),
            trino_scheme=values.get("TRINO_SCHEME", "http"),
            s3_endpoint=values.get("S3_ENDPOINT") or None,
            s3_region=values.get("AWS_REGION", "us-east-1"),
            s3_access_key=required("AWS_ACCESS_KEY_ID"),
            s3_secret_key=required("AWS_SECRET_ACCESS_KEY"),
            names=StorageNames.from_environment(values),
        )


def read_environment() -> dict[str, str]:
    """The process environment over the nearest ``.env`` file."""
    found = find_dotenv(usecwd=True)
    defaults = {name: value for name, value in dotenv_values(found).items() if value} if found else {}
    return defaults | dict(os.environ)
