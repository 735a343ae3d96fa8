from __future__ import annotations

from collections.abc import Callable

import pytest

from stack.lifecycle import Stack
from stack.supervision import Supervisor


@pytest.fixture
def program_ids(running_stack: Stack) -> Callable[[], dict[str, int]]:
    """Tells the process id of each program the supervisor runs."""
    supervisor = Supervisor(running_stack.layout)
    return lambda: {name: state.pid for name, state in supervisor.states().items()}
