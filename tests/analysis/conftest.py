"""Frames of scores and declarations for the tests of this folder."""

from frames import full_study, make_frame, make_study

__all__ = ["full_study", "make_frame", "make_study"]
