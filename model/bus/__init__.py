"""The way to memory: ports of devices, the IOMMU, register windows, DMA engines, memory itself."""
