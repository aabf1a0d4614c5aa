"""Automatic rollback triggers: judged once a second, shown with their countdown, held by two, fed by alerts."""
