"""What others are told of jobs: spans of OpenTelemetry, in every process that sends or runs them."""
