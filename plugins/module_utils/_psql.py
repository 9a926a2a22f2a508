# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""psql scripts: statements and metacommands, told apart from what is quoted or commented out.

Only what a schema's file holds is understood; a metacommand that would need a running psql is refused by its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional, Union

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | (?P<string>(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*|\$\d+)
    | (?P<cast>::|:=)
    | (?P<variable>:(?:\w+|'\w+'|"\w+"))
    | (?P<open>[(\[])
    | (?P<close>[)\]])
    | (?P<end>;)
    | (?P<command>\\)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK = re.compile(r"/\*|\*/")
_COMMAND = re.compile(r"\\(?P<name>[^\s\\]+)[ \t]*(?P<rest>[^\n]*)")
_ARGUMENT = re.compile(r"""\s*(?:'((?:[^'\\]|''|\\.)*)'|"((?:[^"]|"")*)"|([^\s'"]+))""")
_FROM_STDIN = re.compile(r"\bFROM\s+(?:STDIN|PSTDIN)\b", re.IGNORECASE)
# As many words of a statement's beginning as anybody looks at.
_WORDS = 24


class ScriptError(Exception):
    """What is wrong with a script, as one sentence."""


class Word(NamedTuple):
    """A word outside quotes in capitals, or a quoted name without its quotes."""

    text: str
    start: int
    end: int
    quoted: bool = False


class Statement(NamedTuple):
    """One statement without its semicolon; COPY … FROM stdin brings its rows."""

    sql: str
    line: int
    words: tuple[Word, ...]
    data: Optional[str] = None
    # The metacommand that ended it in place of a semicolon, such as gexec.
    ended_by: str = ""

    def starts(self, *words: str) -> bool:
        return tuple(word.text for word in self.words[: len(words)] if not word.quoted) == words


class Command(NamedTuple):
    """A metacommand with its arguments."""

    name: str
    arguments: tuple[str, ...]
    line: int


class _Reader:
    """Goes through a script once; a statement is what stands between two ends."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self.text = text
        self.variables = variables
        self.line, self._counted = 1, 0
        self.reset(0)

    def reset(self, position: int) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.last = position
        self.start: Optional[int] = None
        self.words: list[Word] = []
        self.comments: list[tuple[int, int]] = []
        self.parens = self.begins = 0

    def line_at(self, position: int) -> int:
        self.line += self.text.count("\n", self._counted, position)
        self._counted = max(position, self._counted)
        return self.line

    def take(self, end: int) -> None:
        """Add the text up to here to the statement."""
        piece = self.text[self.last : end]
        self.pieces.append(piece)
        self.length += len(piece)
        self.last = end

    def offset(self, position: int) -> int:
        return self.length + position - self.last

    def statement(self, end: int, data: Optional[str] = None, ended_by: str = "") -> Optional[Statement]:
        """Close the statement; nothing but comments is none."""
        if self.start is None:
            return None
        # What follows is put behind it, and must not become part of a comment.
        while self.comments and not self.text[self.comments[-1][1] : end].strip():
            end = self.comments.pop()[0]
        self.take(end)
        whole = "".join(self.pieces)
        shift = len(whole) - len(whole.lstrip())
        words = tuple(word._replace(start=word.start - shift, end=word.end - shift) for word in self.words)
        line = self.line_at(self.start) - whole[shift : self.first].count("\n")
        return Statement(whole.strip(), line, words, data, ended_by)

    def began(self, position: int) -> None:
        if self.start is None:
            self.start = position
            self.first = self.offset(position)

    def word(self, text: str, start: int, end: int, quoted: bool) -> None:
        self.began(start)
        upper = text if quoted else text.upper()
        if len(self.words) < _WORDS:
            self.words.append(Word(upper, self.offset(start), self.offset(end), quoted))
        if not quoted and self.parens == 0 and self.words[0].text == "CREATE":
            self._nest(upper)

    def _nest(self, word: str) -> None:
        """Semicolons within BEGIN ATOMIC … END end nothing (told as psql tells them)."""
        kinds = {found.text for found in self.words[1:4]}
        if not kinds & {"FUNCTION", "PROCEDURE"}:
            return
        if word == "BEGIN" or (word == "CASE" and self.begins):
            self.begins += 1
        elif word == "END" and self.begins:
            self.begins -= 1


def parse(text: str, variables: Optional[Mapping[str, str]] = None) -> Iterator[Union[Statement, Command]]:
    """Yield statements and metacommands in their order; C(variables) may change meanwhile."""
    reader = _Reader(text, variables if variables is not None else {})
    position = 0
    while True:
        match = _TOKEN.search(text, position)
        if match is None:
            break
        position = match.end()
        kind = match.lastgroup
        if kind == "cast":
            continue
        if kind == "comment":
            reader.comments.append(match.span())
        elif kind == "block":
            position = _skip_block(text, position, reader.line_at(match.start()))
            reader.comments.append((match.start(), position))
        elif kind == "word":
            reader.word(match.group(), match.start(), position, quoted=False)
        elif kind == "name":
            reader.word(match.group()[1:-1].replace('""', '"'), match.start(), position, quoted=True)
        elif kind == "dollar":
            reader.began(match.start())
            closing = text.find(match.group(), position)
            if closing < 0:
                raise ScriptError(f"Line {reader.line_at(match.start())}: the quote {match.group()} is never closed.")
            position = closing + len(match.group())
        elif kind == "variable":
            reader.began(match.start())
            _substitute(reader, match)
        elif kind in ("open", "close"):
            reader.began(match.start())
            reader.parens = max(0, reader.parens + (1 if kind == "open" else -1))
        elif kind == "end":
            if reader.parens or reader.begins:
                continue
            found = reader.statement(match.start())
            if found and found.starts("COPY") and _FROM_STDIN.search(found.sql):
                data, position = _copy_data(text, position, found.line)
                found = found._replace(data=data)
            reader.reset(position)
            if found:
                yield found
        elif kind == "command":
            if text.startswith(";", position):
                reader.take(match.start())
                reader.last = position
                position += 1
                continue
            commands, position = _read_commands(text, match.start(), reader.line_at(match.start()))
            for command in commands:
                if command.name in ("g", "gx", "gexec", "gset", "gdesc", "crosstabview", "bind"):
                    found = reader.statement(match.start(), ended_by=command.name)
                    if found:
                        yield found
                else:
                    yield command
            reader.reset(position)
        else:
            reader.began(match.start())
    found = reader.statement(len(text))
    if found:
        yield found


def _skip_block(text: str, position: int, line: int) -> int:
    """Comments nest."""
    depth = 1
    while depth:
        match = _BLOCK.search(text, position)
        if match is None:
            raise ScriptError(f"Line {line}: the comment is never closed.")
        depth += 1 if match.group() == "/*" else -1
        position = match.end()
    return position


def _substitute(reader: _Reader, match: re.Match[str]) -> None:
    """Put a psql variable's value in its place; an unknown one stays, as in psql."""
    name = match.group()[1:]
    quote = name[0] if name[0] in "'\"" else ""
    value = reader.variables.get(name.strip("'\""))
    if value is None:
        return
    reader.take(match.start())
    filled = quote + value.replace(quote, quote * 2) + quote if quote else value
    reader.pieces.append(filled)
    reader.length += len(filled)
    reader.last = match.end()


def _copy_data(text: str, position: int, line: int) -> tuple[str, int]:
    """Rows after COPY … FROM stdin, up to the line that holds nothing but a backslash and a dot."""
    start = text.find("\n", position) + 1
    if not start:
        raise ScriptError(f"Line {line}: COPY … FROM stdin has no rows, and no \\. that would end them.")
    match = re.compile(r"^\\\.[ \t]*\r?$", re.MULTILINE).search(text, start)
    if match is None:
        raise ScriptError(f"Line {line}: the rows of COPY … FROM stdin are never ended by \\. on a line of its own.")
    return text[start : match.start()], match.end()


def _read_commands(text: str, start: int, line: int) -> tuple[list[Command], int]:
    """Metacommands share a line where a double backslash parts them."""
    match = _COMMAND.match(text, start)
    if match is None:
        raise ScriptError(f"Line {line}: a backslash outside quotes begins a metacommand, and none follows.")
    commands = []
    for part in re.split(r"\s\\\\\s*\\?", match["name"] + " " + match["rest"].rstrip("\r")):
        name, _blank, rest = part.strip().partition(" ")
        found = _ARGUMENT.findall(rest)
        arguments = tuple(
            single.replace("''", "'") or double.replace('""', '"') or plain for single, double, plain in found
        )
        commands.append(Command(name, arguments, line))
    return commands, match.end()
