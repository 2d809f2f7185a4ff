"""Generated machines, printed in any layout, are read back as they were meant."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.scenarios.qvmconf.config import VmConfig
from quiesce.scenarios.qvmconf.parser import parse_text

PAGE = 4096
NAMES = st.text("abcdefgh-_0123456789/.", min_size=1, max_size=12).map(lambda name: f"n{name}")
FREE_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters='"\\'),
    max_size=20,
)


class Machine(msgspec.Struct, frozen=True):
    """What is to be read back, as (type, location, pin, back end) and so on."""

    name: str
    ram: tuple[tuple[int, int], ...]
    vdevs: tuple[tuple[str, int | None, int | None, str], ...]
    windows: tuple[tuple[int, int, int, str], ...]
    lines: tuple[tuple[int, int | None, str], ...]
    cpus: tuple[int, ...]
    timeout_ms: int
    command_line: str


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Machines without overlaps and shared pins: every range has a slot of 16 MiB."""
    slots = iter(draw(st.permutations(range(64))))
    pins = iter(draw(st.permutations(range(32, 96))))

    def start() -> int:
        return (next(slots) << 24) + PAGE * draw(st.integers(0, 15))

    def vdev() -> tuple[str, int | None, int | None, str]:
        kind = draw(st.sampled_from(["virtio-blk", "virtio-console", "pl011"]))
        is_pci = kind != "pl011" and draw(st.booleans())
        place = (None, None) if is_pci else (start(), next(pins))
        return (kind, *place, draw(NAMES))

    def window(letters: str) -> tuple[int, int, int, str]:
        host = PAGE * draw(st.integers(0, 1 << 28))
        return (start(), PAGE * draw(st.integers(1, 16)), host, letters)

    attributes = st.lists(st.sampled_from("rwxcdn"), unique=True, min_size=1).map("".join)
    return Machine(
        draw(NAMES),
        tuple((start(), PAGE * draw(st.integers(1, 256))) for _ in range(draw(st.integers(0, 3)))),
        tuple(vdev() for _ in range(draw(st.integers(0, 4)))),
        tuple(window(letters) for letters in draw(st.lists(attributes, max_size=3))),
        tuple(
            (next(pins), draw(st.none() | st.integers(0, 999)), draw(st.sampled_from(["", "u"])))
            for _ in range(draw(st.integers(0, 3)))
        ),
        tuple(draw(st.lists(st.integers(1, 255), max_size=3))),
        draw(st.integers(5, 10_000) | st.just(0)),
        draw(FREE_TEXTS),
    )


def number_text(draw: st.DrawFn, value: int) -> str:
    """One of the ways to write an address or a length."""
    ways = [hex(value), f"0x{value:X}", f"0d{value}"]
    ways += [f"{value >> 10}{unit}" for unit in "kK" if value % 1024 == 0]
    return draw(st.sampled_from(ways))


@st.composite
def words_of_machine(draw: st.DrawFn, machine: Machine) -> list[str]:
    """The machine as words; numbers and optional prefixes are written in any way."""
    words = ["system", machine.name]
    for first, length in machine.ram:
        words += ["ram", f"{number_text(draw, first)},{number_text(draw, length)}"]
    for priority in machine.cpus:
        words += ["cpu", "sched", f"{priority}{draw(st.sampled_from(['', 'r', 'f', 'o']))}"]
    for kind, begin, pin, path in machine.vdevs:
        options = [["hostdev", path]]
        if begin is not None:
            prefix = draw(st.sampled_from(["", "mem:"]))
            options.append(["loc", f"{prefix}{number_text(draw, begin)}"])
            options.append(["intr", f"gic:{pin}"])
        decoration = draw(st.sampled_from(["{}", "vdev-{}", "vdev-{}.so"]))
        words += ["vdev", decoration.format(kind)]
        words += [word for option in draw(st.permutations(options)) for word in option]
    for first, length, host, letters in machine.windows:
        window = ",".join([number_text(draw, first), number_text(draw, length), letters])
        words += ["pass", "loc", f"mem:{window}={number_text(draw, host)}"]
    for pin, vector, flags in machine.lines:
        flag_text = f",{flags}" if flags else ""
        vector_text = "" if vector is None else f"={vector}"
        words += ["pass", "intr", f"gic:{pin}{flag_text}{vector_text}"]
    words += ["set", "message-block-timeout", str(machine.timeout_ms)]
    return [*words, "cmdline", f'"{machine.command_line}"']


BLANKS = st.sampled_from([" ", "\n", "\t", "\r\n", "\n\n", '  # a "remark" about ram\n', " \\\n"])


@st.composite
def layouts(draw: st.DrawFn, words: list[str]) -> str:
    """The words with any blanks and comments between them.

    An argument that starts a line must not be the name of an option, and none is.
    """
    return "".join(draw(BLANKS) + word for word in words) + draw(st.sampled_from(["", "\n", "#"]))


def without_places(value: object) -> object:
    """The plain data of a machine except where its parts stand."""
    if isinstance(value, dict):
        places = ("place", "text", "notes", "not_modelled")
        return {key: without_places(item) for key, item in value.items() if key not in places}
    if isinstance(value, list | tuple):
        return [without_places(item) for item in value]
    return value


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_machine_in_any_layout_is_read_as_it_was_meant(data: st.DataObject) -> None:
    machine = data.draw(machines())
    words = data.draw(words_of_machine(machine))
    config = parse_text(data.draw(layouts(words)))
    assert config.name == machine.name
    assert tuple((region.start, region.length) for region in config.ram) == machine.ram
    assert (
        tuple(
            (
                vdev.type,
                vdev.loc.address if vdev.loc else None,
                vdev.intr[0].number if vdev.intr else None,
                vdev.hostdev[0].path,
            )
            for vdev in config.vdevs
        )
        == machine.vdevs
    )
    windows = [window for item in config.passes for window in item.windows]
    assert [(w.guest, w.length, w.host, set(w.attributes)) for w in windows] == [
        (*numbers, set(letters)) for *numbers, letters in machine.windows
    ]
    lines = [line for item in config.passes for line in item.interrupts]
    assert tuple((line.number, line.vector, line.flags) for line in lines) == machine.lines
    assert tuple(cpu.options[0].numbers[0] for cpu in config.cpus) == machine.cpus
    assert config.block_timeout_ns == (machine.timeout_ms * 1_000_000 or None)
    assert config.options[-1].arguments == (machine.command_line,)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_two_layouts_of_the_same_words_differ_in_places_only(data: st.DataObject) -> None:
    words = data.draw(words_of_machine(data.draw(machines())))
    one, other = (parse_text(data.draw(layouts(words))) for _ in range(2))
    assert without_places(msgspec.to_builtins(one)) == without_places(msgspec.to_builtins(other))
    assert msgspec.json.decode(msgspec.json.encode(one), type=VmConfig) == one
