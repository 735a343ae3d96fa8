"""A YAML file as plain data in which every key still knows its line.

The scalars are those of YAML 1.2: ``no`` and ``on`` are text, ``010`` is ten. A key that stands twice is a
problem, not an override. ``${NAME}`` and ``${NAME:-default}`` in a text are replaced from the environment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from lakehouse.contracts.errors import ContractError, ContractProblem

KeyPath = tuple[str | int, ...]
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_TAG = "tag:yaml.org,2002:"
_LONGEST_INTEGER = 20
#: More than any contract needs; aliases of aliases stand for any number of values.
_MOST_VALUES = 100_000
_DEEPEST_NESTING = 20
_SURROGATE = re.compile("[\ud800-\udfff]")


class _CoreSchemaLoader(yaml.SafeLoader):
    """Resolves plain scalars by the core schema of YAML 1.2."""


_CoreSchemaLoader.yaml_implicit_resolvers = {}

for _name, _expression, _first_characters in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _CoreSchemaLoader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_expression})$"), _first_characters)


class Document:
    """The data of one YAML file, and where each key of it stands.

    :param data: mappings, lists and scalars.
    """

    def __init__(self, path: Path, *, environment: Mapping[str, str]) -> None:
        self.path = path
        self.problems: list[ContractProblem] = []
        self._environment = environment
        self._lines: dict[KeyPath, int] = {(): 1}
        self._values = 0
        self.data = self._plain(self._composed(), (), frozenset())

    def problem(self, key: KeyPath, problem: str, remedy: str = "") -> ContractProblem:
        """A problem at a key, or at the nearest key above it that is written in the file."""
        nearest = key
        while nearest not in self._lines:
            nearest = nearest[:-1]
        return ContractProblem(self.path, self._lines[nearest], ".".join(map(str, key)), problem, remedy)

    def _composed(self) -> Node:
        text = self._text()
        try:
            node = yaml.compose(text, Loader=_CoreSchemaLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            remedy = "Check indentation, quotes and brackets on this line and the one above."
            raise self._unreadable(f"The file is not YAML: {error.problem}.", remedy, line=line) from error
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            problem = f"The file holds a character that YAML does not allow: {error.character!r}."
            raise self._unreadable(problem, "Remove it.", line=line) from error
        except RecursionError as error:
            raise self._too_deep() from error
        if node is None:
            raise self._unreadable("The file is empty.", "Write a contract; a shipped one is a good start.")
        return node

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except OSError as error:
            problem = f"The file cannot be read: {error.strerror}."
            raise self._unreadable(problem, "Check its name and rights.") from error
        except UnicodeDecodeError as error:
            problem = f"The file is not UTF-8: byte {error.start} cannot be decoded."
            raise self._unreadable(problem, "Save it as UTF-8.") from error

    def _too_deep(self, line: int = 1) -> ContractError:
        return self._unreadable("The file is nested too deeply.", "Write it flatter.", line=line)

    def _unreadable(self, problem: str, remedy: str, *, line: int = 1) -> ContractError:
        return ContractError([ContractProblem(self.path, line, "", problem, remedy)])

    def _plain(self, node: Node, key: KeyPath, above: frozenset[int]) -> Plain:
        if id(node) in above:
            self.problems.append(self.problem(key, "The value contains itself.", "Remove the alias."))
            return None
        if len(above) > _DEEPEST_NESTING:
            raise self._too_deep(node.start_mark.line + 1)
        self._values += 1
        if self._values > _MOST_VALUES:
            problem = f"The file stands for more than {_MOST_VALUES} values."
            raise self._unreadable(problem, "Remove aliases, or lists.", line=node.start_mark.line + 1)
        if not isinstance(node, ScalarNode) and node.tag not in {f"{_TAG}map", f"{_TAG}seq"}:
            self.problems.append(self._meaningless_tag(node, key))
        inside = above | {id(node)}
        match node:
            case MappingNode():
                return self._mapping(node, key, inside)
            case SequenceNode():
                return [self._placed(item, (*key, place), inside) for place, item in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(node, key)
            case _:
                raise AssertionError(node)

    def _placed(self, node: Node, key: KeyPath, above: frozenset[int]) -> Plain:
        self._lines[key] = node.start_mark.line + 1
        return self._plain(node, key, above)

    def _mapping(self, node: MappingNode, key: KeyPath, above: frozenset[int]) -> dict[str, Plain]:
        mapping: dict[str, Plain] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, ScalarNode):
                problem = ContractProblem(self.path, line, ".".join(map(str, key)), "A key is not a text.", "")
                self.problems.append(problem)
                continue
            name = self._readable(str(name_node.value), key, line)
            path = (*key, name)
            if name in mapping:
                first = self._lines[path]
                problem = ContractProblem(
                    self.path, line, ".".join(map(str, path)), f"The key stands twice, first on line {first}.",
                    "Keep one of the two.",
                )  # fmt: skip
                self.problems.append(problem)
                continue
            self._lines[path] = line
            mapping[name] = self._plain(value_node, path, above)
        return mapping

    def _scalar(self, node: ScalarNode, key: KeyPath) -> Plain:
        text = self._readable(str(node.value), key, node.start_mark.line + 1)
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text) if len(text) <= _LONGEST_INTEGER else text
            case "float":
                number = float(text)
                return number if math.isfinite(number) else text
            case "str":
                return _VARIABLE.sub(lambda variable: self._substituted(variable, key), text)
            case _:
                self.problems.append(self._meaningless_tag(node, key))
                return None

    def _readable(self, text: str, key: KeyPath, line: int) -> str:
        """A text without what no file can hold as UTF-8."""
        if not _SURROGATE.search(text):
            return text
        problem = "The text holds half of a surrogate pair."
        at = ".".join(map(str, key))
        self.problems.append(ContractProblem(self.path, line, at, problem, "Write the character itself."))
        return _SURROGATE.sub("\ufffd", text)

    def _meaningless_tag(self, node: Node, key: KeyPath) -> ContractProblem:
        return self.problem(key, f"The tag {node.tag} has no meaning here.", "Remove it.")

    def _substituted(self, variable: re.Match[str], key: KeyPath) -> str:
        name, default = variable["name"], variable["default"]
        value = self._environment.get(name) or default
        if value is None:
            remedy = f"Set {name}, or write ${{{name}:-default}}."
            self.problems.append(self.problem(key, f"The environment has no {name}.", remedy))
            return ""
        return value
