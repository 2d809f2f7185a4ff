"""Any text gives either a machine or a list of problems, and soon."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.model.base.errors import ConfigError
from quiesce.scenarios.lint import lint
from quiesce.scenarios.qvmconf.config import VmConfig
from quiesce.scenarios.qvmconf.options import (
    BLOBS,
    CPU_OPTIONS,
    KNOWN_BY_NAME,
    TOP_LEVEL,
    VDEV_OPTIONS,
)
from quiesce.scenarios.qvmconf.parser import parse_text
from quiesce.scenarios.qvmconf.sources import MAX_FILE_BYTES
from quiesce.scenarios.qvmconf.vdev_types import VDEV_TYPES

VOCABULARY = [
    *TOP_LEVEL,
    *BLOBS,
    *KNOWN_BY_NAME,
    *CPU_OPTIONS,
    *VDEV_OPTIONS,
    *VDEV_TYPES,
    *sorted({option for kind in VDEV_TYPES.values() for option in kind.options}),
]
ARGUMENTS = [
    *("0x1000", "4k", "0", "0d12", "1g,4k", ",", ",,", "=", ":", "gic:40", "apic", "gic:", ":4"),
    *("pci:0:1.0", "pci:0x8086/0x5aa8", "pci:0:1=pci:3:0.0", "pci:=", "mem:", "io:0x3f8,8,rw"),
    *("0x1000,0x1000,rwn=0x1000", "mem:0,4k,+rw-n", "mem:0x9000,4k,m=$asinfo_start{a}", "$", "@"),
    *(
        "$asinfo_length{b}",
        "@missing.conf",
        "@X@",
        "gic:44,u=7",
        "gic:44=",
        '"a b"',
        '"',
        "#",
        "\\",
    ),
    *("\x00", "\u00e4", "\u0661", "0x" + "f" * 60, "9" * 5000, "on", "terminate", "9r", "1,2,3"),
]


def config_or_problems(text: str) -> VmConfig | str:
    """The machine, or all problems as they are printed; any other exception is a bug."""
    try:
        return parse_text(text, asinfo={"a": (0x1000, 4096)} if len(text) % 2 else None)
    except ConfigError as error:
        return str(error)


WORDS = st.sampled_from(VOCABULARY) | st.sampled_from(ARGUMENTS) | st.text(max_size=6)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from([" ", "\n"])), max_size=30))
def test_any_text_is_a_machine_or_a_list_of_problems(words: list[tuple[str, str]]) -> None:
    text = "".join(word + blank for word, blank in words)
    answer = config_or_problems(text)
    if isinstance(answer, VmConfig):
        lint(answer, iommu=None, quiesced=frozenset({"mem:0"}), safety=True)
        assert msgspec.json.decode(msgspec.json.encode(answer), type=VmConfig) == answer
    else:
        assert answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    ["x ", '"', "\\", "a\\\n", '"" ', "#", "\n", "cpu ", "vdev ", "pass\n", "1,", "$asinfo_start{"],
)
def test_a_large_repetition_ends_in_one_bounded_answer(unit: str) -> None:
    text = "ram 1M " + unit * ((MAX_FILE_BYTES - 10) // len(unit) // 8)
    answer = config_or_problems(text)
    assert isinstance(answer, VmConfig) or len(answer) < 40_000


def test_a_text_above_the_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than the 1024 KiB"):
        parse_text("cpu ".ljust(MAX_FILE_BYTES + 1))


def test_a_long_word_is_cut_short_in_the_message() -> None:
    with pytest.raises(ConfigError) as error:
        parse_text("z" * 100_000)
    assert len(str(error.value)) < 200
