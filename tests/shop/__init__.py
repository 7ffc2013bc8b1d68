"""An app with tasks whose arguments are held to their annotations."""
