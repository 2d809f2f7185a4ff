"""Physical devices: registers, DMA engines and interrupt lines that outlive any guest."""
