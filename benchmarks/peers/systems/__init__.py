"""One module for each system: how it registers the bodies and how it sends; workers import the same modules."""
