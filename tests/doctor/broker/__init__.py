"""The start and the broker: each sickness on a real server, and a project whose settings a test makes sick."""
