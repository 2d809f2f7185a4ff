"""`quiesce lint`: errors and design rules of a `qvm` configuration."""

from collections.abc import Sequence

from ...lint import LintRemark, lint
from ...qvmconf.parser import parse_files
from ..output.exit_status import OK, VIOLATED
from ..output.terminal import say, say_json, styled

_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def lint_command(
    files: Sequence[str],
    *,
    safety: bool,
    iommu: bool | None,
    quiesced: Sequence[str],
    as_json: bool,
) -> int:
    """Report what is wrong or unwise in the configuration that the files describe together.

    Raises:
        ConfigError: If it cannot be read as a configuration.
    """
    config = parse_files(files)
    remarks = lint(config, iommu=iommu, quiesced=frozenset(quiesced), safety=safety)
    status = VIOLATED if any(each.severity == "error" for each in remarks) else OK
    if as_json:
        listed = [_document(each) for each in remarks]
        notes = [{"place": str(each.place), "message": each.message} for each in config.notes]
        say_json({"exit_status": status, "findings": listed, "notes": notes})
        return status
    for note in config.notes:
        say(f"{note.place}: {styled('note:', 'dim')} {note.message}", hang=4)
    for each in remarks:
        severity = styled(f"{each.severity}:", _STYLES[each.severity])
        say(f"{each.place}: {severity} {each.message}", hang=4)
        say(f"{each.remedy} [{each.rule}; {each.source}]", indent=4)
    shown = [*(each.severity for each in remarks), *("note" for _ in config.notes)]
    counts = [_counted(shown, severity) for severity in _STYLES]
    say(f"{', '.join(files)}: {', '.join(counts)}")
    return status


def _counted(severities: Sequence[str], severity: str) -> str:
    count = severities.count(severity)
    return f"{count} {severity}{'' if count == 1 else 's'}"


def _document(remark: LintRemark) -> dict[str, str | int]:
    return {
        "severity": remark.severity,
        "rule": remark.rule,
        "file": remark.place.file,
        "line": remark.place.line,
        "column": remark.place.column,
        "message": remark.message,
        "remedy": remark.remedy,
        "source": remark.source,
    }
