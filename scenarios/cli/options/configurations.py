"""Commands that read `qvm` configurations alone."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .app import JsonOption, app


@app.command("lint")
def _lint(
    configurations: Annotated[
        list[str], typer.Argument(metavar="CONF", help="Files of one `qvm` configuration.")
    ],
    safety: Annotated[
        bool, typer.Option("--safety", help="Apply the rules of the safety variant.")
    ] = False,
    iommu: Annotated[
        bool | None,
        typer.Option("--iommu/--no-iommu", help="Whether an IOMMU confines the devices."),
    ] = None,
    quiesced: Annotated[
        list[str] | None,
        typer.Option(help="A pass-through device that a vdev quiesces, such as mem:0xee080000."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Check a `qvm` configuration.

    Reports errors, and what is legal and yet unwise for a safe shutdown.

    Several files are read as one configuration, in the order given.  The exit status is 1 if
    a finding is an error, 4 if the configuration cannot be read.
    """
    from ..commands.lint import lint_command  # noqa: PLC0415 - keeps --help fast

    return lint_command(
        configurations, safety=safety, iommu=iommu, quiesced=quiesced or [], as_json=json
    )


@app.command("discover")
def _discover(
    configurations: Annotated[
        list[str],
        typer.Argument(
            metavar="CONF", help="Files of one `qvm` configuration, or the name of a shipped one."
        ),
    ],
    form: Annotated[
        Literal["pci-tool", "lspci", "lspci-dump", "fdt", "mmio", "json"] | None,
        typer.Option("--as", help="What to show; pci-tool if neither this nor --guest is given."),
    ] = None,
    guest: Annotated[
        Literal["qnx", "linux"] | None,
        typer.Option(help="Show what this guest starts for each device and what then appears."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(help="Compare a driver's command line in the guest with the configuration."),
    ] = None,
    bus_scan_limit: Annotated[
        int | None,
        typer.Option(min=0, max=255, help="The highest PCI bus that the guest tries."),
    ] = None,
    numbering: Annotated[
        Literal["as-configured", "reversed"],
        typer.Option(help="How PCI vdevs get device numbers, which is not documented."),
    ] = "as-configured",
    dtb: Annotated[
        Path | None, typer.Option(help="Write the device tree of --as fdt as a binary, too.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Show how a guest finds its VIRTIO devices.

    On its PCI bus, by the address its driver is told, or by device tree.

    The exit status is 1 if the driver line of --check does not fit, 4 if the configuration cannot
    be used.
    """
    from ..commands.discover import DiscoverRequest, discover_command  # noqa: PLC0415

    request = DiscoverRequest(
        files=configurations,
        form="json" if json else form or "",
        guest=guest or "",
        check=check,
        bus_scan_limit=bus_scan_limit,
        numbering=numbering,
        dtb=dtb,
    )
    return discover_command(request)
