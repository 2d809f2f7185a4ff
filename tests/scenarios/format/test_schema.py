"""The JSON Schema: the copy is up to date, and schema and loader accept the same files."""

import importlib
import json
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from quiesce.model.base.errors import ScenarioError
from quiesce.model.hardware.registry import kinds
from quiesce.model.plan.faults import Faults
from quiesce.model.plan.traits import ResetPolicy, Traits
from quiesce.scenarios.format import schema, schema_devices, schema_hardware, shipped
from quiesce.scenarios.format.loader import parse

COPY = Path(schema.__file__).parents[1] / "scenario.schema.json"


def validator() -> Any:
    # Without type stubs; importing it by name keeps the type checker out of it.
    return importlib.import_module("jsonschema").Draft202012Validator(schema.json_schema())


def test_the_copy_for_editors_is_what_the_types_say() -> None:
    assert json.loads(COPY.read_text(encoding="utf-8")) == schema.json_schema()


def test_the_schema_is_a_schema() -> None:
    validator().check_schema(schema.json_schema())


@pytest.mark.parametrize("path", shipped.shipped_files(), ids=lambda path: path.stem)
def test_every_shipped_scenario_fits_the_schema(path: Path) -> None:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert [error.message for error in validator().iter_errors(document)] == []


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("configuration = 'a'", True),
        ("configuration = ['a', 'b']", True),
        ("configuration = 3", False),
        ("unknown = 3", False),
        ("end = { cause = 'guest-crash', at = '1us..2us' }", True),
        ("end = { cause = 'guest-crash', at = 'any', within = '1ms' }", True),
        ("end = { cause = 'guest-crash', at = '1 h' }", False),
        ("end = { cause = 'guest-krash' }", False),
        ("end = { at = '1us' }", False),
        ("platform = { iommu = 'vt-d', device = [{ kind = 'nic', name = 'e' }] }", True),
        ("platform = { device = [{ kind = 'nic', name = 'e', serves = [] }] }", False),
        ("platform = { device = [{ kind = 'ahci' }] }", False),
        ("platform = { device = [{ kind = 'ahci', name = 'a', slots = 33 }] }", False),
        ("quiesce = [{ vdev = 'v', steps = ['a', { name = 'b', bound = '1ms' }] }]", True),
        ("quiesce = [{ vdev = 'v', steps = ['a', { bound = '1ms' }] }]", False),
        ("timing = { restart = '1ms' }", True),
        ("timing = { restrat = '1ms' }", False),
        ("choices = { 'qvm.mask-tracking' = 'tracked' }", True),
        ("choices = { 'qvm.mask-tracking' = 'x' }", False),
        ("expect = { teardown-order = 'holds' }", True),
        ("expect = { teardown-order = 'fails' }", False),
        ("expect = { order = 'holds' }", False),
    ],
)
def test_schema_and_loader_agree(text: str, is_right: bool) -> None:
    assert validator().is_valid(tomllib.loads(text)) == is_right
    if is_right:
        parse(text, "s.toml", Path())
    else:
        with pytest.raises(ScenarioError):
            parse(text, "s.toml", Path())


def test_an_editor_can_show_what_each_key_means() -> None:
    definitions = schema.json_schema()["$defs"]
    for name, definition in definitions.items():
        for key, part in definition["properties"].items():
            assert "description" in part or key == "kind", f"{name}.{key}"


@pytest.mark.parametrize(
    ("entry", "plan"),
    [
        (schema_devices.TraitsEntry, Traits),
        (schema_devices.ResetEntry, ResetPolicy),
        (schema_hardware.FaultsEntry, Faults),
    ],
)
def test_a_scenario_can_say_all_that_the_model_knows(
    entry: type[msgspec.Struct], plan: type[msgspec.Struct]
) -> None:
    """The entries repeat the plan's fields with words for an editor; they must not drift apart."""
    defaults = msgspec.to_builtins(plan())
    said = msgspec.to_builtins(entry())
    if "reset" in said:  # left out it is that of most devices of a kind
        assert said["reset"] is None
        said["reset"] = defaults["reset"]
    assert said == defaults


@pytest.mark.parametrize("kind", [name for name in kinds() if name != "ahci"])
def test_what_a_device_entry_says_is_a_field_of_its_plan(kind: str) -> None:
    entries = {entry.__struct_config__.tag: entry for entry in get_args(schema_devices.DeviceEntry)}
    said = {field.name for field in msgspec.structs.fields(entries[kind])}
    known = {field.name for field in msgspec.structs.fields(kinds()[kind].plan)}
    assert said - {"pass_", "interrupt"} <= known
