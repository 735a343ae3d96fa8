from __future__ import annotations

import stat

from stack.layout import CLONE, StackLayout


def test_clone_has_its_own_stack():
    layout = StackLayout.of_environment({})
    assert layout.directory == CLONE / ".stack"
    assert layout.environment_file == CLONE / ".env"


def test_another_directory_holds_its_settings_too(tmp_path):
    layout = StackLayout.of_environment({"LAKEHOUSE_STACK_DIRECTORY": str(tmp_path)})
    assert layout.environment_file == tmp_path / ".env"


def test_directories_are_closed_to_others(tmp_path):
    layout = StackLayout(tmp_path / "stack", tmp_path / ".env")
    layout.create()
    directories = (layout.directory, layout.data, layout.logs, layout.airflow_home)
    assert {stat.S_IMODE(directory.stat().st_mode) for directory in directories} == {0o700}


def test_socket_lies_in_the_stack_unless_its_address_would_be_too_long(tmp_path):
    near = StackLayout(tmp_path, tmp_path / ".env")
    deep = StackLayout(tmp_path / ("d" * 100), tmp_path / ".env")
    deeper = StackLayout(tmp_path / ("d" * 101), tmp_path / ".env")
    assert near.supervisor_socket.parent == tmp_path
    assert len(str(deep.supervisor_socket)) < 100
    assert deep.supervisor_socket != deeper.supervisor_socket
