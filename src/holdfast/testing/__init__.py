"""What a project needs to test its jobs against real services; runs in test processes only."""
