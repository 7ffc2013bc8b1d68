"""The console: pages and a JSON API that show what is happening, why, and mend it.

Closed until somebody is let in (`access`). A page is one function that returns one dataclass (`pages`): a template
makes HTML of it, `encode` makes JSON, `openapi` describes both.
"""
