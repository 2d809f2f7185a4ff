"""`quiesce lint`: errors and design rules of a `qvm` configuration."""

from collections.abc import Sequence

from ...lint import Finding, lint
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
    findings = lint(config, iommu=iommu, quiesced=frozenset(quiesced), safety=safety)
    status = VIOLATED if any(each.severity == "error" for each in findings) else OK
    if as_json:
        listed = [_document(each) for each in findings]
        notes = [{"place": str(each.place), "message": each.message} for each in config.notes]
        say_json({"exit_status": status, "findings": listed, "notes": notes})
        return status
    for note in config.notes:
        say(f"{note.place}: {styled('note:', 'dim')} {note.message}", hang=4)
    for each in findings:
        severity = styled(f"{each.severity}:", _STYLES[each.severity])
        say(f"{each.place}: {severity} {each.message}", hang=4)
        say(f"{each.remedy} [{each.rule}; {each.source}]", indent=4)
    counts = [_counted(findings, severity) for severity in _STYLES]
    say(f"{', '.join(files)}: {', '.join(counts)}")
    return status


def _counted(findings: Sequence[Finding], severity: str) -> str:
    count = sum(each.severity == severity for each in findings)
    return f"{count} {severity}{'' if count == 1 else 's'}"


def _document(finding: Finding) -> dict[str, str | int]:
    return {
        "severity": finding.severity,
        "rule": finding.rule,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "message": finding.message,
        "remedy": finding.remedy,
        "source": finding.source,
    }
