"""`gonogo drill`: an unattended rehearsal that measures itself and judges itself.

Five people sign off over HTTP, DevOps arms and switches, everybody watches until T+30, DevOps rolls back, all under
customers' traffic in a range of its own. The last line printed is one JSON object; the exit code is 0 if `ok`.
"""

from app.drill.begin import run_drill
from app.drill.run import FAULTS

__all__ = ["FAULTS", "run_drill"]
