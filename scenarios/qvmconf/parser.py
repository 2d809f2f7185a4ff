"""Reading `qvm` configurations: the door of this package.

A configuration is a stream of options.  An option opens a context (`vdev`, `pass`, `cpu`,
`reserve`), belongs to the context opened last, or stands for itself; the latter does not
close a context.  The parser collects the errors of the whole text and raises them together.

Decisions where the guide is silent or could not be read:

- A word in quotes is never the name of an option.
- An option's argument may stand on the next line, but a word there that is itself an option
  counts as a missing argument.
- A vdev of an unknown type is a user's own (`vdev-<type>.so`).  It is accepted with a note, which
  names the shipped type that is spelled most like it.  Its own options are taken in pairs of a
  name and an argument.
- The release decides whether a window that is no whole page is an error (8.0) or a note.
  Without an explicit release, constructs that only one release has give it away.

Source:
    QNX 8.0 hypervisor guide, config/qvm_syntax and vm/vm; QNX 7.0 hypervisor guide, vm/pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...model.base.errors import Place
from .assembly import Assembly
from .checks import check
from .collector import Collector
from .config import Release, VmConfig
from .numbers import AsinfoRange
from .outside import defined
from .sources import WordStream
from .tokens import Token

__all__ = ["parse_arguments", "parse_files", "parse_text"]


def parse_files(
    paths: Iterable[Path | str],
    asinfo: Mapping[str, AsinfoRange] | None = None,
    *,
    release: Release | None = None,
    user_vdevs: frozenset[str] = frozenset(),
) -> VmConfig:
    """Return the machine that configuration files describe together.

    Args:
        paths: The files, in the order in which `qvm` would get them.
        asinfo: Start and length of the system page's entries; without it, values that name
            an entry stay unresolved and are listed as not modelled.
        release: The release of `qvm`; `None` if it is not known.
        user_vdevs: Types of vdevs of the user's own, which then need no note.

    Raises:
        ConfigError: If the files cannot be read or used, with all problems.
    """
    words = [Token(f"@{path}", Place(str(path))) for path in paths]
    return _parse(words, asinfo, release, user_vdevs)


def parse_arguments(
    arguments: Sequence[str],
    asinfo: Mapping[str, AsinfoRange] | None = None,
    *,
    release: Release | None = None,
    user_vdevs: frozenset[str] = frozenset(),
) -> VmConfig:
    """Return the machine that the arguments of a `qvm` command line describe.

    Args:
        arguments: Such as `["@a.conf", "@b.conf", "set", "exit-on-halt", "off"]`; each is
            one word, as the shell hands it over.
        asinfo: As for `parse_files`.
        release: As for `parse_files`.
        user_vdevs: As for `parse_files`.

    Raises:
        ConfigError: If the arguments or files cannot be used, with all problems.
    """
    words = [
        Token(text, Place(f"<argument {index}>"), quoted=any(map(str.isspace, text)))
        for index, text in enumerate(arguments, 1)
    ]
    return _parse(words, asinfo, release, user_vdevs)


def parse_text(
    text: str,
    file: str = "<text>",
    asinfo: Mapping[str, AsinfoRange] | None = None,
    *,
    release: Release | None = None,
    user_vdevs: frozenset[str] = frozenset(),
) -> VmConfig:
    """Return the machine that a configuration text describes.

    Args:
        text: The text; files that it names are relative to the current folder.
        file: What places call it.
        asinfo: As for `parse_files`.
        release: As for `parse_files`.
        user_vdevs: As for `parse_files`.

    Raises:
        ConfigError: If the text cannot be used, with all problems.

    Example:
        >>> parse_text("ram 0x80000000,128M vdev pl011 loc 0x1c090000 intr gic:37").ram[0].length
        134217728
    """
    collector = Collector()
    stream = WordStream(collector)
    stream.push_text(text, file)
    return _assembled(stream, collector, asinfo, release, user_vdevs)


def _parse(
    words: list[Token],
    asinfo: Mapping[str, AsinfoRange] | None,
    release: Release | None,
    user_vdevs: frozenset[str],
) -> VmConfig:
    collector = Collector()
    stream = WordStream(collector)
    stream.push_words(words)
    return _assembled(stream, collector, asinfo, release, user_vdevs)


def _assembled(
    stream: WordStream,
    collector: Collector,
    asinfo: Mapping[str, AsinfoRange] | None,
    release: Release | None,
    user_vdevs: frozenset[str],
) -> VmConfig:
    assembly = Assembly(stream, collector, asinfo, user_vdevs)
    assembly.read_all()
    if not assembly.option_count and not collector.errors:
        place = Place(collector.files[0] if collector.files else "<no file>")
        message = "nothing is configured: there is no option in it"
        collector.error(place, message, remedy="begin with system, ram and cpu")
        collector.raise_errors()
    config = assembly.finished(release)
    for name in defined().keys() - stream.filled_names:
        message = f"the value of {name} has no placeholder to go to"
        collector.note(Place("--define"), message, word=name)
    check(config, collector, assembly.damaged())
    collector.raise_errors()
    return assembly.with_notes(config)
