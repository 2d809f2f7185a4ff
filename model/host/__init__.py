"""Host processes: interrupts in the kernel, smmuman, drivers that own hardware, and power."""
