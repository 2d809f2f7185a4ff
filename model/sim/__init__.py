"""The simulation kernel: SimPy with integer time, named delays and automatic causes."""
