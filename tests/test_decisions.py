"""Decision records: numbered without a gap, each with its four parts, all in the index."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "decisions"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def test_records_are_numbered_in_order_and_the_title_has_the_number() -> None:
    numbers = [re.match(r"(\d{4})-[a-z0-9-]+\.md$", path.name) for path in RECORDS]
    assert [found and int(found[1]) for found in numbers] == [*range(1, len(RECORDS) + 1)]
    for path in RECORDS:
        assert path.read_text().startswith(f"# {path.name[:4]}. ")


def test_each_record_has_context_options_choice_and_consequence() -> None:
    for path in RECORDS:
        parts = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert parts == ["Context", "Options", "Choice", "Consequence"], path.name


def test_the_index_lists_each_record_once_by_its_title() -> None:
    listed = re.findall(
        r"^- \[(\d{4})\]\(([^)]+)\) (.+)$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    titles = [path.read_text().splitlines()[0] for path in RECORDS]
    assert [(name, f"# {number}. {title}") for number, name, title in listed] == [
        (path.name, title) for path, title in zip(RECORDS, titles, strict=True)
    ]
