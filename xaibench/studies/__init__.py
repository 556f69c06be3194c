"""What is made of runs: ablation, audit, agreement of maps, figures."""
