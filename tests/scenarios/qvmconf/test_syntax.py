"""How configuration text becomes words and options."""

import pytest

from quiesce.model.base.errors import ConfigError, Place
from quiesce.scenarios.qvmconf.numbers import NumberError, parse_number
from quiesce.scenarios.qvmconf.parser import parse_arguments, parse_text
from quiesce.scenarios.qvmconf.tokens import Token, words_of


def words(text: str) -> list[str]:
    return [item.text for item in words_of(text, "a") if isinstance(item, Token)]


def test_a_newline_is_a_blank_like_any_other() -> None:
    assert words("loc 0x1c050000 intr\n gic:38") == ["loc", "0x1c050000", "intr", "gic:38"]
    vdev = parse_text("vdev pl011 loc 0x1c050000 intr\n gic:38 hostdev\n >-").vdevs[0]
    assert str(vdev.intr[0]) == "gic:38"
    assert (vdev.hostdev[0].path, vdev.hostdev[0].mode) == ("-", "write")


def test_a_comment_may_stand_directly_behind_a_number() -> None:
    assert words("intr gic:37# the console\nname x # y") == ["intr", "gic:37", "name", "x"]


def test_quotes_make_one_word_over_several_lines() -> None:
    assert words('cmdline "a # b\n c \\\n d" cpu') == ["cmdline", "a # b\n c  d", "cpu"]


def test_quotes_may_begin_inside_a_word() -> None:
    assert words('hostdev >"|logger -t g"') == ["hostdev", ">|logger -t g"]


def test_a_protected_quote_does_not_end_the_word() -> None:
    assert words(r'cmdline "dyndbg=\"file a\"" cpu') == ["cmdline", 'dyndbg="file a"', "cpu"]


def test_places_count_lines_and_columns_behind_a_quote_of_several_lines() -> None:
    tokens = [item for item in words_of('a "b\nc"\n  d', "f") if isinstance(item, Token)]
    assert [str(token.place) for token in tokens] == ["f:1:1", "f:1:3", "f:3:3"]
    assert [token.first for token in tokens] == [True, False, True]


def test_an_open_quote_is_reported_where_it_opens() -> None:
    with pytest.raises(ConfigError) as error:
        parse_text('system a\ncmdline "console=ttyAMA0\nram 1M\n', "vm.conf")
    assert error.value.problems[0].place == Place("vm.conf", 2, 9)
    assert "never closed" in str(error.value)


def test_a_word_in_quotes_is_an_argument_even_if_it_is_the_name_of_an_option() -> None:
    assert parse_text('system "ram" ram 1M').name == "ram"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1C0F0000", 0x1C0F0000),
        ("4k", 4096),
        ("1M", 1 << 20),
        ("2g", 2 << 30),
        ("0x10M", 16 << 20),
        ("0", 0),
        ("0xffffffffffffffff", (1 << 64) - 1),
    ],
)
def test_a_number_with_its_multiple_has_its_value(text: str, value: int) -> None:
    assert parse_number(text).value == value


@pytest.mark.parametrize("text", ["", "0x", "1T", "1.5M", "-1", "0d12", "\u0661", "9" * 30, "1_0"])
def test_what_is_no_number_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(NumberError):
        parse_number(text)


def test_a_bare_decimal_above_9_in_an_address_is_flagged_and_others_are_not() -> None:
    flagged = parse_text("ram 4096 vdev gic")
    assert "no prefix" in str(flagged.notes[0])
    assert flagged.ram[0].length == 4096
    assert not parse_text("ram 0,0d4096 ram 4k vdev gic").notes


def test_a_name_on_the_same_line_may_be_that_of_an_option() -> None:
    assert parse_text("vdev virtio-blk hostdev a name load").vdevs[0].name == "load"


def test_a_type_in_quotes_may_hold_a_line_end_and_is_a_users_own() -> None:
    assert not parse_text('vdev "odd\nname"').vdevs[0].shipped


def test_an_option_belongs_to_the_context_opened_last() -> None:
    config = parse_text("cpu vdev virtio-blk hostdev a cpu ram 1M sched 12 partition p")
    assert [option.name for option in config.cpus[1].options] == ["sched", "partition"]
    assert config.cpus[0].options == ()


def test_the_two_published_fragments_are_a_pci_function_and_a_memory_mapped_device() -> None:
    pci = parse_text(
        "vdev virtio-blk\n        hostdev /dev/hd1t178\n        name virtio-blk_qvm178\n"
    )
    mmio = parse_text(
        "vdev virtio-blk\n        loc 0x1c0d0000\n        intr gic:41\n"
        "        hostdev /dev/hd1t178\n        name virtio-blk_qvm178\n"
    )
    assert pci.vdevs[0].transport == "pci"
    assert mmio.vdevs[0].transport == "mmio"
    assert mmio.vdevs[0].loc is not None
    assert mmio.vdevs[0].loc.address == 0x1C0D0000
    assert [note.message for note in pci.notes] == [
        "no ram is configured; the machine has no memory of its own"
    ]


def test_loose_options_may_follow_on_the_command_line() -> None:
    config = parse_arguments(
        ["ram", "128M", "cmdline", "console=ttyAMA0 debug", "set", "exit-on-halt", "off", "dryrun"]
    )
    assert config.dryrun
    assert config.options[0].arguments == ("console=ttyAMA0 debug",)
    assert (config.settings[0].variable, config.settings[0].number) == ("exit-on-halt", 0)


def test_a_problem_on_the_command_line_names_the_argument() -> None:
    with pytest.raises(ConfigError, match=r"<argument 3>: unknown option 'crypt'"):
        parse_arguments(["ram", "128M", "crypt"])


@pytest.mark.parametrize("word", ["vdev-pl011.so", "vdev-pl011", "pl011", "pl011-safety"])
def test_every_way_to_write_a_type_means_the_same_type(word: str) -> None:
    vdev = parse_text(f"vdev {word} loc 0x1c090000 intr gic:37").vdevs[0]
    assert vdev.type == "pl011"
    assert vdev.safety_build is word.endswith("-safety")


def test_ram_without_a_start_follows_the_highest_ram_or_rom() -> None:
    config = parse_text("ram 0xa0000 rom 0xc0000,0x40000 ram 512M reserve loc 0x80000000,1M ram 4k")
    assert [(region.start, region.length) for region in config.ram] == [
        (0, 0xA0000),
        (0x100000, 512 << 20),
        (0x100000 + (512 << 20), 4096),
    ]


def test_system_page_names_are_looked_up_if_the_page_is_known() -> None:
    text = "pass loc mem:$asinfo_start{gpu},$asinfo_length{gpu},rwn ram 4k"
    window = parse_text(text, asinfo={"gpu": (0x5000_0000, 0x2000)}).passes[0].windows[0]
    assert (window.guest, window.length, window.host) == (0x50000000, 0x2000, 0x50000000)


def test_system_page_names_stay_symbolic_and_are_listed_if_the_page_is_unknown() -> None:
    config = parse_text("ram $asinfo_start{vm},$asinfo_length{vm} ram 4k vdev gic")
    assert config.ram == ()
    assert [entry.text for entry in config.not_modelled] == [
        "$asinfo_start{vm}",
        "$asinfo_length{vm}",
        "ram 4k",
    ]


def test_the_block_timeout_of_a_vdev_is_its_own_or_the_common_one() -> None:
    config = parse_text(
        "set message-block-timeout 0 vdev virtio-blk hostdev a "
        "set vdev-message-block-timeout 250 vdev virtio-entropy"
    )
    assert config.block_timeout_ns is None
    assert config.vdev_block_timeout_ns(0) == 250_000_000
    assert config.vdev_block_timeout_ns(1) is None
    assert parse_text("cpu").block_timeout_ns == 10_000_000_000
    twice = parse_text("set message-block-timeout 5 set message-block-timeout 6")
    assert twice.block_timeout_ns == 6_000_000
