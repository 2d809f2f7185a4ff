"""Each design rule gives a remark on a configuration that breaks it, and on no other."""

import pytest

from quiesce.scenarios.lint import LintRemark, lint
from quiesce.scenarios.qvmconf.parser import parse_text

QUIET = """
system cluster
ram 0x80000000,512M
safety required
dump /var/dumps
vdev wdt-sp805 intr gic:40 action dump,terminate
vdev qvmterm
pass loc mem:0xee080000,0x1000,rw intr gic:144
"""
GPU = "mem:0xee080000"


def findings(
    text: str,
    *,
    iommu: bool | None = True,
    quiesced: frozenset[str] = frozenset(),
    safety: bool = False,
) -> dict[str, LintRemark]:
    found = lint(parse_text(text, "vm"), iommu=iommu, quiesced=quiesced, safety=safety)
    return {finding.rule: finding for finding in found}


def test_a_machine_that_follows_every_rule_has_no_finding() -> None:
    assert findings(QUIET, quiesced=frozenset({GPU}), safety=True) == {}


@pytest.mark.parametrize(
    ("text", "safety", "severity"),
    [
        (QUIET.replace("safety required", ""), False, "warning"),
        (QUIET.replace("safety required", ""), True, "error"),
        (QUIET, False, "error"),
        (QUIET.replace("safety required", "").replace("vdev wdt-sp805", "vdev wdt-sp805-safety"),
         False, "error"),
    ],
)  # fmt: skip
def test_a_device_that_nobody_quiesces_is_an_error_in_the_safety_variant(
    text: str, safety: bool, severity: str
) -> None:
    """The safety variant requires a quiescing vdev, the other one recommends it."""
    finding = findings(text, safety=safety)["dma-unquiesced"]
    assert finding.severity == severity
    assert "vdev qvmterm" in finding.remedy


def test_without_any_vdev_of_the_users_own_the_remedy_is_to_add_one() -> None:
    finding = findings(QUIET.replace("vdev qvmterm", ""))["dma-unquiesced"]
    assert finding.remedy.startswith("add a vdev")


def test_a_device_with_attribute_n_needs_no_quiescing_but_a_second_look() -> None:
    found = findings(QUIET.replace(",rw ", ",rwn "))
    assert "dma-unquiesced" not in found
    assert found["dma-declared-absent"].severity == "note"


def test_interrupts_alone_do_no_dma() -> None:
    found = findings("system a vdev wdt-sp805 intr gic:40 action terminate pass intr gic:99")
    assert found == {}


def test_a_declaration_that_fits_no_device_is_answered_with_the_nearest() -> None:
    finding = findings(QUIET, quiesced=frozenset({"mem:0xee08000"}))["quiesced-unknown"]
    assert finding.severity == "error"
    assert finding.remedy == f"did you mean {GPU}?"


def test_a_declaration_without_any_vdev_that_could_do_it_is_an_error() -> None:
    text = QUIET.replace("vdev qvmterm", "")
    found = findings(text, quiesced=frozenset({GPU}))
    assert found["quiesced-without-vdev"].severity == "error"


def test_the_iommu_counts_only_for_devices_that_do_dma() -> None:
    quiesced = frozenset({GPU})
    assert findings(QUIET, iommu=None, quiesced=quiesced)["iommu-unknown"].severity == "note"
    assert findings(QUIET, iommu=False, quiesced=quiesced)["iommu-absent"].severity == "error"
    relaxed = QUIET.replace("safety required", "")
    assert findings(relaxed, iommu=False, quiesced=quiesced)["iommu-absent"].severity == "warning"
    harmless = QUIET.replace(",rw ", ",rwn ")
    assert not {"iommu-absent", "iommu-unknown"} & set(findings(harmless, iommu=False))


def test_memory_at_its_host_address_is_a_unity_guest_unless_an_iommu_translates() -> None:
    text = "pass loc 0x90000000,0x1000000,rwxcm=0x90000000"
    assert findings(text, iommu=False)["unity-guest"].severity == "warning"
    assert findings(text, iommu=None)["unity-guest"].severity == "note"
    assert "unity-guest" not in findings(text, iommu=True)
    moved = text.replace("=0x9", "=0xa")
    assert "unity-guest" not in findings(moved, iommu=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "vdev pl011 loc 0x1000 intr gic:50 name con pass loc 0x2000,0x1000,rwn intr gic:50",
            "gic:50 is shared by vdev con and pass mem:0x2000",
        ),
        (
            "pass loc 0x2000,0x1000,rwn intr gic:50 pass loc 0x3000,0x1000,rwn intr gic:51=50",
            "host vector 50 is shared by pass mem:0x2000 (vm:1:33) and pass mem:0x3000",
        ),
        (
            "pass loc 0x2000,0x1000,rwn intr gic:50=70 pass loc 0x3000,0x1000,rwn intr gic:50=71",
            "gic:50 is shared by pass mem:0x2000 (vm:1:33) and pass mem:0x3000",
        ),
    ],
)
def test_a_line_with_two_users_is_found_on_the_guest_side_and_on_the_hosts(
    text: str, message: str
) -> None:
    assert findings(text)["line-shared"].message == message
    assert findings(text)["line-shared"].severity == "warning"
    assert findings(text, safety=True)["line-shared"].severity == "error"


def test_lines_of_their_own_are_not_shared() -> None:
    text = "pass loc 0x2000,0x1000,rwn intr gic:50 pass loc 0x3000,0x1000,rwn intr gic:51=51"
    assert "line-shared" not in findings(text)


@pytest.mark.parametrize(("pin", "is_found"), [(31, True), (32, False)])
def test_a_device_line_begins_at_32(pin: int, is_found: bool) -> None:
    assert ("not-an-spi" in findings(f"pass intr gic:{pin}")) is is_found


def test_a_line_that_is_unmasked_at_once_must_be_argued() -> None:
    assert findings("pass intr gic:50,u=7")["unmasked-early"].severity == "warning"
    assert "unmasked-early" not in findings("pass intr gic:50,t=7")


def test_waiting_for_ever_is_found_for_the_machine_and_for_one_vdev() -> None:
    assert "qvm waits" in findings("set message-block-timeout 0")["block-for-ever"].message
    text = "vdev virtio-entropy name rng set vdev-message-block-timeout 0"
    assert "vdev rng waits" in findings(text)["block-for-ever"].message
    assert "block-for-ever" not in findings("set message-block-timeout 5")


def test_a_watchdog_is_missed_and_its_dump_must_have_a_place() -> None:
    assert findings("cpu")["watchdog-absent"].severity == "note"
    assert findings("cpu", safety=True)["watchdog-absent"].severity == "warning"
    assert "dump-nowhere" in findings(QUIET.replace("dump /var/dumps", ""))
    fiq = QUIET.replace("dump,terminate", "fiq")
    assert "watchdog-interrupts" in findings(fiq)


def test_one_backing_file_with_two_writers_is_found() -> None:
    text = "vdev virtio-blk hostdev /dev/hd0 vdev virtio-blk hostdev {}/dev/hd0"
    assert "backing-shared" in findings(text.format(""))
    assert "backing-shared" not in findings(text.format("<"))


def test_direct_input_and_output_is_mentioned_as_a_writer_of_guest_memory() -> None:
    assert "zero-copy" in findings("vdev virtio-blk hostdev a dio enable")
    assert "zero-copy" not in findings("vdev virtio-blk hostdev a dio disable")


def test_safety_builds_without_safety_required_are_found() -> None:
    assert findings("vdev virtio-entropy-safety")["safety-not-required"].severity == "warning"
    assert "safety-not-required" not in findings("vdev virtio-entropy")


def test_the_gravest_finding_comes_first_and_reads_as_one_line() -> None:
    config = parse_text("vdev virtio-blk hostdev a dio enable\n" + QUIET.lstrip(), "vm")
    found = lint(config, iommu=None, quiesced=frozenset(), safety=True)
    assert [finding.rule for finding in found] == ["dma-unquiesced", "zero-copy", "iommu-unknown"]
    assert [finding.severity for finding in found] == ["error", "note", "note"]
    assert str(found[0]).startswith(f"vm:8:1: error: {GPU} can write memory")
    assert str(found[0]).endswith("[dma-unquiesced]")


def test_a_pci_function_gets_no_advice_about_attribute_letters_and_its_letters_are_noted() -> None:
    config = parse_text("system g ram 1M pass loc pci:0:3.0,rwn", "vm")
    (note,) = config.notes
    assert "attribute letters do not belong to a PCI function" in note.message
    remarks = lint(config, iommu=True, quiesced=frozenset(), safety=False)
    (remark,) = [each for each in remarks if each.rule == "dma-unquiesced"]
    assert remark.remedy == "add a vdev that stops it when qvm terminates"


def test_a_window_marked_n_without_a_line_is_to_be_confirmed_and_is_not_called_live() -> None:
    config = parse_text("system g ram 1M pass loc 0x1000000,0x1000,rwn", "vm")
    remarks = lint(config, iommu=True, quiesced=frozenset(), safety=False)
    (remark,) = [each for each in remarks if each.rule == "dma-declared-absent"]
    assert "has no line here and is taken to do no DMA" in remark.message


def test_a_line_in_an_entry_of_its_own_makes_the_windows_before_it_live() -> None:
    text = "system g ram 1M pass loc 0x1000000,0x1000,rwn pass intr gic:50"
    remarks = lint(parse_text(text, "vm"), iommu=True, quiesced=frozenset(), safety=False)
    (remark,) = [each for each in remarks if each.rule == "dma-declared-absent"]
    assert "is live and taken to do no DMA" in remark.message
