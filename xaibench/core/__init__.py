"""A batch and a network -> maps and values, in memory: no directory, no configuration.

Stages, the audit, notebooks and tests all call this; there is no second way.
"""
