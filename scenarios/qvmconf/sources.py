"""The stream of words from all files of a configuration, in reading order.

Several `@file` words may be given and mixed with options; a file may name further files,
relative to itself.  The size is bounded, since a configuration is a few kilobytes of text: a wrong
file gives one clear message at once.

Source:
    QNX 7.1 hypervisor safety guide, vm/variables, for `@file` and options on one command
    line.  That a file names others relative to itself is an assumption.
"""

import itertools
import re
import stat
from pathlib import Path

import msgspec

from ...model.base.errors import Place, Problem, QuiesceError, nearest
from .collector import Collector
from .numbers import shown
from .outside import STANDARD_INPUT, STANDARD_INPUT_TITLE, defined, standard_input
from .tokens import Token, words_of

MAX_FILE_BYTES = 1 << 20
MAX_TOTAL_BYTES = 4 << 20
MAX_FILES = 64

_FORMS = (
    # `@NAME@`; the word `@a@b.conf` names a file.
    r"@[A-Za-z_][\w.-]*@(?!\w)",
    # `x@NAME@y`.
    r"(?<!^)@[A-Za-z_][\w.-]*@",
    # `${NAME}`.
    r"\$\{[A-Za-z_][\w.-]*\}",
    # `$NAME`; `$asinfo_start{name}` is a substitution of qvm.
    r"\$[A-Z_][A-Z0-9_]*(?![\w{])",
    # `{{NAME}}`.
    r"\{\{[A-Za-z_][\w.-]*\}\}",
    # `%NAME%`.
    r"%[A-Za-z_][\w.-]*%",
    # `<NAME>`; a host end point to be read has no closing bracket.
    r"<[A-Za-z_][\w. -]*>",
    # `‹NAME›`.
    r"‹[^‹›]+›",
)
_PLACEHOLDER = re.compile("|".join(_FORMS))
"""What templates leave where a value has to be filled in."""

_BRACKETS = "@${}%<>‹›"


class SourceError(QuiesceError):
    """A file that cannot be read as text.

    Args:
        message: What is wrong with it, as a clause.
        remedy: What to do; may be empty.
        line: The line in that file, 0 if it is not about one.
    """

    def __init__(self, message: str, remedy: str = "", line: int = 0) -> None:
        self.message = message
        self.remedy = remedy
        self.line = line
        super().__init__(message, remedy, line)

    def __str__(self) -> str:
        """Give the message and the remedy."""
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class _Source:
    """A text that is being read: its words, and which of them is next."""

    def __init__(self, words: list[Token], folder: Path, identity: Path | None) -> None:
        self.words = words
        self.folder = folder
        self.identity = identity
        self.next_index = 0


class WordStream:
    """The words of a configuration; `@file` is replaced by the words of that file.

    Only where an option may stand does a word with `@` name a file, so an argument may begin
    with `@`.

    Args:
        collector: Gets the problems of files and quotes.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        # Invariant: the last source is being read; each other one waits behind its `@file` word.
        self._open: list[_Source] = []
        self._total_bytes = 0
        self.word_count = 0
        self.filled_names: set[str] = set()

    def push_words(self, words: list[Token]) -> None:
        """Read these words next, with file names relative to the current folder."""
        for word in words:
            self._collector.know(word.place.file)
        filled: list[Token] = []
        for word in words:
            is_file = word.text.startswith("@") and not is_placeholder(word.text)
            filled.extend([word] if is_file else self._filled(word))
        self._open.append(_Source(filled, Path(), None))

    def push_text(self, text: str, file: str) -> None:
        """Read this text next, with file names relative to the current folder.

        Args:
            text: Configuration text.
            file: What the places say.
        """
        self._collector.files.append(file)
        self._collector.know(file)
        data = text.encode("utf-8", "surrogatepass")
        try:
            _refuse_kind(stat.S_IFREG, len(data))
            _refuse_binary(data)
        except SourceError as error:
            self._collector.error(Place(file, error.line), error.message, remedy=error.remedy)
            return
        self._open.append(_Source(self._words(text, file), Path(), None))

    def next_option(self) -> Token | None:
        """Take the next word where an option may stand; `None` at the end of everything."""
        while self._open:
            source = self._open[-1]
            if source.next_index == len(source.words):
                self._open.pop()
                continue
            token = self.take()
            if token.quoted or not token.text.startswith("@"):
                return token
            self._include(token, source)
        return None

    def peek(self) -> Token | None:
        """Return the next word of the same text, which may be an argument, if there is one."""
        # An argument stands in the same text as its option: no inclusion lies between them.
        source = self._open[-1]
        if source.next_index == len(source.words):
            return None
        return source.words[source.next_index]

    def take(self) -> Token:
        """Take the next word of the same text, an option or not."""
        source = self._open[-1]
        token = source.words[source.next_index]
        source.next_index += 1
        self.word_count += 1
        return token

    def _words(self, text: str, file: str) -> list[Token]:
        words = []
        for item in words_of(text, file):
            if isinstance(item, Problem):
                remedy = 'add the closing " or remove the opening one'
                if item.word.startswith("\\"):
                    remedy = 'the \\" is for a shell: write " alone'
                self._collector.error(item.place, item.message, word=item.word, remedy=remedy)
            else:
                words.extend(self._filled(item))
        return words

    def _filled(self, word: Token) -> list[Token]:
        """Return a word with the values of its placeholders; each without a value is a problem.

        A value outside quotes may be empty or have several words, such as a whole `vdev` entry.
        """
        if _PLACEHOLDER.search(word.text) is None:
            return [word]
        missing = [
            found.group()
            for found in _PLACEHOLDER.finditer(word.text)
            if self._value(found) == found.group()
        ]
        for name in missing:
            self._collector.placeholder(word, name)
        text = _PLACEHOLDER.sub(self._value, word.text)
        if word.quoted or missing:
            return [msgspec.structs.replace(word, text=text)]
        return [
            Token(item.text, word.place, item.quoted, word.first or item.first)
            for item in words_of(text, word.place.file)
            if isinstance(item, Token)
        ]

    def _value(self, match: re.Match[str]) -> str:
        name = match.group().strip(_BRACKETS)
        values = defined()
        if name not in values:
            return match.group()
        self.filled_names.add(name)
        return values[name]

    def _include(self, token: Token, source: _Source) -> None:
        name = token.text[1:]
        if is_placeholder(token.text):
            self._collector.placeholder(token, token.text)
            return
        if name == STANDARD_INPUT and source.identity is None:
            self._include_standard_input(token)
            return
        path = source.folder / name
        try:
            text = self._read(name, path)
        except SourceError as error:
            is_named_elsewhere = Path(token.place.file) != path and not error.line
            title = f"{shown(name)}: " if is_named_elsewhere else ""
            place = Place(str(path), error.line) if error.line else token.place
            message = f"{title}{error.message}"
            self._collector.error(place, message, word=token.text, remedy=error.remedy)
            return
        self._collector.files.append(str(path))
        self._collector.know(str(path))
        words = self._words(text, str(path))
        self._open.append(_Source(words, path.parent, path.resolve()))

    def _include_standard_input(self, token: Token) -> None:
        data = standard_input(MAX_FILE_BYTES)
        title = STANDARD_INPUT_TITLE
        try:
            _refuse_kind(stat.S_IFREG, len(data))
            _refuse_binary(data)
        except SourceError as error:
            place = Place(title, error.line)
            self._collector.error(place, error.message, word=token.text, remedy=error.remedy)
            return
        self._collector.files.append(title)
        self._collector.know(title)
        text = data.decode("utf-8-sig")
        self._open.append(_Source(self._words(text, title), Path(), None))

    def _read(self, name: str, path: Path) -> str:
        if not name:
            raise SourceError("no file is named", "write the path right behind the @")
        identity = path.resolve()
        # `_open` is the chain of inclusions, so a file in it would include itself.
        if any(source.identity == identity for source in self._open):
            chain = [source.identity.name for source in self._open if source.identity]
            raise SourceError(
                f"the file includes itself: {' -> '.join([*chain, identity.name])}",
                "remove one of these inclusions",
            )
        if len(self._collector.files) >= MAX_FILES:
            raise SourceError(f"more than {MAX_FILES} files are read", "join some of them")
        text = read_text(path)
        self._total_bytes += len(text)
        if self._total_bytes > MAX_TOTAL_BYTES:
            message = f"all files together exceed {MAX_TOTAL_BYTES >> 20} MiB"
            raise SourceError(message, "name only the files of one machine")
        return text


def is_placeholder(word: str) -> bool:
    """Return whether a word is or begins with the placeholder of a template, such as `@NAME@`."""
    return _PLACEHOLDER.match(word) is not None


def read_text(path: Path) -> str:
    """Return a file's text.

    Args:
        path: A regular file of at most `MAX_FILE_BYTES` in UTF-8.

    Raises:
        SourceError: If it is missing, too large, no regular file or no text.
    """
    try:
        status = path.stat()
        _refuse_kind(status.st_mode, status.st_size)
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        close = _similar_file(path)
        remedy = f"did you mean {shown(close)}?" if close else "check the path"
        raise SourceError("there is no such file", remedy) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"the file cannot be read: {reason}") from None
    _refuse_kind(status.st_mode, len(data))
    _refuse_binary(data)
    return data.decode("utf-8-sig")


def _refuse_kind(mode: int, size: int) -> None:
    if stat.S_ISDIR(mode):
        raise SourceError("this is a directory", "name a configuration file in it")
    if not stat.S_ISREG(mode):
        raise SourceError("this is not a regular file", "name a file of text")
    if size > MAX_FILE_BYTES:
        raise SourceError(
            f"the file is larger than the {MAX_FILE_BYTES >> 10} KiB that are read",
            "name a configuration file, not an image",
        )


def _refuse_binary(data: bytes) -> None:
    nul = data.find(0)
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise SourceError("the file is binary: it holds a NUL byte", "name a text file", line)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {data[error.start]:#04x} is not UTF-8 text"
        raise SourceError(message, "save the file as UTF-8", line) from None


def _similar_file(path: Path) -> str:
    try:
        siblings = [entry.name for entry in itertools.islice(path.parent.iterdir(), 1000)]
    except OSError:
        return ""
    return nearest(path.name, siblings)
