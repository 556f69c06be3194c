"""Which of the paper's takeaways hold: one file a group of rules, each a function of scores."""
