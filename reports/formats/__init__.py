"""The formats that other programs open: waveforms, timelines, diagrams, results of tests.

Each is a function of a trace, and of what was found in it where the format has room for that.
"""
