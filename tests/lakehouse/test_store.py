from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from unittest import mock

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from botocore.utils import parse_timestamp
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from lakehouse.errors import (
    LakehouseError,
    ObjectNotFoundError,
    SourceChangedError,
    StoreUnavailableError,
    TerminalError,
    TransientError,
)
from lakehouse.identity import ObjectVersion
from lakehouse.settings import Settings
from lakehouse.store import ObjectStore, StoreRefusedError, store_of

MOMENT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ETAG = "d41d8cd98f00b204e9800998ecf8427e"
CONTENT = b"one\ntwo\n"
VERSION = ObjectVersion(
    bucket="warehouse", key="staging/events.csv", etag=ETAG, size=len(CONTENT), last_modified=MOMENT
)
PLACE = {"bucket": VERSION.bucket, "key": VERSION.key}
REQUEST = {"Bucket": VERSION.bucket, "Key": VERSION.key}


class Refusal(NamedTuple):
    """An answer of S3, and the error it is."""

    code: str
    status: int
    error: type[LakehouseError]


REFUSALS = [
    Refusal("NoSuchKey", 404, ObjectNotFoundError),
    Refusal("404", 404, ObjectNotFoundError),
    Refusal("PreconditionFailed", 412, SourceChangedError),
    Refusal("412", 412, SourceChangedError),
    Refusal("AccessDenied", 403, StoreRefusedError),
    Refusal("403", 403, StoreRefusedError),
    Refusal("InvalidAccessKeyId", 403, StoreRefusedError),
    Refusal("SignatureDoesNotMatch", 403, StoreRefusedError),
    Refusal("NoSuchBucket", 404, StoreRefusedError),
    Refusal("InvalidObjectState", 403, StoreRefusedError),
    Refusal("KMS.DisabledException", 400, StoreRefusedError),
    Refusal("RequestTimeTooSkewed", 403, StoreUnavailableError),
    Refusal("RequestTimeout", 400, StoreUnavailableError),
    Refusal("OperationAborted", 409, StoreUnavailableError),
    Refusal("SlowDown", 503, StoreUnavailableError),
    Refusal("InternalError", 500, StoreUnavailableError),
    Refusal("503", 503, StoreUnavailableError),
]
each_refusal = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)


@pytest.fixture(scope="module")
def client():
    return boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:1",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture
def answers(client):
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def store(client) -> ObjectStore:
    return ObjectStore(client)


class TrackedBody(StreamingBody):
    """A body that tells whether it was closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), len(content))
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True
        super().close()


def answer(body: StreamingBody, *, etag: str = f'"{ETAG}"', size: int = len(CONTENT)) -> dict:
    return {"Body": body, "ETag": etag, "ContentLength": size}


class TestOpenVersion:
    def test_read_is_pinned_to_the_planned_version(self, store, answers):
        body = TrackedBody(CONTENT)
        answers.add_response("get_object", answer(body), REQUEST | {"IfMatch": f'"{ETAG}"'})
        with store.open_version(VERSION) as stream:
            assert stream.read(4) == b"one\n"
            assert stream.read(100) == b"two\n"
            assert not body.is_closed
        assert body.is_closed

    @pytest.mark.parametrize(
        "other", [{"etag": '"900150983cd24fb0d6963f7d28e17f72"'}, {"size": len(CONTENT) + 1}], ids=["etag", "size"]
    )
    def test_answer_of_another_version_is_refused_where_the_store_ignores_the_condition(
        self, store, answers, other
    ):
        body = TrackedBody(CONTENT)
        answers.add_response("get_object", answer(body, **other))
        with pytest.raises(SourceChangedError) as caught, store.open_version(VERSION):
            pytest.fail("it was opened")
        assert (caught.value.bucket, caught.value.key, caught.value.etag) == (VERSION.bucket, VERSION.key, ETAG)
        assert body.is_closed

    @each_refusal
    def test_refusal_of_the_store_is_typed(self, store, answers, refusal):
        answers.add_client_error("get_object", service_error_code=refusal.code, http_status_code=refusal.status)
        with pytest.raises(refusal.error) as caught, store.open_version(VERSION):
            pytest.fail("it was opened")
        assert VERSION.key in str(caught.value)

    @pytest.mark.parametrize(
        "error",
        [ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), ProtocolError("Connection broken")],
        ids=lambda error: type(error).__name__,
    )
    def test_connection_that_breaks_while_reading_is_transient(self, store, answers, error):
        body = TrackedBody(CONTENT)
        answers.add_response("get_object", answer(body))
        with pytest.raises(StoreUnavailableError), store.open_version(VERSION):
            raise error
        assert body.is_closed

    def test_error_of_the_reader_passes_and_closes_the_stream(self, store, answers):
        body = TrackedBody(CONTENT)
        answers.add_response("get_object", answer(body))
        with pytest.raises(ZeroDivisionError), store.open_version(VERSION):
            raise ZeroDivisionError
        assert body.is_closed


def test_changed_source_and_lost_store_are_transient_and_the_others_terminal():
    assert issubclass(SourceChangedError, TransientError)
    assert issubclass(StoreUnavailableError, TransientError)
    assert issubclass(StoreRefusedError, TerminalError)
    assert issubclass(ObjectNotFoundError, TerminalError)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.head(**PLACE),
        lambda store: store.get(**PLACE),
        lambda store: store.put(b"", **PLACE),
        lambda store: store.delete(**PLACE),
        lambda store: list(store.list_objects(bucket=VERSION.bucket, prefix=VERSION.key)),
        lambda store: store.delete_prefix(bucket=VERSION.bucket, prefix=VERSION.key),
    ],
    ids=["head", "get", "put", "delete", "list_objects", "delete_prefix"],
)
def test_store_that_does_not_answer_is_transient(store, client, call):
    def refuse(**_arguments):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    client.meta.events.register("before-send.s3", refuse)
    try:
        with pytest.raises(StoreUnavailableError) as caught:
            call(store)
    finally:
        client.meta.events.unregister("before-send.s3", refuse)
    assert VERSION.key in caught.value.operation


@each_refusal
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("head_object", lambda store: store.head(**PLACE)),
        ("get_object", lambda store: store.get(**PLACE)),
        ("put_object", lambda store: store.put(b"", **PLACE)),
    ],
    ids=["head", "get", "put"],
)
def test_refusal_of_any_operation_is_typed(store, answers, operation, call, refusal):
    answers.add_client_error(operation, service_error_code=refusal.code, http_status_code=refusal.status)
    with pytest.raises(refusal.error):
        call(store)


def test_head_gives_the_version_that_is_there(store, answers):
    entry = {"ETag": f'"{ETAG}"', "ContentLength": len(CONTENT), "LastModified": MOMENT}
    answers.add_response("head_object", entry, REQUEST)
    assert store.head(**PLACE) == VERSION


def test_listing_goes_on_over_pages(store, answers):
    def page(*keys: str) -> list[dict]:
        return [{"Key": key, "ETag": f'"{ETAG}"', "Size": 8, "LastModified": MOMENT} for key in keys]

    request = {"Bucket": "warehouse", "Prefix": "staging/"}
    answers.add_response(
        "list_objects_v2",
        {"Contents": page("staging/a", "staging/b"), "IsTruncated": True, "NextContinuationToken": "next"},
        request,
    )
    answers.add_response(
        "list_objects_v2",
        {"IsTruncated": True, "NextContinuationToken": "last"},
        request | {"ContinuationToken": "next"},
    )
    answers.add_response(
        "list_objects_v2",
        {"Contents": page("staging/c"), "IsTruncated": False},
        request | {"ContinuationToken": "last"},
    )
    listed = list(store.list_objects(bucket="warehouse", prefix="staging/"))
    assert [version.key for version in listed] == ["staging/a", "staging/b", "staging/c"]
    assert {(version.bucket, version.etag, version.size, version.last_modified) for version in listed} == {
        ("warehouse", ETAG, 8, MOMENT)
    }


LISTING = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated><Contents>
<Key>staging/a</Key><LastModified>{time}</LastModified><ETag>&quot;e&quot;</ETag><Size>8</Size></Contents>
</ListBucketResult>"""


class TestTimesOfAListing:
    """They are read here, and not by what botocore has for times in any form."""

    @pytest.fixture
    def listed_at(self, store, client):
        """What a listing says of an object that the store dates in some form."""

        def listed_at(time: str) -> datetime:
            def answer(request, **_arguments):
                raw = HTTPResponse(io.BytesIO(LISTING.format(time=time).encode()), preload_content=False)
                return AWSResponse(request.url, 200, {}, raw)

            client.meta.events.register("before-send.s3.ListObjectsV2", answer)
            try:
                (version,) = store.list_objects(bucket="warehouse", prefix="staging/")
            finally:
                client.meta.events.unregister("before-send.s3.ListObjectsV2", answer)
            return version.last_modified

        return listed_at

    @pytest.mark.parametrize(
        "time",
        [
            "2026-11-23T09:00:00Z",
            "2026-11-23T09:00:00.5Z",
            "2026-11-23T09:00:00.123Z",
            "2026-11-23T09:00:00.123456Z",
            "2026-11-23T09:00:00.123456789Z",
            "2026-11-23T09:00:00+05:30",
            "2026-11-23T09:00:00",
            "20261123T090000Z",
            "Mon, 23 Nov 2026 09:00:00 GMT",
            "1795424400",
        ],
    )
    def test_they_are_those_that_botocore_reads(self, listed_at, time):
        found, expected = listed_at(time), parse_timestamp(time)
        assert (found, found.utcoffset()) == (expected, expected.utcoffset())

    def test_other_clients_of_the_session_read_as_before(self):
        session = boto3.Session(region_name="us-east-1")
        mine, theirs = session.client("s3"), session.client("sqs")
        before = theirs._endpoint._response_parser_factory
        ObjectStore(mine)
        assert theirs._endpoint._response_parser_factory is before is not mine._endpoint._response_parser_factory
        assert before._defaults == {}

    def test_the_form_that_stores_use_is_read_without_it(self, listed_at, monkeypatch):
        monkeypatch.setattr("dateutil.parser.parse", mock.Mock(side_effect=AssertionError("it was asked")))
        assert listed_at("2026-11-23T09:00:00.123Z") == MOMENT + timedelta(milliseconds=123)


def test_prefix_is_deleted_object_by_object(store, answers):
    contents = [{"Key": f"p/{n}", "ETag": '"x"', "Size": 1, "LastModified": MOMENT} for n in range(3)]
    request = {"Bucket": "warehouse", "Prefix": "p/"}
    answers.add_response("list_objects_v2", {"Contents": contents, "IsTruncated": False}, request)
    for number in range(3):
        answers.add_response("delete_object", {}, {"Bucket": "warehouse", "Key": f"p/{number}"})
    assert store.delete_prefix(bucket="warehouse", prefix="p/") == 3


def test_small_object_is_written_and_read_whole(store, answers):
    answers.add_response("put_object", {}, REQUEST | {"Body": CONTENT})
    answers.add_response("get_object", answer(TrackedBody(CONTENT)), REQUEST)
    store.put(CONTENT, **PLACE)
    assert store.get(**PLACE) == CONTENT


def test_file_is_uploaded_under_its_key(store, answers, tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes(CONTENT)
    answers.add_response("put_object", {}, REQUEST | {"Body": ANY, "ChecksumAlgorithm": ANY})
    store.put_file(path, **PLACE)


@each_refusal
def test_refusal_of_an_upload_is_typed(store, answers, tmp_path, refusal):
    path = tmp_path / "events.csv"
    path.write_bytes(CONTENT)
    answers.add_client_error("put_object", service_error_code=refusal.code, http_status_code=refusal.status)
    with pytest.raises(refusal.error):
        store.put_file(path, **PLACE)


def test_store_of_settings_speaks_to_its_endpoint_with_the_bucket_in_the_path():
    settings = Settings.from_environment(
        {"S3_ENDPOINT": "http://127.0.0.1:9100", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    )
    client = store_of(settings)._client
    url = client.generate_presigned_url("get_object", Params=REQUEST)
    assert url.startswith("http://127.0.0.1:9100/warehouse/staging/events.csv?")


class TestActingOnOneVersion:
    def test_a_copy_is_pinned_to_the_version_and_told_as_it_is_then(self, store, answers):
        head = {"ETag": f'"{ETAG}"', "ContentLength": len(CONTENT), "LastModified": MOMENT}
        answers.add_response("head_object", head)
        answers.add_response(
            "copy_object",
            {},
            {
                "Bucket": "warehouse",
                "Key": "archive/events.csv",
                "CopySource": {"Bucket": VERSION.bucket, "Key": VERSION.key},
                "CopySourceIfMatch": f'"{ETAG}"',
            },
        )
        answers.add_response("head_object", head, {"Bucket": "warehouse", "Key": "archive/events.csv"})
        copy = store.copy_version(VERSION, key="archive/events.csv")
        assert (copy.key, copy.etag, copy.size) == ("archive/events.csv", ETAG, len(CONTENT))

    def test_a_copy_of_another_version_is_none(self, store, answers):
        head = {"ETag": '"other"', "ContentLength": 1, "LastModified": MOMENT}
        answers.add_response("head_object", head)
        answers.add_client_error("copy_object", "PreconditionFailed", http_status_code=412)
        with pytest.raises(SourceChangedError):
            store.copy_version(VERSION, key="archive/events.csv")

    def test_a_deletion_is_pinned_to_the_version(self, store, answers):
        answers.add_response("delete_object", {}, REQUEST | {"IfMatch": f'"{ETAG}"'})
        store.delete_version(VERSION)

    @each_refusal
    def test_a_refused_deletion_is_told_apart(self, store, answers, refusal):
        answers.add_client_error("delete_object", refusal.code, http_status_code=refusal.status)
        with pytest.raises(refusal.error):
            store.delete_version(VERSION)

    def test_tags_come_beside_those_that_are_there_and_go_alone(self, store, answers):
        theirs, ours = {"Key": "of", "Value": "others"}, {"Key": "lakehouse", "Value": "loaded"}
        answers.add_response("get_object_tagging", {"TagSet": [theirs]}, REQUEST)
        answers.add_response("put_object_tagging", {}, REQUEST | {"Tagging": {"TagSet": [theirs, ours]}})
        store.add_tags(VERSION, {"lakehouse": "loaded"})
        answers.add_response("get_object_tagging", {"TagSet": [theirs, ours]}, REQUEST)
        answers.add_response("put_object_tagging", {}, REQUEST | {"Tagging": {"TagSet": [theirs]}})
        store.remove_tags(VERSION, {"lakehouse"})
