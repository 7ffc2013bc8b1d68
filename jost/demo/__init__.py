"""JOST under load before your eyes: `make demo` starts it, `/demo/` shows it and lets you break things.

`load` asks for work all the time, `watch` counts what came of it in the world outside, `faults`
breaks what you choose. All of it exists in demo mode only.
"""
