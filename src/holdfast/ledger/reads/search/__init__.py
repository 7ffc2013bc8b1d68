"""Jobs as people look for them: what they ask, in words and typed; pages of what fits, and how many there are."""
