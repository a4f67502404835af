"""Probes: small questions that show what a client's provider and model can do.

They go the way of the client's own calls, so what they show holds for those.

table       the probes, in their order, and the results there can be
questions   what is asked
asking      one question, by the exchange, within its time
verdicts    what an answer shows, and no more than that
connection  all probes of one client, one after the other
"""

from gateway.probes.connection import probed
from gateway.probes.table import PROBES, STATUSES

__all__ = ["PROBES", "STATUSES", "probed"]
