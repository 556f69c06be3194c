"""What is made of finished runs, or of many: ablation, audit, agreement of maps, figures."""
