"""What can go wrong on the way to where a feed is sent; each says what to do next."""

from __future__ import annotations


class FeedError(Exception):
    """A feed could not be delivered.

    :param problem: what happened.
    :param remedy: what to do next.
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}: {remedy}")


class OtherFeedError(FeedError):
    """The place holds files of another feed, which would be taken for files of this one."""

    def __init__(self, place: str, names: list[str]) -> None:
        self.names = names
        super().__init__(
            f"{place} holds {len(names)} files that are not of this feed ({names[0]}, …)",
            remedy="give an empty directory or prefix, or remove them",
        )


class BadDestinationError(FeedError):
    """What stands after `--to` names no place."""

    def __init__(self, destination: str, rule: str) -> None:
        self.destination = destination
        super().__init__(f"{destination!r} names no place to write to", remedy=rule)


class StoreError(FeedError):
    """The object store does not answer, or refuses."""

    def __init__(self, operation: str, message: str) -> None:
        self.operation = operation
        super().__init__(
            f"the object store failed to {operation} ({message})",
            remedy="check S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that the bucket is there; "
            "nothing of an unfinished file is left behind",
        )


class BrokerError(FeedError):
    """Kafka does not answer, or refuses."""

    def __init__(self, operation: str, message: str) -> None:
        self.operation = operation
        super().__init__(
            f"Kafka failed to {operation} ({message})",
            remedy="check KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_* settings; what was acknowledged before "
            "stays in the topic",
        )
