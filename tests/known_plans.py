"""The plans of plans/, read once a process: reading one takes a quarter of a second of computing."""

from app.config import ROOT
from app.providers.plan_yaml import read_plan

ALAWAEL_FILE = ROOT / "plans" / "alawael.yaml"
HARBOUR_FILE = ROOT / "plans" / "harbour.yaml"
ALAWAEL = read_plan(ALAWAEL_FILE)
HARBOUR = read_plan(HARBOUR_FILE)
