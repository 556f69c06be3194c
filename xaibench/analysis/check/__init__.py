"""May this method be believed? Scores and maps against controls, as a judgement with its rules."""
