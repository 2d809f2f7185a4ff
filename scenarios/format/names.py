"""The names of vdevs and VMs in a scenario: those of the configurations, made unique."""

from collections import Counter
from collections.abc import Sequence

from ..qvmconf.config import VmConfig


def vdev_names(config: VmConfig) -> tuple[str, ...]:
    """Return a name for each vdev: its own or its type, numbered from 1 where several share it.

    They are numbered in text order: `virtio-blk-1`, `virtio-blk-2`.
    """
    labels = [vdev.label for vdev in config.vdevs]
    return _numbered(labels)


def vm_names(given: Sequence[str], configs: Sequence[VmConfig]) -> tuple[str, ...]:
    """Return a name for each VM: the scenario's, the configuration's or `guest`."""
    names = [name or config.name or "guest" for name, config in zip(given, configs, strict=True)]
    return _numbered(names)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(names)
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if counts[name] == 1 else f"{name}-{seen[name]}")
    return tuple(unique)
