"""Named faults of software and fabric that a plan can switch on: what real systems got wrong.

A fault concerns a thing that the model otherwise always does right.  Wrong quiesce procedures,
peculiar devices and unfavourable answers to open questions need no fault: a plan can state them.
"""

import msgspec


class Faults(msgspec.Struct, frozen=True):
    """What goes wrong by design.

    Attributes:
        memory_before_callbacks: qvm returns guest RAM and only then calls its vdevs.
        no_invalidate: smmuman removes maps and leaves the cached translations.
        no_sync: smmuman does not wait for what was translated before.
        no_atc_invalidate: smmuman does not invalidate the translations that devices keep.
        atc_timeout_is_success: A device that does not answer counts as one that has cleared them.
        no_drain: The invalidation does not wait for translated writes (VT-d).
        entry_in_halves: smmuman changes a stream's entry word by word, and half of it lets
            accesses pass.
        unmap_stops_early: Removing several maps stops before the first one, and counts as done.
        bypass_after_unmap: A device without maps is handed to the host, unrestricted.
        detach_before_masked: The kernel calls a line detached before the mask has taken effect.
        unmask_after_detach: A thread of qvm unmasks a line that it has detached from.
        reference_kept: Something keeps a reference to guest RAM, and it is never returned.
        resurrecting_agent: A timer of the host starts devices again that it finds stopped.
        hidden_master: The interrupt controller itself writes its tables, which lie in guest RAM.
        route_kept: The route of a device's messages stays when its owner detaches.
        route_cache_kept: The route is removed, and the copy that the hardware has cached stays.
        no_route_sync: qvm does not wait until the removal of a route has taken effect.
        pending_not_discarded: The route is removed, and what is pending behind it stays pending.
        list_registers_kept: A virtual CPU that goes leaves its list registers as they are.
    """

    memory_before_callbacks: bool = False
    no_invalidate: bool = False
    no_sync: bool = False
    no_atc_invalidate: bool = False
    atc_timeout_is_success: bool = False
    no_drain: bool = False
    entry_in_halves: bool = False
    unmap_stops_early: bool = False
    bypass_after_unmap: bool = False
    detach_before_masked: bool = False
    unmask_after_detach: bool = False
    reference_kept: bool = False
    resurrecting_agent: bool = False
    hidden_master: bool = False
    route_kept: bool = False
    route_cache_kept: bool = False
    no_route_sync: bool = False
    pending_not_discarded: bool = False
    list_registers_kept: bool = False


NO_FAULTS = Faults()
"""A model without faults."""
