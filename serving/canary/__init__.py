"""How a new version takes over: the plan, what was seen of both sides, what that proves, and what follows from it.

Nothing here reads a clock, a disk or random numbers: `serving.canary_control` does.
"""
