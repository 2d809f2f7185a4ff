"""Host processes: interrupts in the kernel, smmuman, drivers that own hardware, the supervisor."""
