"""The whole machine: a qvm, the supervisor, the system, and interventions for what-if runs."""
