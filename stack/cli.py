"""The command line of the local stack."""

from __future__ import annotations

import os
import sys

import click
from rich.console import Console
from rich.table import Table

from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.tables.creation import create_tables
from stack import checks
from stack.demo import demo
from stack.engines import ENGINES
from stack.environment import export_lines, inherited_environment, without_proxy_for_loopback
from stack.errors import StackError
from stack.kafka_tools import KAFKA_TOOLS, kafka_tool_command
from stack.layout import StackLayout
from stack.lifecycle import Stack
from stack.operator_day import operator_day
from stack.pinning import write_pins
from stack.pins import PINS_FILE, read_pins

LOG_NAMES = sorted({program for engine in ENGINES for program in engine.programs} | {"supervisord"})


class StackGroup(click.Group):
    """Commands whose expected errors are told in two lines, not as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except StackError as error:
            click.secho(error.problem, fg="red", err=True)
            click.echo(error.remedy, err=True)
            ctx.exit(1)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _stack() -> Stack:
    return Stack(StackLayout.of_environment(), _console())


@click.group(cls=StackGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the local engines: SeaweedFS, Trino, Kafka and Airflow."""
    os.environ.update(without_proxy_for_loopback(os.environ))


@main.command()
def up() -> None:
    """Start every engine, wait until each answers a real request, and create or upgrade the tables."""
    stack = _stack()
    stack.up()
    # The DAGs are on from the start, and the clock starts some of them.
    _create_tables(stack)
    settings = stack.settings()
    click.echo(
        f"Airflow: {settings['AIRFLOW_URL']}, user {settings['AIRFLOW_USER']}, password AIRFLOW_PASSWORD in .env"
    )
    click.echo(f"For this shell: source {os.path.relpath(stack.layout.activation_script)}")


def _create_tables(stack: Stack) -> None:
    try:
        lakehouse = Settings.from_environment(stack.environment())
        engine = TrinoEngine(connect_with(lakehouse, source="lakehouse-stack"))
        for change in create_tables(engine, names=lakehouse.names):
            click.echo(f"  {change}")
    except LakehouseError as error:
        raise StackError(error.problem, remedy=error.remedy) from error


@main.command()
def down() -> None:
    """Stop every process; the data stays."""
    _stack().down()
    click.echo("No process of the stack is left.")


@main.command()
def status() -> None:
    """Show each engine: up or not, version, port, memory. Exits with 1 unless all are up."""
    statuses = _stack().status()
    table = Table("Engine", "State", "Version", "Port", "Memory")
    for each in statuses:
        state = "[green]up" if each.version is not None else "[red]down"
        table.add_row(each.engine.name, state, each.version or "", each.port, f"{each.memory / 1_000_000:,.0f} MB")
    _console().print(table)
    for each in statuses:
        if each.version is None:
            click.echo(f"{each.engine.name}: {each.reason}")
    if any(each.version is None for each in statuses):
        sys.exit(1)


@main.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(*, yes: bool) -> None:
    """Stop everything and delete data, logs and Airflow's history. The settings in .env stay."""
    stack = _stack()
    if not yes:
        click.confirm(f"Delete everything the stack has stored in {stack.layout.directory}?", abort=True)
    stack.reset()
    click.echo("The data is deleted.")


@main.command()
def env() -> None:
    """Print the stack's environment as shell assignments: eval "$(python -m stack env)"."""
    click.echo(export_lines(_stack().environment()), nl=False)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...]) -> None:
    """Run a command in the stack's environment: python -m stack run -- airflow dags list."""
    environment = inherited_environment(os.environ) | _stack().environment()
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606
    except FileNotFoundError as error:
        raise click.ClickException(f"there is no command {command[0]!r}") from error


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("tool", type=click.Choice(sorted(KAFKA_TOOLS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kafka(tool: str, arguments: tuple[str, ...]) -> None:
    """Run one of Kafka's tools against the broker of the stack: python -m stack kafka topics --list."""
    stack = _stack()
    settings = stack.settings()
    command = kafka_tool_command(
        tool,
        arguments,
        distribution=stack.fetch()["kafka"],
        bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"],
    )
    os.execv(command[0], command)  # noqa: S606


@main.command()
@click.argument("program", type=click.Choice(LOG_NAMES), required=False)
@click.option("--follow", "-f", is_flag=True, help="Keep showing what is added.")
@click.option("--lines", "-n", default=50, show_default=True, help="How many lines of each log.")
def logs(program: str | None, *, follow: bool, lines: int) -> None:
    """Show the end of the logs, of one program or of all."""
    directory = _stack().layout.logs
    files = [str(path) for path in sorted(directory.glob(f"{program or '*'}.log"))]
    if not files:
        raise click.ClickException(f"there are no logs in {directory} yet")
    os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), *files])  # noqa: S606


@main.command()
def fetch() -> None:
    """Download and check everything the engines are made of, without starting them."""
    for tree in _stack().fetch().values():
        click.echo(tree)


@main.command()
@click.option("--trino", help="Trino's version; the pinned one if not given.")
@click.option("--kafka", help="Kafka's version; the pinned one if not given.")
def pin(*, trino: str | None, kafka: str | None) -> None:
    """Write stack/versions.toml anew: download each file and note its SHA-256."""
    pinned = read_pins()
    write_pins(
        PINS_FILE,
        trino=trino or pinned["trino"].version,
        kafka=kafka or pinned["kafka"].version,
        console=Console(stderr=True, highlight=False),
    )


@main.command()
def lint() -> None:
    """Run ruff, mypy and sqlfluff."""
    if not checks.lint(_console()):
        sys.exit(1)


@main.command()
@click.option("--long", is_flag=True, help="Also the tests that take full counts.")
def test(*, long: bool) -> None:
    """Run the linters and every test, on a stack of the tests' own."""
    if not checks.test(_console(), long=long):
        sys.exit(1)


main.add_command(demo)
main.add_command(operator_day)
