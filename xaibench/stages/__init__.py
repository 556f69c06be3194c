"""The three stages: pure functions of a session and a unit; each unit writes its own files."""
