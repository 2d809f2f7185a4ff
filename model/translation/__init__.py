"""Translation of device addresses: what an IOMMU and a device's own cache remember, as state."""
