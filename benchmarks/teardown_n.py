"""A family of teardowns that grows: n devices write memory while their VM ends.

Each device repeats three times: wait 2..5, issue a write, which lands 1..3 later.  The guest
crashes once at an instant in 0..20, which is detected 0..2 later.  Then come the callbacks of
devices 1..n in order, each 1..2, at whose end that device issues no more; then a drain of D; then
the release.  Safe for D > 3, violated for D <= 3, and violated without any one of the callbacks.
The longest way from crash to release is 2 + 2n + D.

    python benchmarks/teardown_n.py [--n N] [--drain D] [--nostop K] [--no-slicing] [--json]
"""

import argparse
import json
import resource
import time

import networkx

from quiesce.model.clock import Span, exactly
from quiesce.model.component import Component
from quiesce.model.dense_model import DenseModel
from quiesce.model.kernel import Kernel, Steps
from quiesce.model.timing import Timing
from quiesce.model.trace import DmaIssued, DmaLanded, FramesReleased, TerminationBegun
from quiesce.properties.dense_step import Proof
from quiesce.properties.prove import prove
from quiesce.properties.slices import Claim, prove_claims
from quiesce.properties.watches import Distance, NeverAfter, event_is
