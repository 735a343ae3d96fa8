from __future__ import annotations

import pytest

from lakehouse.drain.limits import MOST_BYTES, FlushLimits
from lakehouse.settings import SettingError
from tests.lakehouse.drain.doubles import contract_of


def test_what_is_asked_for_goes_before_the_environment_and_that_before_the_contract():
    contract = contract_of(batch={"records": 10, "interval": "7s"})
    environment = {"BATCH_SIZE": "20", "FLUSH_INTERVAL_SEC": "0.5"}
    assert FlushLimits.of(contract, environment={}) == FlushLimits(records=10, seconds=7, bytes=MOST_BYTES)
    assert FlushLimits.of(contract, environment=environment) == FlushLimits(20, 0.5, MOST_BYTES)
    assert FlushLimits.of(contract, environment=environment, records=30, seconds=2) == FlushLimits(
        30, 2, MOST_BYTES
    )


def test_a_contract_may_want_smaller_flushes_and_not_larger_ones_than_memory_has_room_for():
    small, large = contract_of(batch={"bytes": "1MB"}), contract_of(batch={"bytes": "100GB"})
    assert FlushLimits.of(small, environment={}).bytes == 1_000_000
    assert FlushLimits.of(large, environment={}).bytes == MOST_BYTES


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan"])
def test_a_limit_that_is_no_number_above_zero_is_refused_by_name(text):
    with pytest.raises(SettingError, match="FLUSH_INTERVAL_SEC"):
        FlushLimits.of(contract_of(), environment={"FLUSH_INTERVAL_SEC": text})
