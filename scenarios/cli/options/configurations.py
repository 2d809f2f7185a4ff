"""Commands that read `qvm` configurations and run nothing."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .app import DefineOption, JsonOption, app


@app.command("lint")
def _lint(
    configurations: Annotated[
        list[str],
        typer.Argument(
            metavar="CONF", help="Files of one `qvm` configuration, in order; - is standard input."
        ),
    ],
    safety: Annotated[
        bool, typer.Option("--safety", help="Apply the stricter rules of the safety variant.")
    ] = False,
    iommu: Annotated[
        bool | None,
        typer.Option(
            "--iommu/--no-iommu",
            help="State whether an IOMMU confines the devices; a remark asks for it if left out.",
        ),
    ] = None,
    quiesced: Annotated[
        list[str] | None,
        typer.Option(
            help="Declare that a vdev quiesces this pass-through device, such as mem:0xee080000; "
            "may be given several times."
        ),
    ] = None,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Check a `qvm` configuration for errors and shutdown risks.

    The command reports what is legal for qvm and yet unwise for a safe shutdown.  It runs nothing.

    Several files form one configuration, in the order given.  The exit status is 1 if a remark is
    an error, 4 if the configuration cannot be read.
    """
    from ..commands.lint import lint_command  # noqa: PLC0415 - keeps --help fast

    files = [word.removeprefix("@") for word in configurations]
    return lint_command(files, safety=safety, iommu=iommu, quiesced=quiesced or [], as_json=json)


@app.command("discover")
def _discover(
    configurations: Annotated[
        list[str],
        typer.Argument(
            metavar="CONF", help="Files of one `qvm` configuration, or the name of a shipped file."
        ),
    ],
    form: Annotated[
        Literal["pci-tool", "lspci", "lspci-dump", "fdt", "mmio", "json"] | None,
        typer.Option(
            "--as", help="Form of the listing; pci-tool if neither this nor --guest is given."
        ),
    ] = None,
    guest: Annotated[
        Literal["qnx", "linux"] | None,
        typer.Option(
            help="Show the driver that this guest starts for each device, and what then appears."
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="Check a driver's command line, given in quotes, against the configuration."
        ),
    ] = None,
    bus_scan_limit: Annotated[
        int | None,
        typer.Option(min=0, max=255, help="The highest PCI bus number that the guest scans."),
    ] = None,
    numbering: Annotated[
        Literal["as-configured", "reversed"],
        typer.Option(
            help="The order in which qvm numbers PCI vdevs; QNX does not document it, so try both."
        ),
    ] = "as-configured",
    dtb: Annotated[
        Path | None,
        typer.Option(help="With --as fdt: also write the device tree to this file as a binary."),
    ] = None,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Show how a guest finds its VIRTIO devices.

    A guest finds them on its PCI bus, at the address on the driver's command line, or in the device
    tree.

    The exit status is 1 if the command line of --check does not fit the configuration, 4 if the
    configuration cannot be used.
    """
    from ..commands.discover import DiscoverRequest, discover_command  # noqa: PLC0415

    request = DiscoverRequest(
        files=[word.removeprefix("@") for word in configurations],
        form="json" if json else form or "",
        guest=guest or "",
        check=check,
        bus_scan_limit=bus_scan_limit,
        numbering=numbering,
        dtb=dtb,
    )
    return discover_command(request)
