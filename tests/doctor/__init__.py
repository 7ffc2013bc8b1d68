"""The doctor, asked as a process: each sickness on real services, and health in silence."""
